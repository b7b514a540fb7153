"""GRT: names that clients greet with, and what a submission port lacks (RFC 5321 §4.1.2)."""

from __future__ import annotations

import pytest

from conformance.judgement import must
from conformance.requirement import requirement
from conformance.steps import (
    must_answer,
    must_be_alive,
    open_transaction,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.target import Target


@requirement("GRT-08")
@pytest.mark.parametrize("literal", ["[192.0.2.1]", "[IPv6:2001:db8::1]"])
def test_ehlo_takes_address_literals(literal: str, secure: Connect) -> None:
    """A client without a name may greet with an address literal."""
    reply = secure().command(f"EHLO {literal}")
    must_answer(reply, "250", "address literals are legal EHLO arguments")


@requirement("GRT-09")
def test_foreign_ehlo_name_is_no_reason_to_refuse(
    secure: Connect, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """Mail is accepted although the EHLO name does not belong to the client's address."""
    probe = secure()
    must_answer(probe.ehlo("mail.elsewhere.example"), "250", "the name is well-formed")
    must_answer(probe.auth_plain(target.account()), "235", "the credentials are right")
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(probe.data(message(token)), "250", "the EHLO name is no reason to refuse")
    arrived(token)


@requirement("GRT-10")
@pytest.mark.parametrize(
    "name",
    [b"bad_host", "übel".encode(), b"a..b", b"x" * 300, b"client\x1b[31m.example"],
    ids=["underscore", "utf-8", "empty-label", "300-octets", "escape"],
)
def test_illegal_ehlo_names_do_no_harm(
    name: bytes,
    secure: Connect,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """An illegal EHLO name is refused, or tolerated and never copied raw into Received."""
    probe = secure()
    reply = probe.command(b"EHLO " + name)
    must(
        reply.is_positive or reply.is_permanent,
        expected="501, or a tolerant 250",
        observed=reply.raw,
    )
    must_be_alive(probe)
    if reply.is_permanent:
        return
    must_answer(probe.auth_plain(target.account()), "235", "the credentials are right")
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(probe.data(message(token)), "250", "the message is valid")
    header = arrived(token).content.split(b"\r\n\r\n")[0]
    odd = sorted({octet for octet in header if octet > 0x7E or octet < 0x20} - {9, 10, 13})
    must(not odd, expected="a Received field in plain ASCII", observed=header)


@requirement("GRT-11")
def test_relay_control_is_absent(session: LogIn) -> None:
    """A submission service neither advertises nor runs ETRN, ATRN or TURN."""
    probe = session()
    keywords = must_answer(probe.ehlo(), "250", "EHLO may be repeated").keywords
    for verb in ("ETRN", "ATRN", "TURN"):
        must(verb not in keywords, expected=f"no {verb} on a submission port", observed=keywords)
        must_answer(probe.command(f"{verb} example.com"), ("5yz", "458"), f"{verb} is not for MSAs")
