"""RLY: what is tried again, when, for how long, and how often it arrives (RFC 5321 §4.5.4.1)."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from conformance.header import fields_named
from conformance.judgement import must, remark
from conformance.relaying.next_hop import NextHop, OpenNextHop, must_reach, wait_until
from conformance.relaying.report import reports_to
from conformance.requirement import requirement, takes_seconds
from conformance.steps import sender_of
from fixtures.plugin import ComposeMessage, LogIn
from fixtures.sink import Ending, SinkMX, Stage
from fixtures.target import Target

Advance = Callable[[float], None]

PATIENCE = "CONFORMANCE_PATIENCE"
# RFC 5321 §4.5.3.2.6: what a client must allow for the reply to the end of data.
TEN_MINUTES = 600.0

STEP = 600.0
HALF_AN_HOUR = 1800.0
# Time enough for an attempt that is due, without a network between.
SOON = 0.25


def wait_for_attempt(
    hop: NextHop, recipient: str, number: int, advance: Advance, at_most: float
) -> float:
    """Move the clock step by step until the recipient was named so often; return how far."""
    passed = 0.0
    while not hop.wait_until_asked(recipient, number, within=SOON) and passed < at_most:
        advance(STEP)
        passed += STEP
    return passed


@requirement("RLY-10")
@takes_seconds(2)
def test_what_failed_for_the_moment_is_tried_ever_more_slowly(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
    advance: Advance,
) -> None:
    """Put off twice, the message comes at the third attempt, after half an hour and more."""
    hop = next_hop()
    recipient = hop.recipient()
    hop.sink.refuse(recipient, "451 4.3.0 Later", times=2)
    session().submit(sender_of(target), recipient, message(token))
    must(hop.wait_until_asked(recipient, 1), "an attempt at once", "none")
    delays = []
    for number in (2, 3):
        delays.append(wait_for_attempt(hop, recipient, number, advance, 6 * 3600.0))
        asked = hop.asked_for(recipient)
        must(asked >= number, expected=f"attempt {number} within six hours", observed=asked)
    must(delays[0] >= HALF_AN_HOUR, expected="at least 30 minutes at first", observed=delays)
    must(delays[0] <= delays[1], expected="delays that do not shrink", observed=delays)
    must_reach(hop.sink, "the message at the third attempt", token=token)
    must(len(hop.copies(recipient)) == 1, "one copy", len(hop.copies(recipient)))


@requirement("RLY-10")
@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.CONTENT])
def test_what_failed_for_good_is_not_tried_again(
    stage: Stage,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
    advance: Advance,
) -> None:
    """A 5yz at any stage is reported at once, and the host is not asked again later."""
    hop = next_hop()
    sender = sender_of(target, f"final-{token}")
    hop.sink.refuse(None, "554 5.7.1 Never", stage=stage)
    session().submit(sender, hop.recipient(), message(token))
    must_reach(sink, "a report at once", recipient=sender)
    connections = hop.sink.connections
    advance(2 * HALF_AN_HOUR)
    control = next_hop()
    session().submit(sender, control.recipient(), message(f"control-{token}"))
    must_reach(control.sink, "a message sent later", token=f"control-{token}")
    transcripts = list(hop.sink.transcripts)
    asked = sum(each.octets("C").count(b"MAIL FROM:<") for each in transcripts)
    must(asked == 1, expected="one attempt in all", observed=f"{asked} of {connections}")


@requirement("RLY-10")
@pytest.mark.parametrize("stage", [Stage.CONNECT, Stage.MAIL, Stage.RCPT, Stage.DATA])
def test_a_lost_connection_is_a_failure_of_the_moment(
    stage: Stage,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
    advance: Advance,
) -> None:
    """Where the host resets the connection, the message is tried again and comes once."""
    hop = next_hop()
    sender = sender_of(target, f"lost-{token}")
    recipient = hop.recipient()
    hop.sink.refuse(None, b"", times=1, stage=stage, ending=Ending.RESET)
    session().submit(sender, recipient, message(token))
    must(wait_until(lambda: hop.sink.connections > 0), "a connection", "none")
    for _ in range(24):
        if hop.copies(recipient):
            break
        advance(STEP)
        wait_until(lambda: bool(hop.copies(recipient)), SOON)
    must_reach(hop.sink, "the message at a later attempt", token=token)
    must(not sink.deliveries(recipient=sender), "no report", sink.deliveries(recipient=sender))


@requirement("RLY-11")
@takes_seconds(8)
def test_trying_ends_and_the_sender_hears_of_it(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
    advance: Advance,
) -> None:
    """A host that says "later" for ever is given up at the profile's limit, with a report."""
    hop = next_hop()
    sender = sender_of(target, f"expired-{token}")
    recipient = hop.recipient()
    hop.sink.refuse(recipient, "451 4.3.0 Later")
    session().submit(sender, recipient, message(token))
    must(hop.wait_until_asked(recipient, 1), "an attempt at once", "none")
    lifetime_days = target.claims("retry_lifetime_days") or 5

    def failures() -> list[str]:
        return [
            fields.get("status", "")
            for report in reports_to(sink, sender)
            for fields in report.about_recipients
            if fields.get("action") == "failed"
        ]

    hours = 0
    while not failures() and hours < (lifetime_days + 1) * 24:
        advance(4 * 3600.0)
        hours += 4
        wait_until(lambda: bool(failures()), SOON)
    statuses = failures()
    must(bool(statuses), f"a report of failure after {lifetime_days} days", f"none at {hours} h")
    must(statuses[0][1:] == ".4.7", expected="4.4.7 or 5.4.7 (RFC 3463)", observed=statuses)
    is_kept = lifetime_days * 24 - 4 <= hours <= lifetime_days * 24 + 8
    must(is_kept, expected=f"the end at {lifetime_days} days", observed=f"after {hours} h")


