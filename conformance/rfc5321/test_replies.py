"""RPL: replies that echo odd input, and the code pairs of the registry (RFC 5321 §4.2, RFC 5248).

The grammar of every reply in the run is judged passively; these checks provoke the replies in
which relays get it wrong.
"""

from __future__ import annotations

import re

import pytest

from conformance.judgement import must, not_claimed
from conformance.requirement import requirement
from conformance.steps import (
    FOREIGN_SENDER,
    must_answer,
    sender_of,
)
from fixtures.plugin import Connect, LogIn
from fixtures.probe import Reply
from fixtures.target import Target

LONG_LINES = {
    "long-address": b"RCPT TO:<"
    + b"r" * 64
    + b"@"
    + b"d" * 60
    + (b"." + b"d" * 60) * 2
    + b".example>",
    "long-verb": b"V" * 400,
    "long-argument": b"VRFY " + b"u" * 400,
    "long-ehlo": b"EHLO " + b"h" * 60 + (b"." + b"h" * 60) * 3,
}


@requirement("RPL-03")
@pytest.mark.parametrize("line", list(LONG_LINES.values()), ids=list(LONG_LINES))
def test_reply_lines_stay_short(line: bytes, session: LogIn, target: Target) -> None:
    """No reply line is longer than 512 octets, however long the input was."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    longest = max(len(reply_line) + 2 for reply_line in probe.command(line).raw_lines)
    must(longest <= 512, expected="at most 512 octets", observed=f"{longest} octets")


ODD_LINES = {
    "utf-8": "FRÖB".encode(),
    "escape": b"FROB \x1b[31mred",
    "encoded-crlf": b"FROB %0d%0a250 injected",
    "backspace": b"RCPT TO:<a\x08@x.example>",
    "high-octets": b"MAIL FROM:<\xff\xfe@x.example>",
    "utf-8-path": "RCPT TO:<ü@x.example>".encode(),
}


@requirement("RPL-04")
@pytest.mark.parametrize("line", list(ODD_LINES.values()), ids=list(ODD_LINES))
def test_echoed_input_is_neutralised(line: bytes, session: LogIn) -> None:
    """Replies are printable ASCII whatever octets a command held."""
    reply = session().command(line)
    must(reply.is_ascii, expected="printable ASCII in one reply", observed=reply.raw)


def must_pair(reply: Reply, *pairs: str) -> None:
    """Demand one of these pairs of reply code and enhanced status code."""
    must_answer(reply, pairs, "the registry pairs these codes")


@requirement("RPL-09")
def test_code_pairs_before_login(clear: Connect, secure: Connect, target: Target) -> None:
    """Refusals before login carry the registered pairs of codes."""
    probe = clear()
    if "ENHANCEDSTATUSCODES" not in probe.ehlo().keywords:
        not_claimed("ENHANCEDSTATUSCODES is not advertised")
    must_pair(probe.mail(sender_of(target)), "530 5.7.0")
    must_pair(probe.command("STARTTLS x"), "501 5.5.4")
    inside = secure()
    inside.ehlo()
    must_pair(inside.mail(sender_of(target)), "530 5.7.0")
    must_pair(inside.command("AUTH FROB"), "504 5.5.4")
    must_pair(inside.command("AUTH PLAIN !!!"), "501 5.5.2")
    must_pair(inside.command("AUTH PLAIN AG5vYm9keQBub3RoaW5n"), "535 5.7.8")
    declared = (target.claims("replies") or {}).get("authenticated", "235 2.7.0")
    pair = " ".join(declared.split(" ")[:2])
    must_pair(inside.auth_plain(target.account()), pair)
    if pair != "235 2.7.0":
        not_claimed(f"the profile declares {pair} for AUTH; RFC 4954 §6 has 235 2.7.0")


@requirement("RPL-09")
def test_code_pairs_in_a_session(session: LogIn, target: Target) -> None:
    """Refusals in a session carry the registered pairs of codes."""
    probe = session()
    keywords = probe.ehlo().keywords
    if "ENHANCEDSTATUSCODES" not in keywords:
        not_claimed("ENHANCEDSTATUSCODES is not advertised")
    must_pair(probe.command("FROB"), "500 5.5.1", "500 5.5.2")
    must_pair(probe.command("RSET x"), "501 5.5.4", "501 5.5.2")
    must_pair(probe.command("DATA"), "503 5.5.1")
    must_pair(probe.rcpt(target.recipient()), "503 5.5.1")
    must_pair(probe.mail(FOREIGN_SENDER), "550 5.7.1")
    if keywords.get("SIZE"):
        must_pair(probe.mail(sender_of(target), "SIZE=99999999999"), "552 5.3.4")


TELLTALES = re.compile(r"Traceback|Exception|\.py\b|/usr/|/home/|\bline \d+\b", re.IGNORECASE)


@requirement("RPL-11")
@pytest.mark.parametrize("layer", ["clear", "tls"])
def test_replies_before_login_tell_little(
    layer: str, clear: Connect, secure: Connect, target: Target
) -> None:
    """No reply before login shows code, paths, rules or whether a user exists."""
    probe = clear() if layer == "clear" else secure()
    must_answer(probe.ehlo(), "250", "EHLO with a domain is answered")
    username = target.account().username
    for line in ("FROB", "MAIL FROM:<", "AUTH", "AUTH FROB", "DATA", "EHLO", "VRFY x", "BDAT x"):
        text = probe.command(line).text
        found = TELLTALES.search(text)
        must(found is None, expected=f"a plain answer to {line}", observed=text)
        must(username not in text, expected="no user name", observed=text)
