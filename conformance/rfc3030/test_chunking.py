"""CHNK: BDAT (RFC 3030)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, not_claimed
from conformance.requirement import requirement
from conformance.rfc5321.endings import has_bare_cr_or_lf
from conformance.steps import (
    FOREIGN_SENDER,
    NothingArrived,
    must_answer,
    must_be_alive,
    must_refuse,
    need_attachment_rule,
    need_header_rule,
    open_transaction,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.probe import ConnectionLost, Reply, SMTPProbe
from fixtures.target import Target


def chunking(session: LogIn) -> SMTPProbe:
    """Open an authenticated session that offers CHUNKING."""
    probe = session()
    if "CHUNKING" not in probe.ehlo().keywords:
        not_claimed("CHUNKING is not advertised")
    return probe


def bdat(probe: SMTPProbe, octets: bytes, *, last: bool = False) -> Reply:
    """Send one chunk and read its reply."""
    probe.send(b"BDAT %d%s\r\n" % (len(octets), b" LAST" if last else b"") + octets)
    return probe.read_reply()


@requirement("CHNK-01")
@pytest.mark.parametrize("chunks", ["one", "three", "zero-last", "thousand"])
def test_chunks_make_one_message(
    chunks: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Chunks of any size, cut anywhere, are each answered with 250 and make one content."""
    probe = chunking(session)
    content = message(token) + b"first\r\nsecond\r\n" + b"0123456789\r\n" * 100
    # The second cut falls between a CR and its LF.
    cut = content.index(b"first\r\n") + len(b"first\r")
    pieces = {
        "one": [content],
        "three": [content[:20], content[20:cut], content[cut:]],
        "zero-last": [content, b""],
        "thousand": [content[:-999]] + [bytes([octet]) for octet in content[-999:]],
    }[chunks]
    open_transaction(probe, sender_of(target), [target.recipient()])
    burst = b""
    for number, piece in enumerate(pieces):
        last = b" LAST" if number == len(pieces) - 1 else b""
        burst += b"BDAT %d%s\r\n" % (len(piece), last) + piece
    probe.send(burst)
    for number in range(len(pieces)):
        must_answer(probe.read_reply(), "250", f"chunk {number + 1} of {len(pieces)}")
    tail = content[content.index(b"first\r\n") :]
    delivered = arrived(token).content
    must(delivered.endswith(b"\r\n" + tail), "the chunks joined", delivered)