@requirement("RLY-15")
@takes_seconds(15)
def test_a_slow_last_reply_is_waited_for(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
) -> None:
    """A host that is slow with its last reply is waited for and gets one copy.

    The environment variable CONFORMANCE_PATIENCE says for how many seconds it is kept back.
    """
    hop = next_hop()
    recipient = hop.recipient()
    held = min(float(os.environ.get(PATIENCE) or 15.0), TEN_MINUTES)
    hop.sink.refuse(recipient, "250 2.0.0 At last", stage=Stage.CONTENT, delay=held, takes=True)
    session().submit(sender_of(target), recipient, message(token))
    must_reach(hop.sink, "the message", token=token)

    def said() -> bytes:
        return b"".join(each.octets("S") for each in hop.sink.transcripts)

    def ended() -> bool:
        remarks = b"".join(each.octets("=") for each in hop.sink.transcripts)
        return b"connection ended" in remarks

    wait_until(lambda: ended() or b"At last" in said(), held + 10.0)
    must(b"At last" in said(), expected="patience until the reply", observed="connection ended")
    must(len(hop.copies(recipient)) == 1, "one copy", len(hop.copies(recipient)))
    if held < TEN_MINUTES:
        remark(f"the reply was kept back for {held:g} s; {PATIENCE}=600 shows ten minutes")


@requirement("RLY-15")
def test_a_lost_last_reply_makes_one_more_copy_at_most(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
    advance: Advance,
) -> None:
    """Reset behind its 250, a host gets the same message once more, and no other host does."""
    # The host has a second address, which an eager relay would try at once.
    hop = next_hop(more_addresses=["127.0.3.1"])
    recipient = hop.recipient()
    for one in (hop.sink, sink):
        one.refuse(recipient, b"", times=1, stage=Stage.CONTENT, ending=Ending.RESET, takes=True)

    def copies() -> list[str]:
        found = (*hop.copies(recipient), *sink.deliveries(recipient=recipient))
        return [fields_named(each.content, "Message-ID")[0].value for each in found]

    try:
        session().submit(sender_of(target), recipient, message(token))
        must(wait_until(lambda: bool(copies())), "the message", "nothing")
        control = next_hop()
        session().submit(sender_of(target), control.recipient(), message(f"control-{token}"))
        must_reach(control.sink, "a message sent later", token=f"control-{token}")
        must(len(copies()) == 1, expected="no second copy at once", observed=copies())
        sink.accept(recipient)
        hop.sink.accept(recipient)
        for _ in range(24):
            advance(STEP)
            if wait_until(lambda: len(copies()) > 1, SOON):
                break
        advance(86400.0)
        wait_until(lambda: len(copies()) > 2, SOON)
        must(len(copies()) <= 2, expected="at most one copy more", observed=copies())
        must(len(set(copies())) == 1, expected="the same Message-ID", observed=copies())
    finally:
        sink.accept(recipient)
