"""TLS: the STARTTLS command and what it does to the session (RFC 3207)."""

from __future__ import annotations

import base64

import pytest

from conformance.header import fields_named
from conformance.judgement import must, must_reply, not_observable, remark_unless
from conformance.requirement import requirement
from conformance.steps import (
    initial_response,
    must_answer,
    must_be_alive,
    must_refuse,
    open_transaction,
    sender_of,
    verdict_on_sender,
)
from fixtures.plugin import Arrived, ComposeMessage, Connect
from fixtures.probe import ConnectionLost, HandshakeFailed, Reply, ReplyTimeout, SMTPProbe
from fixtures.target import Target


def greeted(clear: Connect, name: str = "client.example") -> tuple[SMTPProbe, Reply]:
    """Open a connection and say EHLO in clear."""
    probe = clear()
    return probe, must_answer(probe.ehlo(name), "250", "EHLO with a domain is answered")


@requirement("TLS-01")
def test_starttls_is_offered_outside_tls_only(clear: Connect) -> None:
    """STARTTLS is advertised without parameters before TLS and never inside it."""
    probe, hello = greeted(clear)
    must(hello.keywords.get("STARTTLS") == (), "STARTTLS without parameters", hello.raw)
    must_answer(probe.starttls(), "220", "STARTTLS is offered")
    inside = must_answer(probe.ehlo(), "250", "EHLO starts the session anew")
    must("STARTTLS" not in inside.keywords, "no STARTTLS inside TLS", inside.raw)


@requirement("TLS-02")
def test_starttls_takes_no_argument(clear: Connect) -> None:
    """STARTTLS with an argument is 501, and the session goes on in clear."""
    probe, _ = greeted(clear)
    must_refuse(probe.command("STARTTLS x"), "STARTTLS takes no argument", exactly="501 5.5.4")
    must_be_alive(probe)


@requirement("TLS-03")
def test_starttls_inside_tls_is_refused(secure: Connect) -> None:
    """A second STARTTLS is refused and the encrypted session stays up."""
    probe = secure()
    reply = must_reply(probe.command("STARTTLS"), ("454", "5yz"), because="TLS is on already")
    remark_unless(reply, ("503", "502", "454"), "STARTTLS inside TLS")
    must_be_alive(probe)


@requirement("TLS-04")
def test_no_envelope_survives_the_handshake(clear: Connect, target: Target) -> None:
    """An envelope begun in clear, if that is possible at all, is gone after the handshake."""
    probe, _ = greeted(clear)
    mail = probe.mail(sender_of(target))
    if mail.is_positive:
        probe.rcpt(target.recipient())
    else:
        must_answer(mail, "5yz", "no mail in clear")
    if probe.starttls().code != 220:
        return  # refused inside a transaction: as good
    must_answer(probe.ehlo(), "250", "EHLO starts the session anew")
    must_refuse(probe.rcpt(target.recipient()), "TLS ended the transaction", exactly=("503", "530"))
    must_refuse(probe.command("DATA"), "TLS ended the transaction", exactly=("503", "530"))


CLEAR_COMMANDS = (
    "MAIL FROM:<{sender}>",
    "RCPT TO:<{recipient}>",
    "DATA",
    "BDAT 0 LAST",
    "AUTH LOGIN",
    "AUTH PLAIN",
    "VRFY postmaster",
    "EXPN staff",
    "HELP",
)


@requirement("TLS-05")
@pytest.mark.parametrize("command", CLEAR_COMMANDS)
def test_nothing_but_starttls_works_in_clear(command: str, clear: Connect, target: Target) -> None:
    """Before TLS everything but EHLO, NOOP, STARTTLS and QUIT is refused with 530."""
    probe, _ = greeted(clear)
    line = command.format(sender=sender_of(target), recipient=target.recipient())
    reply = probe.command(line)
    declares_530 = "before_tls" in (target.claims("replies") or {})
    if command.startswith(("VRFY", "EXPN", "HELP")) and not declares_530:
        # RFC 5321 §4.1.4 wants them to work at any time; here they may tell nothing.
        must_answer(reply, ("5yz", "252", "214", "211"), "TLS comes first, or nothing is told")
        remark_unless(reply, "530 5.7.0", "TLS comes first")
    else:
        must_refuse(reply, "TLS comes first", exactly="530 5.7.0")
    must_be_alive(probe)


