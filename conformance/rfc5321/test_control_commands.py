"""CTL: RSET, NOOP, VRFY, EXPN, HELP and QUIT (RFC 5321 §3.5, §3.8, §4.1.1.5-§4.1.1.10)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.judgement import must, remark_unless
from conformance.requirement import requirement
from conformance.steps import (
    FOREIGN_SENDER,
    NothingArrived,
    must_answer,
    must_refuse,
    open_transaction,
    sender_of,
    verdict_on_sender,
)
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.probe import ConnectionLost, SMTPProbe
from fixtures.target import Target


@requirement("CTL-01")
def test_rset_before_any_greeting(connect: Connect) -> None:
    """RSET is answered with 250 even before EHLO."""
    probe = connect()
    must_answer(probe.read_reply(), "220", "a new connection is greeted")
    # Catalogue §3 line 9: 530 is the RFC 3207 variant.
    must_answer(probe.command("RSET"), ("250", "530"), "RSET works at any time")


@requirement("CTL-01")
@pytest.mark.parametrize("stage", ["greeted", "mail", "rcpt", "sent"])
def test_rset_ends_the_transaction(
    stage: str, session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """RSET is always 250; afterwards no transaction is open and the session goes on."""
    probe = session()
    if stage != "greeted":
        must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    if stage in ("rcpt", "sent"):
        must_answer(probe.rcpt(target.recipient()), "250", "RCPT to a valid recipient")
    if stage == "sent":
        must_answer(probe.data(message(token)), "250", "the message is valid")
    must_answer(probe.command("RSET"), "250", "RSET always works")
    must_refuse(probe.command("DATA"), "RSET ended the transaction", exactly="503")
    must_refuse(probe.rcpt(target.recipient()), "RSET ended the transaction", exactly="503")
    open_transaction(probe, sender_of(target), [target.recipient()])


@requirement("CTL-02")
def test_rset_and_ehlo_keep_login_and_tls(session: LogIn, target: Target) -> None:
    """RSET and a further EHLO drop neither the authentication nor TLS."""
    probe = session()
    must_answer(probe.command("RSET"), "250", "RSET always works")
    hello = must_answer(probe.ehlo(), "250", "EHLO may be repeated")
    must("STARTTLS" not in hello.keywords, "no STARTTLS inside TLS", hello.raw)
    must_answer(probe.mail(sender_of(target)), "250", "the user is still authenticated")


@requirement("CTL-03")
@pytest.mark.parametrize("command", ["NOOP", "NOOP anything at all"])
def test_noop_does_nothing(
    command: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """NOOP is 250 anywhere in a transaction, ignores its argument and changes nothing."""
    probe = session()
    must_answer(probe.command(command), "250", "NOOP before MAIL")
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    must_answer(probe.command(command), "250", "NOOP after MAIL")
    must_answer(probe.rcpt(target.recipient()), "250", "RCPT to a valid recipient")
    must_answer(probe.command(command), "250", "NOOP after RCPT")
    must_answer(probe.data(message(token)), "250", "the transaction is still open")
    must_answer(probe.command(command), "250", "NOOP after the message")
    arrived(token)


@requirement("CTL-04")
def test_quit_says_goodbye_and_closes(session: LogIn, target: Target) -> None:
    """QUIT in an open transaction is answered with 221, then the server closes."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    try:
        goodbye = probe.command("QUIT")
    except ConnectionLost:
        must(False, expected="221 before the end", observed="connection closed")
        raise
    must_answer(goodbye, "221", "QUIT always works")
    must(probe.closed(within=2.0), expected="the connection closed after 221", observed="open")


def twice_oversize(probe: SMTPProbe, target: Target) -> None:
    mail = probe.command(f"MAIL FROM:<{sender_of(target)}> SIZE=99999999999")
    must_refuse(mail, "too big", exactly="552")


def out_of_order(probe: SMTPProbe, _target: Target) -> None:
    must_refuse(probe.command("DATA"), "no transaction is open", exactly="503")


def bad_syntax(probe: SMTPProbe, _target: Target) -> None:
    must_refuse(probe.command("MAIL FROM:<"), "no path", exactly="501")


def foreign_sender(probe: SMTPProbe, target: Target) -> None:
    reply = verdict_on_sender(probe, probe.mail(FOREIGN_SENDER), target)
    must_refuse(reply, "not in the domain", exactly="550")
    must_answer(probe.command("RSET"), "250", "RSET ends what is left")


