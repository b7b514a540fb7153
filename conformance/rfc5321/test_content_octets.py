"""DATA: odd octets, long lines and large messages (RFC 5321 §4.5.2, §4.5.3.1.6, §4.5.3.1.7)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, not_claimed, not_observable
from conformance.requirement import requirement
from conformance.steps import (
    NothingArrived,
    due_reply,
    enter_data,
    must_answer,
    must_be_alive,
    must_refuse,
    open_transaction,
    send_content,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.target import Target


@requirement("DATA-11")
@pytest.mark.parametrize("place", ["field", "body"])
def test_nul_truncates_nothing(
    place: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A NUL makes a message refused, or everything around it arrives."""
    odd = b"be\0fore-and-behind"
    content = (
        b"X-Odd: " + odd + b"\r\n" + message(token)
        if place == "field"
        else (message(token) + odd + b"\r\n")
    )
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = must_answer(send_content(probe, content), ("250", "5yz"), "refused or intact")
    must_be_alive(probe)
    if reply.is_positive:
        delivered = arrived(token).content
        must(odd in delivered, expected="the NUL and what is around it", observed=delivered)


@requirement("DATA-12")
def test_controls_and_trailing_blanks_survive(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """Control octets and blanks at the end of a line arrive as they were sent."""
    body = b"tab\there\r\nvt\x0bff\x0cbs\x08del\x7fsub\x1a\r\nblanks   \r\ntab\t\r\n \r\nend\r\n"
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(send_content(probe, message(token) + body), "250", "the octets are legal")
    delivered = arrived(token).content
    must(delivered.endswith(b"\r\n" + body), expected=f"{body!r} at the end", observed=delivered)


@requirement("DATA-13")
@pytest.mark.parametrize("first", [b"x", b"."], ids=["plain", "stuffed-dot"])
def test_lines_of_1000_octets_pass(
    first: bytes,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A line of 1000 octets with its CRLF, a stuffed dot not counted, passes unchanged."""
    line = first + b"y" * 997 + b"\r\n"
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(probe.data(message(token) + line + b"end\r\n"), "250", "the line is legal")
    delivered = arrived(token).content
    must(delivered.endswith(b"\r\n" + line + b"end\r\n"), "the line unchanged", delivered)


# Where a relay that breaks long lines might do so.
BREAKS = (998, 1000, 1024, 2048)


def trapped_lines(length: int, start: bytes, trap: bytes) -> bytes:
    """Return long lines, one with the trap at each place where a relay might break it."""
    places = [place for place in BREAKS if place + len(trap) <= length]
    lines = [start.ljust(place, b"z") + trap for place in places] or [start]
    return b"".join(line.ljust(length, b"z") + b"\r\n" for line in lines)


@requirement("DATA-14")
@pytest.mark.parametrize("length", [999, 2048, 65_537])
@pytest.mark.parametrize("place", ["field", "body"])
def test_longer_lines_are_never_cut(
    place: str,
    length: int,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A longer line is refused or arrives whole; no new field or dot line comes out of it."""
    if place == "field":
        content = trapped_lines(length, b"X-Long: ", b"From: evil@evil.example") + message(token)
    else:
        content = message(token) + trapped_lines(length, b"", b".\tQUIT")
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = must_answer(probe.data(content), ("250", "5yz"), "refused or whole")
    must_be_alive(probe)
    if reply.is_positive:
        delivered = arrived(token).content
        must(
            b"\r\nFrom: evil@" not in delivered and b"\r\n.\tQUIT" not in delivered,
            expected="no line that the client did not send",
            observed=delivered[:3000],
        )


@requirement("DATA-16")
def test_oversize_content_is_read_to_its_end(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """Content over the limit is refused after its end, and none of it runs as a command."""
    probe = session()
    sizes = probe.ehlo().keywords.get("SIZE")
    if not sizes or sizes[0] == "0":
        not_claimed("no size limit is advertised")
    limit = int(sizes[0])
    if limit > 64 * 1024 * 1024:
        not_observable("the limit is too large to be tried in every run")
    open_transaction(probe, sender_of(target), [target.recipient()])
    enter_data(probe)
    content = message(token)
    # Read as commands, these lines would bring replies that are no 250.
    block = b"VRFY x\r\n" * 131_072
    probe.send(content)
    # A quarter more: a server that counts line ends as one octet sees an eighth less.
    for _ in range(limit * 5 // 4 // len(block) + 1):
        probe.send(block)
    probe.send(b".\r\n")
    must_refuse(probe.read_reply(), f"more than {limit} octets", exactly="552")
    must_be_alive(probe)
    nothing_arrived(token)


# RFC 6409 §5.3 allows two minutes; a check has no more than that for everything.
LONGEST_WAIT_SECONDS = 110.0


@requirement("DATA-21")
def test_final_reply_does_not_wait_for_the_delivery(
    session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """The final reply comes within two minutes, whatever becomes of the delivery."""
    recipient = target.recipient(f"later-{token}")
    if target.sink is not None:
        # Whoever delivers first and answers afterwards passes this on.
        target.sink.refuse(recipient, "550 5.1.1 Nobody of that name")
    probe = session()
    open_transaction(probe, sender_of(target), [recipient])
    enter_data(probe)
    probe.send(message(token) + b".\r\n")
    reply = due_reply(probe, "the end of data", within=LONGEST_WAIT_SECONDS)
    must_answer(reply, "250", "the message is valid")
