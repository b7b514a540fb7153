"""GRT: greeting, EHLO and HELO (RFC 5321 §3.1, §3.2, §4.1.1.1, §4.1.4)."""

from __future__ import annotations

import re

import pytest

from conformance.judgement import must, not_observable, remark
from conformance.requirement import requirement
from conformance.rfc5321.keywords import REGISTERED_KEYWORDS
from conformance.steps import (
    must_answer,
    must_refuse,
    open_transaction,
    send_content,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.probe import ConnectionLost, Reply, SMTPProbe
from fixtures.sink import SinkMX
from fixtures.target import Target

# RFC 5321 §4.1.2: Domain, with at least two labels because §2.3.5 asks for a full name,
# or an address literal (§4.1.3).
DOMAIN = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+|\[[0-9A-Fa-f.:IPv]+\]"
)
# RFC 5321 §4.1.1.1: ehlo-line.
EHLO_LINE = re.compile(rb"250[ -][A-Za-z0-9][A-Za-z0-9-]*(?: [\x21-\x7e]+)*")


def advertised(reply: Reply) -> list[str]:
    """Return the keywords of an EHLO reply in upper case, repeated ones repeated."""
    return [
        line[4:].split(b" ")[0].decode("ascii", "replace").upper() for line in reply.raw_lines[1:]
    ]


def first_token(reply: Reply) -> str:
    """Return the first word of a reply's text, looked up in the octets themselves."""
    words = reply.raw_lines[0][4:].decode("utf-8", "replace").split(" ")
    return words[0]


@requirement("GRT-01")
def test_server_greets_first_with_its_domain(connect: Connect, target: Target) -> None:
    """The server speaks first, once, with a 220 whose first word is its own domain."""
    probe = connect()
    greeting = must_answer(probe.read_reply(), "220", "a new connection is greeted")
    must(
        DOMAIN.fullmatch(first_token(greeting)) is not None,
        expected="220 followed by the server's fully qualified domain",
        observed=greeting.raw,
    )
    must(
        len(greeting.raw_lines) == 1 or b"STARTTLS" not in greeting.raw,
        expected="a greeting without service extensions",
        observed=greeting.raw,
    )
    if first_token(greeting).lower() != target.endpoint().host.lower():
        remark(f"the greeting names {first_token(greeting)}, not the endpoint")
    more = probe.silence(0.2)
    must(more == b"", expected="one greeting, then silence", observed=more)


@requirement("GRT-02")
@pytest.mark.parametrize("layer", ["clear", "tls"])
def test_ehlo_reply_obeys_the_grammar(layer: str, clear: Connect, secure: Connect) -> None:
    """The EHLO reply is the server's domain, then one keyword line for each extension."""
    probe = clear() if layer == "clear" else secure()
    reply = must_answer(probe.ehlo(), "250", "EHLO with a domain is answered")
    lines = reply.raw_lines
    must(
        DOMAIN.fullmatch(first_token(reply)) is not None,
        expected="a first line that begins with the server's domain",
        observed=lines[0],
    )
    for line in lines[1:]:
        must(
            EHLO_LINE.fullmatch(line) is not None,
            expected="keyword *(SP parameter) on each further line",
            observed=line,
        )
    separators = [line[3:4] for line in lines]
    must(
        separators == [b"-"] * (len(lines) - 1) + [b" "],
        expected="hyphens, and a space on the last line only",
        observed=reply.raw,
    )


@requirement("GRT-03")
@pytest.mark.parametrize("layer", ["clear", "tls"])
def test_only_registered_keywords_once_each(layer: str, clear: Connect, secure: Connect) -> None:
    """Every keyword is registered or begins with X, and none is repeated."""
    probe = clear() if layer == "clear" else secure()
    keywords = advertised(probe.ehlo())
    unknown = [word for word in keywords if word not in REGISTERED_KEYWORDS and word[:1] != "X"]
    must(not unknown, expected="registered or X- keywords only", observed=unknown)
    repeated = sorted({word for word in keywords if keywords.count(word) > 1})
    must(not repeated, expected="each keyword once", observed=repeated)


# One command that must be understood when its keyword is advertised (RFC 5321 §4.1.1.1).
MAIL_PARAMETERS = {
    "8BITMIME": "BODY=8BITMIME",
    "SIZE": "SIZE=100",
    "SMTPUTF8": "SMTPUTF8",
    "DSN": "RET=HDRS",
}