def unknown_verb(probe: SMTPProbe, _target: Target) -> None:
    must_refuse(probe.command("FROB"), "no such command", exactly="500")


@requirement("CTL-05")
@pytest.mark.parametrize(
    "offend", [unknown_verb, bad_syntax, out_of_order, twice_oversize, foreign_sender]
)
def test_refusals_do_not_close(
    offend: Callable[[SMTPProbe, Target], None], session: LogIn, target: Target
) -> None:
    """A refused command does not end the connection."""
    probe = session()
    try:
        offend(probe, target)
        after = probe.command("NOOP")
    except ConnectionLost:
        must(False, expected="a session that goes on after a refusal", observed="closed")
        raise
    must_answer(after, "250", "the session goes on")


@requirement("CTL-05")
def test_one_failed_login_does_not_close(secure: Connect) -> None:
    """One AUTH that fails does not end the connection."""
    probe = secure()
    try:
        refusal = probe.command("AUTH PLAIN AG5vYm9keQBub3RoaW5n")
        after = probe.command("NOOP")
    except ConnectionLost:
        must(False, expected="a session that goes on after 535", observed="closed")
        raise
    must_refuse(refusal, "nobody has these credentials", exactly="535")
    must_answer(after, "250", "the session goes on")


@requirement("CTL-06")
@pytest.mark.parametrize("mailbox", ["postmaster", "nobody-has-this-name", "<a@b@c>", "<"])
def test_vrfy_confirms_nothing(mailbox: str, session: LogIn) -> None:
    """VRFY is never 250 for a mailbox that was not looked up."""
    reply = session().command(f"VRFY {mailbox}")
    must(reply.code != 250, expected="252, or a refusal", observed=reply.raw)
    must_answer(reply, ("252", "5yz"), "252, or a refusal")
    remark_unless(reply, ("252", "502", "550", "501"), "VRFY that is disabled")


@requirement("CTL-07")
@pytest.mark.parametrize("verb", ["VRFY", "EXPN"])
@pytest.mark.parametrize("layer", ["clear", "tls"])
def test_vrfy_and_expn_tell_no_user_names(
    layer: str, verb: str, clear: Connect, secure: Connect, target: Target
) -> None:
    """Before AUTH, VRFY and EXPN answer alike for a real user name and a made-up one."""
    probe = clear() if layer == "clear" else secure()
    must_answer(probe.ehlo(), "250", "EHLO with a domain is answered")
    real = probe.command(f"{verb} {target.account().username}")
    fake = probe.command(f"{verb} nobody-has-this-name")
    # A reply may repeat the name that was asked for.
    same = real.raw.replace(target.account().username.encode(), b"nobody-has-this-name")
    must(same == fake.raw, expected="the same reply to both", observed=f"{real}; {fake}")
    must(not real.is_positive or real.code == 252, "nothing confirmed", real.raw)


@requirement("CTL-08")
def test_expn_agrees_with_ehlo(session: LogIn) -> None:
    """EXPN works only if it is advertised, and is 502 otherwise."""
    probe = session()
    hello = must_answer(probe.ehlo(), "250", "EHLO may be repeated")
    reply = probe.command("EXPN staff")
    if "EXPN" in hello.keywords:
        must(reply.code not in (500, 502), "EXPN works, for it is advertised", reply.raw)
    else:
        must_refuse(reply, "EXPN is not advertised", exactly="502")


@requirement("CTL-09")
@pytest.mark.parametrize("command", ["HELP", "HELP MAIL"])
def test_help_helps_or_is_not_there(command: str, session: LogIn) -> None:
    """HELP is 211 or 214, or 502, and names no debugging command."""
    reply = session().command(command)
    must_answer(reply, ("211", "214", "5yz"), "help, or none")
    if not reply.is_positive:
        remark_unless(reply, ("502", "504"), "HELP that is not implemented")
    live = [verb for verb in ("DEBUG", "WIZ", "XCLIENT") if verb in reply.text.upper()]
    must(not live, expected="no debugging commands in the list", observed=reply.raw)


@requirement("CTL-04")
def test_quit_discards_the_transaction(
    session: LogIn,
    target: Target,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A transaction that QUIT ended delivers nothing to anybody."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient(f"left-{token}")])
    must_answer(probe.command("QUIT"), "221", "QUIT always works")
    nothing_arrived(token)
