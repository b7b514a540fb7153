"""ROB: no single connection makes the service use memory without bound (RFC 5321 §4.5.3.1)."""

from __future__ import annotations

import contextlib

import pytest

from conformance.judgement import must, not_observable
from conformance.requirement import requirement, takes_seconds
from conformance.rfc4954.credentials import need_mechanism
from conformance.steps import enter_data, must_answer, open_transaction, sender_of
from fixtures.plugin import Connect, LogIn
from fixtures.probe import ConnectionLost, SMTPProbe
from fixtures.scarcity import resident_octets
from fixtures.target import Target
from fixtures.transcript import Transcript

LINE_OCTETS = 24 << 20
# Ours: what a relay may take in passing for a line that it will not keep.
GROWTH_OF_A_LINE = 6 << 20


def memory_of(target: Target) -> int:
    """Return how much memory the relay uses, or end the check."""
    if target.relay is None:
        not_observable("the relay's process is not ours")
    try:
        return resident_octets(target.relay)
    except OSError as reason:
        not_observable(str(reason))


def pour(probe: SMTPProbe, target: Target, octets: int) -> int:
    """Send one endless line, unrecorded; return the most memory the relay had meanwhile."""
    piece = b"A" * 65536
    most = 0
    probe.transcript.remark(f"{octets} octets without a line end", is_tls=probe.is_tls)
    whole, probe.transcript = probe.transcript, Transcript()
    try:
        with contextlib.suppress(ConnectionLost):
            for number in range(octets // len(piece)):
                probe.send(piece)
                if number % 16 == 0:
                    most = max(most, memory_of(target))
                    probe.transcript.events.clear()
    finally:
        probe.transcript = whole
    return max(most, memory_of(target))


@requirement("ROB-04")
@takes_seconds(3)
@pytest.mark.parametrize("place", ["in-clear", "command", "auth"])
def test_an_endless_line_takes_no_memory(
    place: str, clear: Connect, secure: Connect, target: Target
) -> None:
    """A line of 24 MiB is refused or ends the session, and is never collected whole."""
    probe = clear() if place == "in-clear" else secure()
    if place == "auth":
        need_mechanism(target, "PLAIN")
        must_answer(probe.command("AUTH PLAIN"), "334", "the response is missing")
    before = memory_of(target)
    grown = pour(probe, target, LINE_OCTETS) - before
    must(grown < GROWTH_OF_A_LINE, f"less than {GROWTH_OF_A_LINE} octets more", grown)
    with contextlib.suppress(ConnectionLost):
        probe.send(b"\r\n")
        must_answer(probe.read_reply(), ("421", "5yz"), "no line is that long")


@requirement("ROB-04")
def test_endless_recipients_take_no_memory(session: LogIn, target: Target) -> None:
    """Recipients beyond the limit are not kept, however many there are."""
    probe = session()
    open_transaction(probe, sender_of(target), [])
    before = memory_of(target)
    batch = b"".join(b"RCPT TO:<%s>\r\n" % target.recipient("r").encode() for _ in range(100))
    codes: set[int] = set()
    with contextlib.suppress(ConnectionLost):
        for _ in range(30):
            probe.send(batch)
            codes |= {probe.read_reply().code for _ in range(100)}
            if 421 in codes:
                break
    grown = memory_of(target) - before
    must(codes <= {250, 421, 452, 550, 554}, "250, then 452 or 421", sorted(codes))
    must(codes & {421, 452}, "452 or 421 in the end", sorted(codes))
    must(grown < GROWTH_OF_A_LINE, f"less than {GROWTH_OF_A_LINE} octets more", grown)


@requirement("ROB-04")
def test_content_beyond_the_limit_is_not_kept(session: LogIn, target: Target) -> None:
    """Content far beyond the limit ends in 552 or the end, and takes less than three times it."""
    if target.settings is None:
        not_observable("the limits of the relay under test cannot be changed")
    limit = 1 << 20
    with target.settings.changed(limits={"message_octets": limit}):
        probe = session()
        open_transaction(probe, sender_of(target), [target.recipient()])
        enter_data(probe)
        before = memory_of(target)
        grown = pour(probe, target, LINE_OCTETS) - before
        must(grown < 3 * limit + GROWTH_OF_A_LINE, "no more than thrice the limit", grown)
        with contextlib.suppress(ConnectionLost):
            probe.send(b"\r\n.\r\n")
            must_answer(probe.read_reply(), ("421", "5yz"), "the content is too large")
