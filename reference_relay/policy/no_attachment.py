"""The attachment rule: text only, and no two ways to read it (D-13)."""

from __future__ import annotations

from reference_relay.mail.content import Outline, outline
from reference_relay.policy.file_block import holds_file
from reference_relay.policy.mime_structure import AttachmentRules, Inspection
from reference_relay.smtp import replies
from reference_relay.smtp.reply import Reply

__all__ = ["AttachmentRules", "judge_attachments", "judge_content"]

_STRICT = AttachmentRules()


def judge_content(content: bytes, rules: AttachmentRules = _STRICT) -> Reply | None:
    """Judge a content in CRLF form at the end of data; never raises, whatever the octets.

    The verdict is the same before and after `mail.content.complete`. A missing or odd
    MIME-Version changes nothing, since readers do not wait for it (ATT-14).

    Returns:
        The refusal, or None.
    """
    return judge_attachments(outline(content), rules)


def judge_attachments(found: Outline, rules: AttachmentRules) -> Reply | None:
    """Do what `judge_content` does for a content that has been read already."""
    if not found.is_well_formed:
        return replies.HEADER_MALFORMED
    if len(found.by_key) != len(found.fields):
        keys = [name.lower() for name, _ in found.fields]
        content_keys = [key for key in keys if key.startswith(b"content-")]
        if len(content_keys) != len(set(content_keys)):
            return replies.STRUCTURE_REFUSED
    content = found.content
    refusal = Inspection(content, rules).judge_body(found.by_key, found.body_start, len(content))
    if refusal is not None:
        return refusal
    return replies.ATTACHMENTS_REFUSED if holds_file(content, found.body_start) else None
