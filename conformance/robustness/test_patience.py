"""ROB: how long a silent client is waited for (RFC 5321 §4.5.3.2.7)."""

from __future__ import annotations

import os
import time

from conformance.judgement import must, not_observable
from conformance.requirement import requirement, takes_seconds
from conformance.robustness.test_crowds import settings_of
from conformance.steps import enter_data, must_answer, must_be_alive, open_transaction, sender_of
from fixtures.plugin import ComposeMessage, LogIn
from fixtures.probe import ConnectionLost, SMTPProbe, stuffed
from fixtures.target import Target

PATIENCE = "CONFORMANCE_PATIENCE"
# RFC 5321 §4.5.3.2.7: at least five minutes.
FIVE_MINUTES = 299.0
SHORT_SECONDS = 1.5


def silent_clients(
    session: LogIn, target: Target, contents: dict[str, bytes]
) -> dict[str, SMTPProbe]:
    """Open three sessions that wait: behind EHLO, behind RCPT, inside the content."""
    behind_hello, behind_rcpt, inside = session(), session(), session()
    open_transaction(behind_rcpt, sender_of(target), [target.recipient()])
    open_transaction(inside, sender_of(target), [target.recipient()])
    enter_data(inside)
    inside.send(contents["first"])
    return {"behind EHLO": behind_hello, "behind RCPT": behind_rcpt, "inside DATA": inside}


@requirement("ROB-01")
@takes_seconds(2)
def test_long_silence_ends_in_421(session: LogIn, target: Target) -> None:
    """Who stays silent beyond the limit hears 421 4.4.2, wherever the silence began."""
    with settings_of(target).changed(limits={"idle_seconds": SHORT_SECONDS}):
        for place, probe in silent_clients(session, target, {"first": b"Subject: s\r\n"}).items():
            try:
                reply = probe.read_reply(timeout=SHORT_SECONDS + 5.0)
            except ConnectionLost as lost:
                must(False, expected=f"421 to silence {place}", observed=lost)
                raise
            must(reply.code == 421, f"421 to silence {place}", reply.raw)
            must(reply.enhanced in (None, "4.4.2"), "4.4.2", reply.raw)
            must(probe.closed(5.0), "the end of the connection", "still open")


@requirement("ROB-01")
@takes_seconds(5)
def test_five_minutes_of_silence_are_granted(
    session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """Three clients are silent for five minutes and go on.

    The environment variable CONFORMANCE_PATIENCE says how many seconds a run has for this; with
    fewer than 299 an early end is still an offence, but patience is not shown.
    """
    seconds = min(float(os.environ.get(PATIENCE) or 5.0), FIVE_MINUTES)
    content = stuffed(message(token))
    clients = silent_clients(session, target, {"first": content[:30]})
    until = time.monotonic() + seconds
    for place, probe in clients.items():
        said = probe.silence(max(0.0, until - time.monotonic()))
        must(not said, f"patience {place}", said)
    try:
        must_be_alive(clients["behind EHLO"])
        must_answer(clients["behind RCPT"].command("DATA"), "354", "the transaction goes on")
        clients["inside DATA"].send(content[30:])
        must_answer(clients["inside DATA"].read_reply(), "250", "the content goes on")
    except ConnectionLost as lost:
        must(False, expected=f"a session after {seconds:g} s of silence", observed=lost)
    if seconds < FIVE_MINUTES:
        not_observable(f"silent for {seconds:g} s only; {PATIENCE}=299 waits five minutes")
