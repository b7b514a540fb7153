"""AUTH: the lines of an exchange and what is left of it afterwards (RFC 4954 §4, §5)."""

from __future__ import annotations

import pytest

from conformance.header import header_of
from conformance.judgement import must, remark_unless
from conformance.requirement import requirement
from conformance.rfc4954.credentials import (
    WRONG_PASSWORD,
    encoded,
    hide,
    must_be_unauthenticated,
    need_mechanism,
    plain_message,
)
from conformance.steps import must_answer, must_be_alive, must_refuse, sender_of
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.probe import ConnectionLost, Reply, SMTPProbe
from fixtures.target import Target

# RFC 4954 §4 names this many octets as a sufficient buffer.
SUFFICIENT_OCTETS = 12288


@requirement("AUTH-13")
@pytest.mark.parametrize("octets", [1025, SUFFICIENT_OCTETS, 102400])
def test_long_exchange_lines_get_one_reply(octets: int, secure: Connect, target: Target) -> None:
    """An over-long response gets one refusal, and the next line is a command again."""
    need_mechanism(target, "PLAIN")
    probe = secure()
    must_answer(probe.command("AUTH PLAIN"), "334", "the response is missing")
    # The end would be a command, were it read as a line of its own.
    tail = b"\0QUIT"
    # Not `command`, which puts unasked replies aside: a second one is the offence.
    probe.send(b"A" * (octets - len(tail)) + tail + b"\r\n")
    reply = probe.read_reply()
    exactly = "500 5.5.6" if octets > SUFFICIENT_OCTETS else ("501", "535", "500 5.5.6")
    must_refuse(reply, "no such response is right", exactly=exactly)
    must_be_alive(probe)
    must_be_unauthenticated(probe, target)


@requirement("AUTH-13")
def test_the_tail_of_a_long_line_is_no_password(secure: Connect, target: Target) -> None:
    """What exceeds the buffer at the user name is not taken for the password."""
    need_mechanism(target, "LOGIN")
    probe = secure()
    must_answer(probe.command("AUTH LOGIN"), "334", "the user name is asked for")
    reply = probe.command(b"QUJD" * 25600)
    must_refuse(reply, "the line is too long", exactly="500 5.5.6")
    must_be_unauthenticated(probe, target)


@requirement("AUTH-16")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize(
    "line", ["QUIT", "RSET", "NOOP", "EHLO client.example", "MAIL FROM:<{sender}>", "STARTTLS"]
)
def test_commands_are_responses_in_an_exchange(
    line: str, mechanism: str, secure: Connect, target: Target
) -> None:
    """A line that looks like a command is a response, a wrong one, and is not executed."""
    need_mechanism(target, mechanism)
    probe = secure()
    must_answer(probe.command(f"AUTH {mechanism}"), "334", "a response is asked for")
    try:
        reply = probe.command(line.format(sender=sender_of(target)))
        if mechanism == "LOGIN" and reply.code == 334:
            # Some of these lines happen to be base64, and so user names.
            reply = probe.command(line.format(sender=sender_of(target)))
    except ConnectionLost as lost:
        must(False, expected=f"{line} taken for a response", observed=lost)
        raise
    must_refuse(reply, "this is a response, and a wrong one", exactly=("501", "535"))
    must_be_unauthenticated(probe, target)


def fail(probe: SMTPProbe, kind: str, target: Target) -> Reply:
    """Let an attempt at AUTH fail in one of several ways; return the last reply."""
    account = target.account()
    match kind:
        case "wrong-plain":
            return probe.command(
                b"AUTH PLAIN " + encoded(plain_message(account.username, WRONG_PASSWORD))
            )
        case "empty-password":
            return probe.command(b"AUTH PLAIN " + encoded(plain_message(account.username, "")))
        case "wrong-login":
            lines = [b"AUTH LOGIN", encoded(account.username), encoded(WRONG_PASSWORD)]
        case "cancelled-login":
            lines = [b"AUTH LOGIN", encoded(account.username), b"*"]
        case "broken-login":
            lines = [b"AUTH LOGIN", encoded(account.username), b"!"]
        case "half-plain":
            lines = [b"AUTH PLAIN", encoded(account.username)]
        case "unknown-mechanism":
            return probe.command(
                b"AUTH FOO " + encoded(plain_message(account.username, account.password))
            )
        case _:
            raise ValueError(kind)
    for line in lines[:-1]:
        must_answer(probe.command(line), "334", "the exchange goes on")
    return probe.command(lines[-1])


@requirement("AUTH-17")
@pytest.mark.parametrize(
    "kind",
    [
        "wrong-plain",
        "empty-password",
        "wrong-login",
        "cancelled-login",
        "broken-login",
        "half-plain",
        "unknown-mechanism",
    ],
)
def test_a_failed_attempt_leaves_nobody_logged_in(
    kind: str, secure: Connect, target: Target
) -> None:
    """After each kind of failure the transaction commands are refused as before AUTH."""
    need_mechanism(target, "LOGIN" if kind.endswith("login") else "PLAIN")
    account = target.account()
    probe = secure()
    hide(probe, account, plain_message(account.username, account.password))
    must_refuse(fail(probe, kind, target), "this attempt fails")
    must_be_unauthenticated(probe, target)
    must_refuse(probe.rcpt(target.recipient()), "nobody is authenticated", exactly=("530", "503"))
    must_refuse(probe.command("DATA"), "nobody is authenticated", exactly=("530", "503"))


@requirement("AUTH-23")
@pytest.mark.parametrize("value", ["<>", "e+3Dmc2@example.com", "{foreign}"])
def test_the_auth_parameter_gives_nothing(
    value: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """MAIL with AUTH= is accepted, and its value changes neither the sender nor the trace."""
    foreign = f"somebody-{token}@foreign.example"
    probe = session()
    reply = probe.mail(sender_of(target), f"AUTH={value.format(foreign=foreign)}")
    must_answer(reply, "250", "AUTH= is a parameter of the extension")
    must_answer(probe.rcpt(target.recipient()), "250", "the recipient is valid")
    must_answer(probe.data(message(token)), "250", "the message is valid")
    delivery = arrived(token)
    must(delivery.reverse_path == sender_of(target), "the sender of MAIL", delivery.reverse_path)
    header = header_of(delivery.content)
    must(b"foreign.example" not in header, "no trace of the parameter", header)


@requirement("AUTH-23")
@pytest.mark.parametrize("value", ["a+0", "a+zz", "a=b"])
def test_a_malformed_auth_parameter_is_refused(value: str, session: LogIn, target: Target) -> None:
    """AUTH= with something that is no xtext opens no transaction."""
    probe = session()
    reply = probe.mail(sender_of(target), f"AUTH={value}")
    must_refuse(reply, "the parameter is malformed", exactly=("501", "555"))
    later = probe.rcpt(target.recipient())
    must_refuse(later, "no transaction is open", exactly="503")
    remark_unless(later, "503 5.5.1", "RCPT without MAIL")
