"""CMD: the octets of a command line, its length and its end (RFC 5321 §2.3.8, §4.5.3.1.4)."""

from __future__ import annotations

import pytest

from conformance.judgement import must
from conformance.requirement import requirement
from conformance.steps import (
    must_answer,
    must_be_alive,
    must_refuse,
    open_transaction,
    sender_of,
)
from fixtures.plugin import LogIn
from fixtures.target import Target


def hexchars(text: str) -> str:
    """Write every octet as a hexchar of xtext (RFC 3461 §4), the longest spelling there is."""
    return "".join(f"+{octet:02X}" for octet in text.encode())


@requirement("CMD-13")
@pytest.mark.parametrize("length", [510, 511, 512])
def test_command_lines_of_512_octets(length: int, session: LogIn) -> None:
    """A command line of 512 octets, CRLF included, is accepted."""
    padding = "x" * (length - len("NOOP \r\n"))
    must_answer(session().command(f"NOOP {padding}"), "250", "512 octets are within the limit")


@requirement("CMD-13")
def test_mail_line_grows_with_its_extensions(session: LogIn, target: Target) -> None:
    """SIZE and AUTH parameters may make a MAIL line longer than 512 octets."""
    probe = session()
    mailbox = hexchars("a" * 64 + "@" + "b" * 60 + ".example")
    line = f"MAIL FROM:<{'m' * 64}@{target.account().domain}> SIZE={1000:020d} AUTH={mailbox}"
    keywords = probe.ehlo().keywords
    if "SIZE" not in keywords:
        line = line.replace(f" SIZE={1000:020d}", "")
    must_answer(probe.command(line), "250", f"{len(line) + 2} octets are within the limit")


@requirement("CMD-13")
def test_rcpt_line_grows_with_orcpt(session: LogIn, target: Target) -> None:
    """An ORCPT parameter of 500 octets fits into the line when DSN is offered."""
    probe = session()
    if "DSN" not in probe.ehlo().keywords:
        return
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    original = ("rfc822;" + hexchars("o" * 64 + "@" + "p" * 95)).ljust(500, "q")
    line = f"RCPT TO:<{target.recipient()}> ORCPT={original}"
    must_answer(probe.command(line), "250", f"{len(line) + 2} octets are within the limit")


# Sizes at which a fixed buffer would cut the line right before the text of a command.
@requirement("CMD-14")
@pytest.mark.parametrize("length", [512, 1000, 1024, 2048, 4096, 8192, 12288, 16384, 65536])
def test_tail_of_a_long_line_is_no_command(length: int, session: LogIn, target: Target) -> None:
    """An over-long line is refused once; what follows the CRLF is the next command."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    tail = f"RCPT TO:<{target.recipient()}>\r\nNOOP\r\n".encode()
    probe.send(b"A" * length + tail)
    must_refuse(probe.read_reply(), "no command is that long", exactly=("500", "501"))
    must_answer(probe.read_reply(), "250", "NOOP follows the long line")
    data = probe.command("DATA")
    must_refuse(data, "the tail of the line is no RCPT", exactly=("503", "554"))


@requirement("CMD-15")
@pytest.mark.parametrize(
    "template",
    [
        b"RCPT TO:<%s\0@evil.example>",
        b"RCPT TO:<%s>\0 junk",
        b"RCPT TO:<a\tb%s>",
        b"RCPT TO:<a\x1b%s>",
        b"RCPT TO:<a\x80%s>",
        b"RCPT TO:<a\x7f%s>",
        b"NOOP\0",
    ],
    ids=["nul-inside", "nul-behind", "tab", "escape", "high-octet", "del", "nul-after-verb"],
)
def test_controls_in_commands_are_refused(template: bytes, session: LogIn, target: Target) -> None:
    """Control and 8-bit octets make a command wrong; nothing in front of them is used."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    line = template % target.recipient().encode() if b"%s" in template else template
    must_refuse(probe.command(line), "no such octet belongs here", exactly=("500", "501", "553"))
    must_be_alive(probe)
    must_refuse(probe.command("DATA"), "no recipient was accepted", exactly=("503", "554"))


@requirement("CMD-16")
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\n\r", b"\r\r"], ids=["lf", "cr", "lfcr", "crcr"])
@pytest.mark.parametrize("inner", ["NOOP", "MAIL"])
def test_only_crlf_ends_a_command(inner: str, end: bytes, session: LogIn, target: Target) -> None:
    """Text behind a bare LF or CR belongs to the same line and is no second command."""
    probe = session()
    command = b"NOOP" if inner == "NOOP" else b"MAIL FROM:<%s>" % sender_of(target).encode()
    probe.send(b"NOOP" + end + command + b"\r\nQUIT\r\n")
    first = probe.read_reply()
    must(
        first.is_positive or first.is_permanent,
        expected="one reply for the one line, 5yz by preference",
        observed=first.raw,
    )
    must_answer(probe.read_reply(), "221", "QUIT is the second line")


@requirement("CMD-14")
def test_a_long_line_in_two_writes_gets_one_reply(session: LogIn, target: Target) -> None:
    """A long line that arrives in pieces is refused once, at its CRLF or before."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    probe.send(b"B" * 40_000)
    probe.send(b"B" * 40_000 + b"\r\n")
    must_refuse(probe.read_reply(), "no command is that long", exactly=("500", "501"))
    must_be_alive(probe)
