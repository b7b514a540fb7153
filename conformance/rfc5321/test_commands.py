"""CMD: how commands are spelled and which are known (RFC 5321 §2.4, §4.1.1, §4.2.4)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, remark_unless
from conformance.requirement import requirement
from conformance.steps import (
    NothingArrived,
    initial_response,
    must_answer,
    must_be_alive,
    must_refuse,
    open_transaction,
    send_content,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.probe import ConnectionLost, ReplyTimeout
from fixtures.target import Target


def mixed_case(text: str) -> str:
    """Return the text with every second letter in upper case."""
    return "".join(
        letter.lower() if place % 2 == 0 else letter.upper() for place, letter in enumerate(text)
    )


@requirement("CMD-01")
@pytest.mark.parametrize("spell", [str.lower, mixed_case], ids=["lower", "mixed"])
def test_case_does_not_matter(
    spell: type[str],
    connect: Connect,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Verbs, keywords and parameter names work in any mixture of cases."""
    account = target.account()
    response = initial_response(account)
    probe = connect()
    probe.secret(response)
    must_answer(probe.read_reply(), "220", "a new connection is greeted")
    must_answer(probe.command(f"{spell('EHLO')} client.example"), "250", "EHLO in any case")
    must_answer(probe.command(spell("STARTTLS")), "220", "STARTTLS in any case")
    probe.handshake()
    hello = probe.command(f"{spell('EHLO')} client.example")
    must_answer(hello, "250", "EHLO in any case")
    login = probe.command(f"{spell('AUTH PLAIN')} ".encode() + response)
    must_answer(login, "235", "AUTH and its mechanism in any case")
    parameters = [
        spell(parameter)
        for keyword, parameter in (("SIZE", "SIZE=900"), ("8BITMIME", "BODY=8BITMIME"))
        if keyword in hello.keywords
    ]
    mail = " ".join([f"{spell('MAIL FROM')}:<{sender_of(target)}>", *parameters])
    must_answer(probe.command(mail), "250", "MAIL and its parameters in any case")
    rcpt = f"{spell('RCPT TO')}:<{target.recipient()}>"
    must_answer(probe.command(rcpt), "250", "RCPT in any case")
    must_answer(probe.command(spell("DATA")), "354", "DATA in any case")
    probe.send(message(token) + b".\r\n")
    must_answer(probe.read_reply(), "250", "the message is valid")
    arrived(token)
    must_answer(probe.command(spell("QUIT")), "221", "QUIT in any case")


@requirement("CMD-02")
def test_trailing_blanks_are_tolerated(
    session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """Blanks before the CRLF of a command change nothing."""
    probe = session()
    must_answer(probe.command("NOOP  "), "250", "NOOP with trailing blanks")
    must_answer(probe.command("RSET  "), "250", "RSET with trailing blanks")
    mail = probe.command(f"MAIL FROM:<{sender_of(target)}> ")
    must_answer(mail, "250", "MAIL with a trailing blank")
    rcpt = probe.command(f"RCPT TO:<{target.recipient()}>  ")
    must_answer(rcpt, "250", "RCPT with trailing blanks")
    must_answer(probe.command("DATA  "), "354", "DATA with trailing blanks")
    probe.send(message(token) + b".\r\n")
    must_answer(probe.read_reply(), "250", "the message is valid")


@requirement("CMD-03")
@pytest.mark.parametrize("layer", ["clear", "session"])
@pytest.mark.parametrize(
    "line", ["FROB x", "X", "", "   "], ids=["verb", "letter", "empty", "blanks"]
)
def test_unknown_commands_get_500(line: str, layer: str, clear: Connect, session: LogIn) -> None:
    """A line that is no known command gets one 500, and the connection survives."""
    probe = clear() if layer == "clear" else session()
    # NOOP follows in the same segment: an ignored line shows as a 250 in its place.
    probe.send(line.encode() + b"\r\nNOOP\r\n")
    try:
        must_refuse(probe.read_reply(), "no such command", exactly=("500", "530"))
        must_answer(probe.read_reply(), "250", "NOOP after an unknown command")
    except ConnectionLost:
        must(False, expected="500, then a living session", observed="connection closed")


@requirement("CMD-04")
@pytest.mark.parametrize(
    "verb", ["EXPN staff", "HELP", "SOML FROM:<>", "SAML FROM:<>", "SEND FROM:<>"]
)
def test_known_but_unimplemented_commands_get_502(verb: str, session: LogIn) -> None:
    """A command of the standard that is not implemented is 502, for 500 says *unknown*."""
    probe = session()
    reply = probe.command(verb)
    must(reply.code != 500, expected="502, or that the command works", observed=reply.raw)
    if not reply.is_positive:
        remark_unless(reply, "502", f"{verb.split()[0]} is known but not implemented")
    unknown = probe.command("FROB")
    must(unknown.code != 502, expected="500 for a verb of no standard", observed=unknown.raw)


@requirement("CMD-05")
@pytest.mark.parametrize("command", ["DATA x", "RSET x", "QUIT x"])
def test_needless_arguments_are_refused_without_effect(
    command: str, session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """DATA, RSET and QUIT with an argument are refused and not carried out."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_refuse(probe.command(command), "no argument is allowed", exactly="501")
    reply = send_content(probe, message(token))
    must_answer(reply, "250", "the transaction is still open")


@requirement("CMD-17")
@pytest.mark.parametrize("layer", ["clear", "tls"])
def test_http_requests_do_not_become_mail(
    layer: str,
    clear: Connect,
    secure: Connect,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """An HTTP request that carries an SMTP dialogue in its body delivers nothing."""
    probe = clear() if layer == "clear" else secure()
    dialogue = b"".join(
        (
            b"EHLO client.example\r\n",
            f"MAIL FROM:<{sender_of(target)}>\r\n".encode(),
            f"RCPT TO:<{target.recipient()}>\r\nDATA\r\n".encode(),
            message(token) + b".\r\nQUIT\r\n",
        )
    )
    fields = b"".join(b"X-Field-%d: x\r\n" % number for number in range(40))
    request = b"POST / HTTP/1.1\r\nHost: relay\r\n" + fields + b"\r\n" + dialogue
    codes: list[int] = []
    try:
        probe.send(request)
        while 221 not in codes:
            codes.append(probe.read_reply().code)
    except (ConnectionLost, ReplyTimeout):
        pass  # dropping such a session is what the requirement likes best
    must(354 not in codes, expected="no data phase without AUTH", observed=codes)
    must(
        len([code for code in codes if code >= 500]) < 40,
        expected="a session dropped at the HTTP line or after few errors",
        observed=f"{len(codes)} replies",
    )
    nothing_arrived(token)


@requirement("CMD-18")
@pytest.mark.parametrize(
    "command",
    [
        "TURN",
        "DEBUG",
        "WIZ",
        "XCLIENT ADDR=192.0.2.1",
        "XFORWARD NAME=x",
        "BURL imap://x",
        "QHLO x",
    ],
)
def test_dangerous_commands_are_not_live(command: str, session: LogIn) -> None:
    """Obsolete, debugging and proxy commands are unknown to a submission service."""
    probe = session()
    must_refuse(probe.command(command), "not for clients", exactly=("500", "502"))
    must_be_alive(probe)
