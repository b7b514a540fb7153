"""8BIT: content outside ASCII (RFC 6152)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, not_claimed, remark
from conformance.requirement import requirement
from conformance.rfc6152.decoding import decoded_body
from conformance.steps import (
    must_answer,
    must_refuse,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.target import Target

EIGHT_BIT_BODIES = {
    "every-high-octet": bytes(range(0x80, 0x100)) + b"\r\n",
    "utf-8": "Zürich, Москва, 東京\r\n".encode(),
    "broken-utf-8": b"\xc3\x28 \xa0\xa1 \xe2\x28\xa1\r\n",
}


@requirement("8BIT-01")
@pytest.mark.parametrize("body", list(EIGHT_BIT_BODIES.values()), ids=list(EIGHT_BIT_BODIES))
def test_eight_bit_content_is_preserved(
    body: bytes,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """With BODY=8BITMIME every octet of the body reaches the recipient."""
    probe = session()
    if "8BITMIME" not in probe.ehlo().keywords:
        not_claimed("8BITMIME is not advertised")
    must_answer(probe.mail(sender_of(target), "BODY=8BITMIME"), "250", "8BITMIME is advertised")
    must_answer(probe.rcpt(target.recipient()), "250", "RCPT to a valid recipient")
    must_answer(probe.data(message(token) + body), "250", "the message is valid")
    seen = decoded_body(arrived(token))
    must(seen.endswith(body), expected=f"{body!r} at the end", observed=seen)


@requirement("8BIT-02")
def test_undeclared_eight_bit_content_is_not_mangled(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """8-bit content without BODY is refused or preserved."""
    body = EIGHT_BIT_BODIES["utf-8"]
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    must_answer(probe.rcpt(target.recipient()), "250", "RCPT to a valid recipient")
    reply = must_answer(probe.data(message(token) + body), ("250", "5yz"), "refused or preserved")
    if not reply.is_positive:
        return
    seen = decoded_body(arrived(token))
    if seen.endswith(bytes(octet & 0x7F for octet in body)):
        remark("the high bits were cleared: legal by RFC 5321 §2.4, and nobody wants it")
        return
    must(seen.endswith(body), expected=f"{body!r} at the end", observed=seen)


@requirement("8BIT-02")
@pytest.mark.parametrize("parameters", ["BODY=9BIT", "BODY=", "BODY=7BIT BODY=8BITMIME"])
def test_wrong_body_values_are_refused(parameters: str, session: LogIn, target: Target) -> None:
    """An unknown or repeated BODY is refused."""
    reply = session().mail(sender_of(target), parameters)
    must_refuse(reply, "a wrong BODY", exactly=("501", "504", "555"))
