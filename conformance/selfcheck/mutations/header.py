"""Relays that mistreat the header section."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, replace


def completed_becomes(change: Callable[[bytes], bytes]) -> None:
    """Change every content after it was completed."""
    from reference_relay.submission import accept

    @around(accept, "complete_outline")
    def changed(original: Broken, found: Any, **named: Any) -> bytes:
        return change(original(found, **named))


def second_date() -> None:
    completed_becomes(lambda content: b"Date: Mon, 2 Mar 2026 10:00:00 +0000\r\n" + content)


def message_id_replaced() -> None:
    from reference_relay.mail import content

    replace(content, "_is_message_id", lambda raw: False)


def repetitions_pass() -> None:
    from reference_relay.policy import message

    replace(message, "judge_repetitions", lambda *_: None)


def author_invented() -> None:
    from reference_relay.policy import message
    from reference_relay.smtp import replies

    @around(message, "judge_senders")
    def helpful(original: Broken, *arguments: Any) -> Any:
        refusal = original(*arguments)
        return None if refusal is replies.HEADER_FROM_MISSING else refusal


def bcc_leaves() -> None:
    from reference_relay.mail import content

    replace(content, "_NEVER_LEAVE", frozenset())


def fields_unfolded() -> None:
    completed_becomes(lambda content: re.sub(rb"\r\n[ \t]+", b" ", content))


def domain_guessed() -> None:
    completed_becomes(
        lambda content: re.sub(
            rb"(?m)^(To|Cc): (\w+)\r\n", rb"\1: \2@relay.example.net\r\n", content
        )
    )


def text_in_the_header() -> None:
    from reference_relay.submission import accept

    @around(accept, "complete_outline")
    def swallowed(original: Broken, found: Any, **named: Any) -> Any:
        content = original(found, **named)
        is_repaired = found.body_start == found.header_end
        return content.replace(b"\r\n\r\n", b"\r\nX-Text: ", 1) if is_repaired else content


MUTATIONS = {
    "second-date": Mutation(("SUB-03",), second_date, "A Date is added to every message."),
    "message-id-replaced": Mutation(
        ("SUB-04",), message_id_replaced, "Every Message-ID is replaced."
    ),
    "repetitions-pass": Mutation(
        ("SUB-05",), repetitions_pass, "Fields that may occur once leave twice."
    ),
    "author-invented": Mutation(
        ("SUB-06",), author_invented, "A message without an author is accepted."
    ),
    "bcc-leaves": Mutation(("SUB-07",), bcc_leaves, "Bcc is delivered."),
    "fields-unfolded": Mutation(("SUB-08",), fields_unfolded, "Folded fields are written anew."),
    "domain-guessed": Mutation(
        ("SUB-09",), domain_guessed, "Unqualified addresses get the relay's domain."
    ),
    "text-in-the-header": Mutation(
        ("INT-03",), text_in_the_header, "Without a blank line the text becomes a header field."
    ),
}