@requirement("TLS-05")
@pytest.mark.parametrize("greeting", ["EHLO client.example", "HELO client.example", ""])
def test_no_order_of_commands_mails_in_clear(greeting: str, clear: Connect, target: Target) -> None:
    """No order of commands opens a data phase before TLS."""
    probe = clear()
    if greeting:
        must_answer(probe.command(greeting), ("250", "530"), "greeted, or TLS comes first")
    must_answer(probe.command("RSET"), ("250", "530"), "reset, or TLS comes first")
    envelope = (f"MAIL FROM:<{sender_of(target)}>", f"RCPT TO:<{target.recipient()}>")
    for line in (*envelope, "DATA", "RSET", *envelope, "BDAT 0 LAST"):
        reply = probe.command(line)
        wanted = ("250", "530") if line == "RSET" else "5yz"
        must_answer(reply, wanted, "no mail in clear")
    must_be_alive(probe)
    must_answer(probe.command("QUIT"), "221", "QUIT always works")


@requirement("TLS-06")
@pytest.mark.parametrize("form", ["plain-with-response", "plain", "login", "login-with-response"])
def test_no_password_is_taken_in_clear(form: str, clear: Connect, target: Target) -> None:
    """AUTH is neither advertised nor carried on before TLS."""
    account = target.account()
    response = initial_response(account)
    probe, hello = greeted(clear)
    probe.secret(account.password)
    probe.secret(response)
    must("AUTH" not in hello.keywords, expected="no AUTH line before TLS", observed=hello.raw)
    line = {
        "plain-with-response": b"AUTH PLAIN " + response,
        "plain": b"AUTH PLAIN",
        "login": b"AUTH LOGIN",
        "login-with-response": b"AUTH LOGIN " + base64.b64encode(account.username.encode()),
    }[form]
    must_refuse(probe.command(line), "no password in clear", exactly="530")
    reply = verdict_on_sender(probe, probe.mail(sender_of(target)), target)
    must_refuse(reply, "nobody is authenticated", exactly="530")


@requirement("TLS-07")
def test_clear_auth_answers_tell_nothing(clear: Connect, target: Target) -> None:
    """In clear, AUTH is answered alike for right, wrong and unknown credentials."""
    account = target.account()
    right = initial_response(account)
    wrong = base64.b64encode(f"\0{account.username}\0not-the-password".encode())
    unknown = base64.b64encode(b"\0nobody-has-this-name\0not-the-password")
    probe, _ = greeted(clear)
    probe.secret(account.password)
    probe.secret(right)
    replies = [probe.command(b"AUTH PLAIN " + guess).raw for guess in (right, wrong, unknown)]
    must(len(set(replies)) == 1, expected="the same reply three times", observed=replies)


