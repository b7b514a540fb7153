"""SUB: what a submission agent demands before it takes mail (RFC 6409 §3.2, §4.2, §4.3, §6.3)."""

from __future__ import annotations

import pytest

from conformance.header import fields_named
from conformance.judgement import must
from conformance.requirement import requirement
from conformance.steps import (
    NothingArrived,
    must_answer,
    must_refuse,
    open_transaction,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.target import Target


@requirement("SUB-01")
@pytest.mark.parametrize("sender", ["{own}", "", "mailer@foreign.example"])
def test_mail_needs_authentication(sender: str, secure: Connect, target: Target) -> None:
    """MAIL before AUTH is 530, though the client's address is admitted."""
    probe = secure()
    reply = probe.mail(sender.format(own=sender_of(target)))
    must_refuse(reply, "nobody is authenticated", exactly="530 5.7.0")
    reply = probe.rcpt(target.recipient())
    must_refuse(reply, "no transaction is open", exactly=("530 5.7.0", "503"))


@requirement("SUB-02")
@pytest.mark.parametrize(
    "command",
    ["RCPT TO:<{recipient}>", "DATA", "BDAT 0 LAST", "VRFY postmaster", "EXPN staff", "HELP"],
)
def test_little_works_before_authentication(command: str, secure: Connect, target: Target) -> None:
    """Before AUTH every command that needs a user is refused, with 530 or as out of sequence."""
    probe = secure()
    reply = probe.command(command.format(recipient=target.recipient()))
    is_sequence = command.startswith(("RCPT", "DATA", "BDAT"))
    exactly = ("530 5.7.0", "503") if is_sequence else ("530 5.7.0", "502")
    must_refuse(reply, "nobody is authenticated", exactly=exactly)
    must_answer(probe.command("NOOP"), "250", "the session goes on")


@requirement("SUB-02")
def test_some_commands_need_no_authentication(secure: Connect) -> None:
    """EHLO, HELO, NOOP, RSET and QUIT work before AUTH."""
    probe = secure()
    for line in ("NOOP", "RSET", "HELO client.example", "EHLO client.example", "RSET"):
        must_answer(probe.command(line), "250", f"{line} needs no user")
    must_answer(probe.command("QUIT"), "221", "QUIT always works")


@requirement("SUB-06")
@pytest.mark.parametrize(
    "field",
    [
        b"",
        b"From: \r\n",
        b"From: Mailer\r\n",
        b"From: <>\r\n",
        b"From: Mailer <>\r\n",
        b"From: (mailer@example.com)\r\n",
    ],
    ids=["none", "empty", "name-only", "null", "name-and-null", "comment-only"],
)
def test_a_missing_from_is_not_invented(
    field: bytes,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A message without an author is refused."""
    own = message(token)
    content = own.replace(own[: own.index(b"\r\n") + 2], field, 1)
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = probe.data(content)
    must_refuse(reply, "the message has no author", exactly=("554 5.6.0", "550 5.7.1"))
    nothing_arrived(token)


@requirement("SUB-09")
@pytest.mark.parametrize(
    ("name", "value"),
    [("To", "bob"), ("Cc", "x@localhost"), ("To", "bob, Recipient <{recipient}>"), ("Cc", "bob@")],
)
def test_unqualified_addresses_get_no_guessed_domain(
    name: str,
    value: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """An address field without full domain is refused or left alone, never completed."""
    value = value.format(recipient=target.recipient())
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = must_answer(probe.data(message(token, **{name: value})), ("250", "5yz"), "either way")
    if reply.is_permanent:
        nothing_arrived(token)
        return
    found = [field.value for field in fields_named(arrived(token).content, name)]
    must(found == [value], expected=f"{name}: {value}", observed=found)
