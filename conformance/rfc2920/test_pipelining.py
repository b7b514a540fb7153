"""PIPE: commands sent ahead of their replies (RFC 2920)."""

from __future__ import annotations

import base64

import pytest

from conformance.judgement import must, not_claimed
from conformance.requirement import requirement
from conformance.steps import (
    FOREIGN_SENDER,
    NothingArrived,
    due_reply,
    initial_response,
    must_answer,
    must_refuse,
    sender_of,
    wait_for_each,
)
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.probe import SMTPProbe
from fixtures.sink import SinkMX
from fixtures.target import Target


def pipelining(session: LogIn) -> SMTPProbe:
    """Open an authenticated session and make sure that it may pipeline."""
    probe = session()
    if "PIPELINING" not in probe.ehlo().keywords:
        not_claimed("PIPELINING is not advertised")
    return probe


@requirement("PIPE-01")
@pytest.mark.parametrize("writes", ["one-write", "octet-by-octet"])
def test_pipelined_commands_are_answered_in_order(
    writes: str,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
) -> None:
    """MAIL, 20 RCPT and DATA sent together get their 22 replies in order."""
    probe = pipelining(session)
    recipients = [target.recipient(f"r{number}-{token}") for number in range(20)]
    is_bad = [number % 5 == 2 for number in range(20)]
    lines = [f"MAIL FROM:<{sender_of(target)}>"]
    for recipient, bad in zip(recipients, is_bad, strict=True):
        lines.append(f"RCPT TO:<{recipient}>" + (" FROB=1" if bad else ""))
    octets = "".join(f"{line}\r\n" for line in (*lines, "DATA")).encode()
    if writes == "one-write":
        probe.send(octets)
    else:
        for octet in octets:
            probe.send(bytes([octet]))
    must_answer(due_reply(probe, "MAIL"), "250", "MAIL comes first")
    for recipient, bad in zip(recipients, is_bad, strict=True):
        wanted = "5yz" if bad else "250"
        must_answer(due_reply(probe, "RCPT"), wanted, f"{recipient} comes next")
    must_answer(due_reply(probe, "DATA"), "354", "DATA comes last")
    probe.send(message(token) + b".\r\n")
    must_answer(probe.read_reply(), "250", "the message is valid")
    good = [one for one, bad in zip(recipients, is_bad, strict=True) if not bad]
    copies = wait_for_each(sink, token, good)
    seen = sorted(recipient for copy in copies for recipient in copy.recipients)
    must(seen == sorted(good), expected="the accepted recipients only", observed=seen)


@requirement("PIPE-02")
def test_replies_are_sent_when_nothing_more_comes(session: LogIn, target: Target) -> None:
    """Replies do not wait for further input."""
    probe = pipelining(session)
    probe.send(f"MAIL FROM:<{sender_of(target)}>\r\nRCPT TO:<{target.recipient()}>\r\n".encode())
    must_answer(due_reply(probe, "a whole command"), "250", "MAIL from an allowed sender")
    must_answer(due_reply(probe, "a whole command"), "250", "RCPT to a valid recipient")
    probe.send(b"NOOP\r\nNO")
    must_answer(due_reply(probe, "a whole command"), "250", "a whole NOOP was sent")
    probe.send(b"OP\r\n")
    must_answer(due_reply(probe, "a whole command"), "250", "the second NOOP is whole now")


@requirement("PIPE-03")
@pytest.mark.parametrize("order", ["good-bad", "bad-good"])
def test_one_good_recipient_is_enough_for_data(
    order: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """DATA gets 354 when any RCPT succeeded, whatever became of the last one."""
    probe = pipelining(session)
    lines = [f"RCPT TO:<{target.recipient()}>", f"RCPT TO:<{target.recipient('bad')}> FROB=1"]
    wanted = ["250", "5yz"]
    if order == "bad-good":
        lines.reverse()
        wanted.reverse()
    commands = (f"MAIL FROM:<{sender_of(target)}>", *lines, "DATA")
    probe.send("".join(f"{line}\r\n" for line in commands).encode())
    for command, form in zip(commands, ("250", *wanted, "354"), strict=True):
        must_answer(probe.read_reply(), form, command)
    probe.send(message(token) + b".\r\n")
    must_answer(probe.read_reply(), "250", "the message is valid")
    seen = arrived(token).recipients
    must(seen == (target.recipient(),), expected="a copy for the good one", observed=seen)


@requirement("PIPE-04")
def test_refused_mail_leads_to_no_data_phase(session: LogIn, target: Target) -> None:
    """In a pipelined group a refused MAIL takes RCPT and DATA with it."""
    probe = pipelining(session)
    lines = (f"MAIL FROM:<{FOREIGN_SENDER}> FROB=1", f"RCPT TO:<{target.recipient()}>", "DATA")
    probe.send("".join(f"{line}\r\n" for line in lines).encode())
    must_refuse(probe.read_reply(), "a wrong MAIL", exactly=("550", "555", "501"))
    must_refuse(probe.read_reply(), "no transaction is open", exactly="503")
    must_refuse(probe.read_reply(), "no transaction is open", exactly=("503", "554"))


@requirement("PIPE-05")
def test_octets_behind_data_are_content(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """What a client sends behind DATA before the 354 is content, never another command."""
    probe = pipelining(session)
    extra = target.recipient(f"extra-{token}")
    content = message(token) + f"RCPT TO:<{extra}>\r\n".encode()
    envelope = f"MAIL FROM:<{sender_of(target)}>\r\nRCPT TO:<{target.recipient()}>\r\n"
    probe.send(envelope.encode() + b"DATA\r\n" + content + b".\r\n")
    must_answer(probe.read_reply(), "250", "MAIL from an allowed sender")
    must_answer(probe.read_reply(), "250", "RCPT to a valid recipient")
    if must_answer(probe.read_reply(), ("354", "5yz"), "content, or a refusal").code != 354:
        nothing_arrived(token)
        return
    if must_answer(probe.read_reply(), ("250", "5yz"), "one message, or a refusal").code == 250:
        delivery = sink.wait_for(token=token)
        must(delivery.content.endswith(f"RCPT TO:<{extra}>\r\n".encode()), "the line as text")
        must(not sink.deliveries(recipient=extra), f"nothing for {extra}")


@requirement("PIPE-06")
@pytest.mark.parametrize("password", ["right", "wrong"])
def test_commands_behind_auth_wait_for_its_result(
    password: str, secure: Connect, target: Target
) -> None:
    """Commands pipelined behind AUTH run with its result, not before it."""
    account = target.account()
    probe = secure()
    if "PIPELINING" not in probe.ehlo().keywords:
        not_claimed("PIPELINING is not advertised")
    probe.secret(account.password)
    response = initial_response(account)
    probe.secret(response)
    if password == "wrong":
        response = base64.b64encode(f"\0{account.username}\0not-the-password".encode())
    envelope = f"MAIL FROM:<{sender_of(target)}>\r\nRCPT TO:<{target.recipient()}>\r\n"
    probe.send(b"AUTH PLAIN " + response + b"\r\n" + envelope.encode())
    auth, mail, rcpt = probe.read_reply(), probe.read_reply(), probe.read_reply()
    if password == "right":
        must_answer(auth, "235", "the credentials are right")
        must_answer(mail, "250", "the user is authenticated by now")
        must_answer(rcpt, "250", "the transaction is open")
    else:
        must_refuse(auth, "the password is wrong", exactly="535")
        judged = rcpt if mail.is_positive else mail
        must_refuse(judged, "nobody is authenticated", exactly="530")
        must_refuse(rcpt, "nobody is authenticated", exactly=("530", "503"))
