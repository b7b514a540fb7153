"""PATH: parameters of MAIL and RCPT, and mailboxes outside ASCII (RFC 5321 §4.1.1.11, RFC 6531)."""

from __future__ import annotations

import pytest

from conformance.judgement import not_claimed
from conformance.requirement import requirement
from conformance.steps import must_answer, must_refuse, sender_of
from fixtures.plugin import Connect, LogIn
from fixtures.target import Target


@requirement("PATH-18")
@pytest.mark.parametrize(
    "parameters",
    [
        "FOO=1",
        "FOO",
        "SIZE=1 SIZE=2",
        "SIZE=",
        "SIZE=x",
        "BODY",
        "BODY=",
        "=x",
        "BODY=7BIT BODY=7BIT",
    ],
)
def test_wrong_mail_parameters_are_refused(parameters: str, session: LogIn, target: Target) -> None:
    """An unknown, repeated or valueless parameter makes MAIL fail and opens nothing."""
    probe = session()
    reply = probe.command(f"MAIL FROM:<{sender_of(target)}> {parameters}")
    must_refuse(reply, "a wrong parameter", exactly=("555", "501", "504"))
    must_refuse(probe.rcpt(target.recipient()), "no transaction is open", exactly="503")


@requirement("PATH-18")
def test_wrong_rcpt_parameters_are_refused(session: LogIn, target: Target) -> None:
    """An unknown parameter makes RCPT fail and adds no recipient."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    reply = probe.command(f"RCPT TO:<{target.recipient()}> FOO=1")
    must_refuse(reply, "a wrong parameter", exactly=("555", "501", "504"))
    must_refuse(probe.command("DATA"), "no recipient was accepted", exactly=("503", "554"))


@requirement("PATH-18")
def test_no_parameters_after_helo(secure: Connect, target: Target) -> None:
    """Who greets with HELO was offered no extension; an unknown parameter stays refused."""
    probe = secure()
    must_answer(probe.command("HELO client.example"), "250", "HELO is supported")
    login = probe.auth_plain(target.account())
    if not login.is_positive:
        not_claimed("AUTH needs EHLO here, so nothing can be mailed after HELO")
    reply = probe.command(f"MAIL FROM:<{sender_of(target)}> FOO=1")
    must_refuse(reply, "a wrong parameter", exactly=("555", "501", "504"))


@requirement("PATH-19")
def test_raw_utf8_needs_smtputf8(session: LogIn, target: Target) -> None:
    """Without the SMTPUTF8 parameter a mailbox outside ASCII is refused."""
    own = target.account().domain
    probe = session()
    for mailbox in (f"jörg@{own}", "u@bücher.example"):
        reply = probe.command(f"MAIL FROM:<{mailbox}>".encode())
        must_refuse(reply, "no SMTPUTF8 was asked for", exactly=("550", "553", "500", "501"))
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    for mailbox in (target.recipient("jörg"), "u@bücher.example"):
        reply = probe.command(f"RCPT TO:<{mailbox}>".encode())
        must_refuse(reply, "no SMTPUTF8 was asked for", exactly=("553", "500", "501"))


@requirement("PATH-20")
def test_a_label_domains_need_no_extension(session: LogIn, target: Target) -> None:
    """A domain in A-labels is accepted without SMTPUTF8."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    domain = target.recipient().rpartition("@")[2]
    must_answer(probe.rcpt(f"u@xn--bcher-kva.{domain}"), "250", "A-labels are ASCII")
