"""All rules over one content, its header section read once."""

from __future__ import annotations

from reference_relay.mail.content import Outline
from reference_relay.policy.header_fields import judge_repetitions
from reference_relay.policy.mime_structure import AttachmentRules
from reference_relay.policy.no_attachment import judge_attachments
from reference_relay.policy.sender_domain import judge_senders
from reference_relay.smtp.reply import Reply


def judge_message(
    found: Outline, domain: str, rules: AttachmentRules, *, subdomains: bool = False
) -> Reply | None:
    """Judge a content at the end of data, before or after it was completed.

    Args:
        found: what was received, in CRLF form; whatever the octets, nothing raises.
        domain: the configuration's domain.
        rules: what the profile lets in besides text.
        subdomains: whether names below the domain belong to it.

    Returns:
        The refusal, or None.
    """
    return (
        judge_senders(found.fields, found.by_key, domain, subdomains)
        or judge_repetitions(found.fields, found.by_key)
        or judge_attachments(found, rules)
    )
