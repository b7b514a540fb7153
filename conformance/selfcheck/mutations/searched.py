"""Relays with mistakes so rare that only a search finds them: one for each property.

No check with examples of its own comes across these; whoever widens one so far that it does makes
the mistake here rarer still.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.mutations.rarer_cases import argument_becomes
from conformance.selfcheck.patching import Broken, around, content_becomes


def content_replaced(pattern: bytes, by: bytes) -> None:
    """Rewrite every content."""
    found = re.compile(pattern, re.MULTILINE)
    content_becomes(lambda content: found.sub(by, content))


def recipient_replaced(pattern: bytes, by: bytes) -> None:
    """Rewrite the argument of RCPT before it is read."""
    found = re.compile(pattern)
    argument_becomes("parse_rcpt", lambda argument: found.sub(by, argument))


def attachment_rule_differs(pattern: bytes, *, is_refused: bool) -> None:
    """Refuse, or let pass, every content that has such a place, whatever the rule says."""
    from reference_relay.policy import message
    from reference_relay.smtp import replies

    found = re.compile(pattern)

    @around(message, "judge_attachments")
    def sloppy(original: Broken, outline: Any, rules: Any) -> Any:
        if not found.search(outline.content):
            return original(outline, rules)
        return replies.ATTACHMENTS_REFUSED if is_refused else None


def line_feed_alone_brings_its_return() -> None:
    from reference_relay.smtp.receive_buffer import ReceiveBuffer

    @around(ReceiveBuffer, "append")
    def helpful(original: Broken, self: Any, octets: bytes) -> None:
        original(self, b"\r\n" if octets == b"\n" else octets)


MUTATIONS = {
    "dot-behind-an-empty-line-is-doubled": Mutation(
        ("DATA-02",),
        partial(content_replaced, rb"\r\n\r\n\.", b"\r\n\r\n.."),
        "A line that begins with a dot keeps the stuffed one if the line above is empty.",
    ),
    "two-lone-dots-become-one": Mutation(
        ("CHNK-02",),
        partial(content_replaced, rb"\r\n\.\r\n\.\.", b"\r\n.\r\n."),
        "Behind a line of one dot the next one loses a dot, in chunks too.",
    ),
    "high-control-before-low-one-is-lost": Mutation(
        ("DATA-12",),
        partial(content_replaced, rb"[\x10-\x1f]([\x01-\x08])", rb"\1"),
        "Of two control octets the higher one is lost if it comes first.",
    ),
    "line-of-512-is-cut": Mutation(
        ("DATA-13",),
        partial(content_replaced, rb"^([^\r\n]{510})[^\r\n]{0,3}\r\n", rb"\1\r\n"),
        "Lines of 511 to 513 octets are cut to 510.",
    ),
    "three-byte-lead-at-the-start-is-lost": Mutation(
        ("8BIT-01",),
        partial(content_replaced, rb"^[\xe0-\xff]", b""),
        "A line that begins with the first octet of a long UTF-8 sequence loses it.",
    ),
    "many-blanks-at-the-end-are-lost": Mutation(
        ("RLY-01",),
        partial(content_replaced, rb" {60,}\r\n", b"\r\n"),
        "Sixty blanks or more at the end of a line are taken off.",
    ),
    "line-feed-alone-brings-its-return": Mutation(
        ("PIPE-01",),
        line_feed_alone_brings_its_return,
        "A command that is cut between CR and LF is read as one with a CR too many.",
    ),
    "digit-before-a-dot-refused": Mutation(
        ("PATH-01",),
        partial(recipient_replaced, rb"[0-9]\.(?=[^@]*@)", b".."),
        "A local part with a digit before a dot is taken for malformed.",
    ),
    "two-dots-behind-six-letters": Mutation(
        ("PATH-06",),
        partial(recipient_replaced, rb"(?<=[^.<:]{6})\.\.", b"."),
        "Two dots in a row pass when six other characters stand in front of them.",
    ),
    "hyphens-of-inner-labels-unseen": Mutation(
        ("PATH-15",),
        partial(recipient_replaced, rb"(?<=\.)-|-(?=>)", b""),
        "A hyphen at the edge of a label is noticed in the first label only.",
    ),
    "csv-is-no-text": Mutation(
        ("ATT-01",),
        partial(attachment_rule_differs, rb"(?i)text/csv", is_refused=True),
        "A part of type text/csv is refused.",
    ),
    "boundary-in-prose-refused": Mutation(
        ("ATT-02",),
        partial(attachment_rule_differs, rb"\r\nboundary=b-1\r\n", is_refused=True),
        "A line of prose that reads like a parameter makes a message an attachment.",
    ),
    "odd-name-folded-passes": Mutation(
        ("ATT-04",),
        partial(
            attachment_rule_differs,
            rb"\r\n(?!Content-Disp|content-disp)(?i:content-disposition):\r\n[ \t]",
            is_refused=False,
        ),
        "A disposition passes if its field is folded and its name in odd letters.",
    ),
    "odd-file-name-continued-passes": Mutation(
        ("ATT-07",),
        partial(attachment_rule_differs, rb"(?!filename)(?i:filename)\*0=", is_refused=False),
        "A file name in pieces passes if the parameter is written in odd letters.",
    ),
    "odd-file-name-folded-passes": Mutation(
        ("ATT-06",),
        partial(attachment_rule_differs, rb"\r\n[ \t](?!filename)(?i:filename)=", is_refused=False),
        "A file name on a line of its own passes if the parameter is written in odd letters.",
    ),
    "model-in-odd-letters-passes": Mutation(
        ("ATT-09",),
        partial(attachment_rule_differs, rb"(?!model)(?i:model)/", is_refused=False),
        "A leaf of type model passes if the type is written in odd letters.",
    ),
}
