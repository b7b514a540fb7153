"""ROB: connections that break where it matters most (RFC 5321 §4.1.1.10, §6.1)."""

from __future__ import annotations

import contextlib

import pytest

from conformance.judgement import must
from conformance.requirement import requirement
from conformance.steps import (
    NothingArrived,
    copies_for,
    enter_data,
    must_answer,
    open_transaction,
    sender_of,
    wait_for_each,
)
from fixtures.plugin import ComposeMessage, LogIn
from fixtures.probe import ConnectionLost, SMTPProbe, stuffed
from fixtures.sink import SinkMX
from fixtures.target import Target

BREAKS = ("notified", "cut", "reset")
# How much of the content, or of what follows it, has gone out when the connection breaks.
PLACES = ("header", "middle", "line-end", "dot", "dot-cr")


def break_off(probe: SMTPProbe, how: str) -> None:
    """End a connection with close_notify and FIN, with FIN alone, or with RST."""
    match how:
        case "notified":
            probe.close()
        case "cut":
            probe.cut()
        case _:
            probe.abort()


def unfinished(content: bytes, place: str) -> bytes:
    """Return the content up to a place before its end marker is complete."""
    return {
        "header": content[:20],
        "middle": content[: len(content) * 2 // 3],
        "line-end": content,
        "dot": content + b".",
        "dot-cr": content + b".\r",
    }[place]


@requirement("ROB-05")
@pytest.mark.parametrize("how", BREAKS)
def test_unfinished_data_is_no_message(
    how: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A connection that breaks before the end marker leaves nothing to deliver."""
    for place in PLACES:
        probe = session()
        open_transaction(probe, sender_of(target), [target.recipient()])
        enter_data(probe)
        probe.send(unfinished(message(token), place))
        break_off(probe, how)
    nothing_arrived(token)


@requirement("ROB-05")
@pytest.mark.parametrize("how", BREAKS)
def test_unfinished_chunks_are_no_message(
    how: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """Chunks without the last one, or with a last one cut short, are no message."""
    content = message(token)
    for size, is_last, sent in (
        (len(content), "", len(content)),
        (len(content), " LAST", len(content) - 1),
        (len(content) + 1, " LAST", len(content)),
    ):
        probe = session()
        open_transaction(probe, sender_of(target), [target.recipient()])
        probe.send(f"BDAT {size}{is_last}\r\n".encode() + content[:sent])
        break_off(probe, how)
    nothing_arrived(token)


ROUNDS = 20


@requirement("ROB-06")
@pytest.mark.parametrize("how", BREAKS)
def test_a_client_that_leaves_early_gets_all_or_nothing(
    how: str,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A client that leaves behind the end marker finds one whole message for all, or none."""
    attempts = []
    for number in range(ROUNDS):
        mark = f"{token}-{number}-"
        recipients = [target.recipient(f"{name}-{mark}x") for name in ("one", "two", "three")]
        content = message(mark, "line of text\r\n" * 40 + f"end of {mark}")
        probe = session()
        open_transaction(probe, sender_of(target), recipients)
        enter_data(probe)
        with contextlib.suppress(ConnectionLost):
            probe.send(stuffed(content))
        break_off(probe, how)
        attempts.append((mark, recipients))
    # What was sent later has arrived: whatever is to come of these is there.
    nothing_arrived(f"none-{token}")
    for mark, recipients in attempts:
        if sink.deliveries(token=mark):
            wait_for_each(sink, mark, recipients)
        copies = sink.deliveries(token=mark)
        counts = [copies_for(copies, recipient) for recipient in recipients]
        must(counts in ([1, 1, 1], [0, 0, 0]), "one copy for each recipient, or none", counts)
        whole = all(copy.content.rstrip().endswith(f"end of {mark}".encode()) for copy in copies)
        must(whole, "whole copies", [len(copy.content) for copy in copies])


@requirement("ROB-06")
def test_a_session_that_stays_gets_its_reply(
    session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """A client that only stops sending behind the end marker still reads its 250."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    enter_data(probe)
    probe.send(stuffed(message(token)))
    must_answer(probe.read_reply(), "250", "the message is complete")
