"""ROB: a stop request while sessions are in every state (RFC 5321 §3.8)."""

from __future__ import annotations

import threading

from conformance.judgement import must, not_observable
from conformance.requirement import requirement, takes_seconds
from conformance.steps import enter_data, open_transaction, sender_of
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.probe import ConnectionLost, Reply, SMTPProbe, stuffed
from fixtures.target import Target

# Before data in progress goes on, so that the stop meets it there.
STOP_HEARD_SECONDS = 5.0


def last_words(probe: SMTPProbe, who: str) -> Reply:
    """Read the reply with which a waiting client is sent away."""
    try:
        return probe.read_reply(timeout=STOP_HEARD_SECONDS)
    except ConnectionLost as lost:
        must(False, expected=f"421 to {who}", observed=lost)
        raise


@requirement("ROB-07")
@takes_seconds(4)
def test_a_stop_loses_nothing(
    clear: Connect,
    secure: Connect,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Waiting clients hear 421, content in progress ends in 250 or 4yz, accepted mail arrives."""
    relay = target.relay
    if relay is None:
        not_observable("the relay's process is not ours")
    waiting = {"greeted": clear(), "encrypted": secure(), "authenticated": session()}
    half = session()
    open_transaction(half, sender_of(target), [target.recipient()])
    enter_data(half)
    content = stuffed(message(token))
    half.send(content[:40])
    accepted = f"before-{token}"
    with session() as before:
        before.submit(sender_of(target), target.recipient(), message(accepted))
    stopping = threading.Thread(target=relay.terminate, args=(20.0,))
    stopping.start()
    try:
        for who, probe in waiting.items():
            reply = last_words(probe, who)
            must(reply.code == 421, f"421 to {who}", reply.raw)
            must(reply.enhanced in (None, "4.3.2"), "4.3.2", reply.raw)
        ending = finished(half, content[40:])
    finally:
        stopping.join(30)
        relay.start()
    must(ending.code == 250 or ending.is_transient, "250 or 4yz for content in progress", ending)
    if ending.code == 250:
        arrived(token, within=20.0)
    arrived(accepted, within=20.0)


def finished(probe: SMTPProbe, rest: bytes) -> Reply:
    """Send the rest of a content and read what becomes of it."""
    try:
        probe.send(rest)
        return probe.read_reply()
    except ConnectionLost as lost:
        must(False, expected="250 or 4yz for content in progress", observed=lost)
        raise