@requirement("CHNK-02")
def test_chunks_are_literal(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """Inside a chunk a dot is a dot: nothing is unstuffed and nothing ends the message."""
    probe = chunking(session)
    body = b"above\r\n.\r\nbelow\r\n..x\r\nend\r\n"
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(bdat(probe, message(token) + body, last=True), "250", "the message is valid")
    must_be_alive(probe)
    delivery = arrived(token)
    must(delivery.content.endswith(b"\r\n" + body), f"{body!r} at the end", delivery.content)


@requirement("CHNK-03")
def test_refused_chunks_are_consumed(
    session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """The octets of a refused chunk are never read as commands, nor are those of later ones."""
    probe = chunking(session)
    trap = f"MAIL FROM:<{sender_of(target)}>\r\nNOOP\r\n".encode() * 3
    command = b"BDAT %d\r\n" % len(trap)
    probe.send(command + trap + b"BDAT %d LAST\r\n" % len(trap) + trap + b"NOOP\r\n")
    must_refuse(probe.read_reply(), "no transaction is open", exactly="503")
    must_refuse(probe.read_reply(), "no transaction is open", exactly="503")
    must_answer(probe.read_reply(), "250", "NOOP follows the refused chunks")
    must_answer(probe.command("RSET"), "250", "RSET always works")
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(bdat(probe, message(token), last=True), "250", "the message is valid")


@requirement("CHNK-04")
def test_data_and_bdat_do_not_mix(session: LogIn, target: Target, token: str) -> None:
    """DATA after a chunk, and a chunk after the last one, are refused."""
    probe = chunking(session)
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(bdat(probe, b"Subject: x\r\n"), "250", "a first chunk")
    must_refuse(probe.command("DATA"), "chunks were sent", exactly="503")
    must_answer(probe.command("RSET"), "250", "RSET always works")
    open_transaction(probe, sender_of(target), [target.recipient()])
    bdat(probe, f"Subject: {token}\r\n\r\n".encode(), last=True)
    must_refuse(bdat(probe, b"more\r\n"), "the last chunk was sent", exactly="503")


@requirement("CHNK-05")
@pytest.mark.parametrize("end", ["RSET", "close"])
def test_unfinished_chunks_are_discarded(
    end: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """RSET or the end of the connection between two chunks leaves nothing behind."""
    probe = chunking(session)
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(bdat(probe, message(token)), "250", "a first chunk")
    if end == "RSET":
        must_answer(probe.command("RSET"), "250", "RSET always works")
        open_transaction(probe, sender_of(target), [target.recipient()])
        other = message("other").replace(token.encode(), b"other")
        must_answer(bdat(probe, other, last=True), "250", "a message of its own")
    else:
        probe.cut()
    nothing_arrived(token)


@requirement("CHNK-06")
@pytest.mark.parametrize(
    "argument",
    [
        "",
        " -1",
        " 0x10",
        " 99999999999999999999",
        " 18446744073709551621",
        " 10 FIRST",
        " 10LAST",
        " x",
    ],
)
def test_malformed_sizes_do_no_harm(argument: str, session: LogIn, target: Target) -> None:
    """A BDAT whose size makes no sense is refused, and the session goes on or ends."""
    probe = chunking(session)
    open_transaction(probe, sender_of(target), [target.recipient()])
    try:
        refusal = probe.command(f"BDAT{argument}")
        must_refuse(refusal, "no size", exactly=("501", "552"))
        probe.send(b"NOOP\r\n")
        after = probe.read_reply()
    except ConnectionLost:
        return  # a clean close keeps nothing out of step either
    must_answer(after, ("250", "421"), "the session goes on, or ends cleanly")


@requirement("CHNK-07")
@pytest.mark.parametrize("kind", ["bare-lf", "bare-cr", "foreign-from", "attachment"])
def test_chunks_meet_the_same_rules(
    kind: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """What DATA refuses is refused when it comes in chunks."""
    if kind == "attachment":
        need_attachment_rule(target)
    if kind == "foreign-from":
        need_header_rule(target)
    attachment = {
        "MIME-Version": "1.0",
        "Content-Type": 'application/octet-stream; name="a.bin"',
        "Content-Disposition": 'attachment; filename="a.bin"',
    }
    content = {
        "bare-lf": lambda: message(token) + b"one\n.\ntwo\r\n",
        "bare-cr": lambda: message(token) + b"one\r.\rtwo\r\n",
        "foreign-from": lambda: message(token, From=FOREIGN_SENDER),
        "attachment": lambda: message(token, **attachment),
    }[kind]()
    probe = chunking(session)
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = bdat(probe, content, last=True)
    if reply.is_positive and kind.startswith("bare"):
        raw = arrived(token).raw
        must(not has_bare_cr_or_lf(raw), expected="CRLF alone on the wire", observed=raw)
        return
    must_refuse(reply, f"refused for {kind}", exactly=("550", "554"))
    nothing_arrived(token)


@requirement("CHNK-08")
def test_binarymime_needs_chunking(session: LogIn, target: Target) -> None:
    """BODY=BINARYMIME is refused unless advertised, and never goes with DATA."""
    probe = session()
    hello = probe.ehlo()
    mail = probe.command(f"MAIL FROM:<{sender_of(target)}> BODY=BINARYMIME")
    if "BINARYMIME" not in hello.keywords:
        must_refuse(mail, "BINARYMIME is not advertised", exactly=("504", "555", "501"))
        return
    must_answer(mail, "250", "BINARYMIME is advertised")
    must_answer(probe.rcpt(target.recipient()), "250", "RCPT to a valid recipient")
    must_refuse(probe.command("DATA"), "BINARYMIME needs BDAT", exactly="503")