@requirement("GRT-04")
def test_advertised_extensions_work(session: LogIn, target: Target) -> None:
    """What EHLO advertises is understood when it is used."""
    probe = session()
    keywords = advertised(must_answer(probe.ehlo(), "250", "EHLO may be repeated"))
    for keyword, parameter in MAIL_PARAMETERS.items():
        if keyword in keywords:
            reply = probe.command(f"MAIL FROM:<{sender_of(target)}> {parameter}")
            must_answer(reply, "2yz", f"{keyword} is advertised")
            must_answer(probe.command("RSET"), "250", "RSET always works")
    if "CHUNKING" in keywords:
        open_transaction(probe, sender_of(target), [target.recipient()])
        probe.send(b"BDAT 14\r\nSubject: x\r\n\r\n")
        must_answer(probe.read_reply(), "2yz", "CHUNKING is advertised")
        must_answer(probe.command("RSET"), "250", "RSET always works")
    for verb in ("EXPN", "VRFY", "HELP"):
        if verb in keywords:
            reply = probe.command(f"{verb} postmaster")
            must(
                reply.code not in (500, 502),
                expected=f"{verb} is implemented, for it is advertised",
                observed=reply.raw,
            )


@requirement("GRT-04")
def test_working_verbs_are_advertised(session: LogIn, target: Target) -> None:
    """An optional verb or parameter that is not advertised does not succeed."""
    probe = session()
    keywords = advertised(must_answer(probe.ehlo(), "250", "EHLO may be repeated"))
    if "EXPN" not in keywords:
        reply = probe.command("EXPN staff")
        must(not reply.is_positive, expected="no EXPN, for it is hidden", observed=reply.raw)
    hidden = {
        "BINARYMIME": "BODY=BINARYMIME",
        "DELIVERBY": "BY=600;R",
        "REQUIRETLS": "REQUIRETLS",
        "MT-PRIORITY": "MT-PRIORITY=3",
    } | MAIL_PARAMETERS
    for keyword, parameter in hidden.items():
        if keyword not in keywords:
            reply = probe.command(f"MAIL FROM:<{sender_of(target)}> {parameter}")
            must_answer(reply, "5yz", f"{keyword} is not advertised")
    if "CHUNKING" not in keywords:
        open_transaction(probe, sender_of(target), [target.recipient()])
        must_answer(probe.command("BDAT 0 LAST"), "5yz", "CHUNKING is not advertised")


@requirement("GRT-05")
@pytest.mark.parametrize("layer", ["clear", "tls"])
def test_helo_gets_one_line(layer: str, connect: Connect, secure: Connect) -> None:
    """HELO is answered with a single line that lists no extension."""
    if layer == "clear":
        probe = connect()
        must_answer(probe.read_reply(), "220", "a new connection is greeted")
    else:
        probe = secure()
    reply = probe.command("HELO client.example")
    # Catalogue §3 line 9: before TLS a strict relay may answer 530 (RFC 3207 §4).
    must_answer(reply, ("250", "530") if layer == "clear" else "250", "HELO is supported")
    must(len(reply.raw_lines) == 1, expected="a reply of one line", observed=reply.raw)


@requirement("GRT-06")
def test_ehlo_in_a_transaction_resets_it(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """EHLO in the middle of a transaction clears it just as RSET does."""
    forgotten = target.recipient(f"forgotten-{token}")
    kept = target.recipient(f"kept-{token}")
    probe = session()
    open_transaction(probe, sender_of(target), [forgotten])
    must_answer(probe.ehlo(), "250", "EHLO may be repeated")
    must_refuse(probe.rcpt(kept), "EHLO ended the transaction", exactly="503")
    open_transaction(probe, sender_of(target), [kept])
    must_answer(probe.data(message(token)), "250", "the new transaction is complete")
    delivery = arrived(token)
    must(
        delivery.recipients == (kept,) and not sink.deliveries(recipient=forgotten),
        expected=f"one delivery, to {kept}",
        observed=delivery.recipients,
    )


@requirement("GRT-07")
def test_refused_ehlo_changes_nothing(
    session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """An EHLO that is refused leaves the open transaction as it was."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_refuse(probe.command("EHLO"), "EHLO needs an argument", exactly="501")
    reply = send_content(probe, message(token))
    must_answer(reply, "250", "the transaction is still open")


def read_banner(probe: SMTPProbe) -> Reply | None:
    """Return the greeting, or None when the connection was refused below SMTP."""
    try:
        return probe.read_reply()
    except ConnectionLost:
        return None


@requirement("GRT-12")
def test_refusing_banner_waits_for_quit(connect: Connect, target: Target) -> None:
    """After a 554 greeting every command gets 503, until QUIT gets 221 and the end."""
    if not target.has("source-addresses"):
        not_observable("needs a client address that is not admitted")
    try:
        probe = connect(source=target.client_address("denied"))
    except ConnectionLost:
        return  # refused by TCP: as good as a banner (CBR-01)
    banner = read_banner(probe)
    if banner is None:
        return
    must_answer(banner, "5yz", "this address is not admitted")
    must(banner.code != 521, expected="554; 521 is not for submission", observed=banner.raw)
    try:
        refused = probe.command("EHLO client.example")
        goodbye = probe.command("QUIT")
    except ConnectionLost:
        must(False, expected="a server that waits for QUIT", observed="closed after its banner")
        raise
    must_refuse(refused, "the session is refused", exactly="503")
    must_answer(goodbye, "221", "QUIT still works")
    must(probe.closed(within=2.0), expected="the connection closed after 221", observed="open")