@requirement("TLS-08")
def test_the_handshake_forgets_the_client_name(
    clear: Connect, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """The name of the EHLO inside TLS is the one that counts."""
    probe, _ = greeted(clear, "before-tls.example")
    must_answer(probe.starttls(), "220", "STARTTLS is offered")
    must_answer(probe.ehlo("inside-tls.example"), "250", "EHLO starts the session anew")
    must_answer(probe.auth_plain(target.account()), "235", "the credentials are right")
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(probe.data(message(token)), "250", "the message is valid")
    header = arrived(token).header
    if not fields_named(header, "Received"):
        not_observable("the relay writes no Received field")
    must(b"inside-tls.example" in header, "inside-tls.example in Received", header)
    must(b"before-tls.example" not in header, "no trace of the clear EHLO", header)


@requirement("TLS-08")
def test_the_handshake_forgets_the_greeting(clear: Connect, target: Target) -> None:
    """MAIL right after the handshake is refused, whatever was said in clear."""
    probe, _ = greeted(clear)
    must_answer(probe.starttls(), "220", "STARTTLS is offered")
    reply = probe.mail(sender_of(target))
    must_refuse(reply, "the handshake reset the session", exactly=("503", "530"))


def injected_text(kind: str, target: Target) -> bytes:
    """Return what an attacker on the path puts behind STARTTLS."""
    return {
        "noop": b"NOOP\r\n",
        "ehlo": b"EHLO evil.example\r\n",
        "rset-thrice": b"RSET\r\n" * 3,
        "mail": b"EHLO evil.example\r\nMAIL FROM:<%s>\r\n" % sender_of(target).encode(),
        "auth": b"AUTH PLAIN " + initial_response(target.account()) + b"\r\n",
        "half-a-command": b"EHL",
        "half-a-line": b"EHLO evil.example\r",
    }[kind]


INJECTIONS = ("noop", "ehlo", "rset-thrice", "mail", "auth", "half-a-command", "half-a-line")


@requirement("TLS-09")
@pytest.mark.parametrize("kind", INJECTIONS)
@pytest.mark.parametrize("timing", ["same-segment", "after-220"])
def test_text_behind_starttls_is_discarded(
    timing: str, kind: str, clear: Connect, target: Target
) -> None:
    """Clear text that follows STARTTLS is never answered or executed inside TLS."""
    probe, _ = greeted(clear)
    account = target.account()
    probe.secret(account.password)
    probe.secret(initial_response(account))
    text = injected_text(kind, target)
    probe.send(b"STARTTLS\r\n" + (text if timing == "same-segment" else b""))
    must_answer(probe.read_reply(), "220", "STARTTLS is offered")
    try:
        probe.handshake(send_first=text if timing == "after-220" else b"")
        hello = probe.ehlo("inside-tls.example")
        mail = verdict_on_sender(probe, probe.mail(sender_of(target)), target)
        goodbye = probe.command("QUIT")
    except HandshakeFailed as failed:
        must(not failed.clear, expected="no answer in clear", observed=failed.clear)
        return  # dropping such a client is as good
    except ConnectionLost as lost:
        must(not lost.octets, expected="no answer to injected text", observed=lost.octets)
        return
    except ReplyTimeout as late:
        must(False, expected="an answer to each command inside TLS", observed=late.octets)
        raise
    must_answer(hello, "250", "the first reply inside TLS is that to the first command there")
    must(bool(hello.keywords), expected="the reply to EHLO", observed=hello.raw)
    must_refuse(mail, "nobody is authenticated inside TLS", exactly="530")
    must_answer(goodbye, "221", "the replies are in step")


@requirement("TLS-10")
@pytest.mark.parametrize("kind", ["noop", "ehlo", "rset-thrice", "auth"])
def test_nothing_in_clear_behind_the_220(kind: str, clear: Connect, target: Target) -> None:
    """After the 220 to STARTTLS the server sends TLS records and nothing else."""
    probe, _ = greeted(clear)
    account = target.account()
    probe.secret(account.password)
    probe.secret(initial_response(account))
    probe.send(b"STARTTLS\r\n" + injected_text(kind, target))
    must_answer(probe.read_reply(), "220", "STARTTLS is offered")
    in_clear = probe.silence(0.05)
    # A server may give up with an alert at once: a TLS record, not text.
    is_record = in_clear[:1] in (b"\x15", b"")
    must(is_record, expected="silence, or a TLS record", observed=in_clear)


@requirement("TLS-11")
@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO client.example\r\n",
        b"NOOP\r\nQUIT\r\n",
        b"\0" * 64,
        b"\x16\x03\x01\xff\xff" + b"x" * 64,
    ],
    ids=["ehlo", "noop-quit", "zeros", "broken-record"],
)
def test_no_way_back_to_clear(octets: bytes, clear: Connect) -> None:
    """Who does not shake hands after 220 gets an alert or the end, and no SMTP reply."""
    probe, _ = greeted(clear)
    must_answer(probe.command("STARTTLS"), "220", "STARTTLS is offered")
    try:
        probe.send(octets)
        answer = probe.silence(0.1)
        probe.send(b"EHLO client.example\r\n")
        answer += probe.silence(0.1)
    except ConnectionLost as lost:
        answer = lost.octets
    must(b"220" not in answer, expected="no second greeting", observed=answer)
    must(b"250" not in answer, expected="no SMTP reply in clear", observed=answer)
    must(answer[:1] in (b"\x15", b""), expected="an alert, or the end", observed=answer)
