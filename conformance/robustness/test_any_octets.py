"""ROB: whatever octets arrive in whatever state (RFC 5321 §4.2)."""

from __future__ import annotations

import random

import pytest

from conformance.judgement import must, not_observable
from conformance.requirement import requirement
from conformance.steps import must_answer, must_be_alive, open_transaction, sender_of
from fixtures.plugin import Connect, LogIn
from fixtures.probe import ConnectionLost, ReplyMalformed, ReplyTimeout, SMTPProbe
from fixtures.target import Target

SEED = 5321
ROUNDS = 12
STATES = ("clear", "tls", "auth", "session", "transaction", "chunk")
PHRASES = (
    *(b"EHLO ", b"HELO ", b"MAIL FROM:<", b"RCPT TO:<", b"DATA\r\n", b"BDAT ", b"RSET\r\n"),
    *(b"AUTH ", b"NOOP", b"VRFY ", b"STARTTLS", b"a@b.example>", b" SIZE=", b" BODY=8BITMIME"),
    *(b"\r\n", b"\n", b"\r", b"\0", b"\xff", b"\xc3\x28", b"\x1b[2J", b"." * 3, b"9" * 30, b"="),
)


def nonsense(chance: random.Random) -> bytes:
    """Make some octets out of phrases and noise; never an end of data by accident."""
    pieces = []
    for _ in range(chance.randint(1, 12)):
        if chance.random() < 0.7:
            pieces.append(chance.choice(PHRASES))
        else:
            pieces.append(chance.randbytes(chance.randint(1, 30)))
    return b"".join(pieces)


def brought_to(
    state: str, clear: Connect, secure: Connect, session: LogIn, target: Target
) -> SMTPProbe:
    """Open a connection in this state."""
    if state == "clear":
        return clear()
    if state in ("tls", "auth"):
        probe = secure()
        if state == "auth":
            must_answer(probe.command("AUTH PLAIN"), "334", "the response is missing")
        return probe
    probe = session()
    if state != "session":
        open_transaction(probe, sender_of(target), [target.recipient()])
    if state == "chunk":
        probe.send(b"BDAT 40\r\n")
    return probe


@requirement("ROB-10")
@pytest.mark.parametrize("state", STATES)
def test_any_octets_get_a_reply_or_an_end(
    state: str, clear: Connect, secure: Connect, session: LogIn, target: Target
) -> None:
    """Nonsense in each state is answered in the grammar of replies, or ends the session."""
    chance = random.Random(f"{SEED}-{state}")
    begin = log_of(target)
    with clear() as bystander:
        for _ in range(ROUNDS):
            octets = nonsense(chance)
            probe = brought_to(state, clear, secure, session, target)
            try:
                probe.send(octets + b"\r\n")
                end_politely(probe)
            except ConnectionLost as lost:
                must(not lost.octets, "whole replies up to the end", lost.octets)
            except ReplyTimeout as late:
                must(False, expected=f"an answer to {octets!r}", observed=late.octets)
            except ReplyMalformed as odd:
                must(False, expected="replies in the grammar of RFC 5321", observed=odd.octets)
            finally:
                probe.close()
        must_be_alive(bystander)
    said = log_of(target)[len(begin) :]
    # A connection may end; an error that nobody caught is no way to end it.
    must(b"Traceback" not in said, "no error that nobody caught", said[-400:])


def log_of(target: Target) -> bytes:
    """Return what the relay has logged, nothing if that is not ours to read."""
    return target.relay.stderr_file.read_bytes() if target.relay else b""


def end_politely(probe: SMTPProbe) -> None:
    """Get out of whatever the nonsense began and read until QUIT is answered or the end.

    Raises:
        ConnectionLost: The relay ended it first, as it may.
        ReplyTimeout: It does neither.
        ReplyMalformed: It said something else than replies.
    """
    for goodbye in (b"*\r\n.\r\n" + b"x" * 40 + b"\r\nQUIT\r\n", b"\n.\nQUIT\n"):
        probe.send(goodbye)
        try:
            while probe.read_reply(timeout=1.0).code not in (221, 421):
                pass
        except ReplyTimeout as late:
            # The nonsense may have made it a session whose lines end in LF.
            if late.octets or b"\r" not in goodbye:
                raise
        else:
            return


INJECTED = "injected-event=accepted"


@requirement("ROB-10")
def test_no_client_writes_lines_into_the_log(
    clear: Connect, session: LogIn, target: Target, token: str
) -> None:
    """Line ends and escapes in what is logged never begin a line or reach a terminal."""
    if target.relay is None:
        not_observable("the relay's log is not ours to read")
    evil = f"\x1b[2J\x0b\x85 {INJECTED} {token}"
    begin = target.relay.stderr_file.stat().st_size
    with clear() as probe:
        probe.command(f"EHLO a\r{evil}")
        probe.command(f"EHLO {evil}")
    with session() as probe:
        for address in (f'"{evil}"@foreign.example', f"a{evil}@foreign.example"):
            probe.command(f"MAIL FROM:<{address}> SMTPUTF8")
            probe.command("RSET")
        must_be_alive(probe)
    logged = target.relay.stderr_file.read_bytes()[begin:]
    must(b"\x1b" not in logged, "no escape in the log", logged[-400:])
    lines = logged.decode("utf-8", "replace").splitlines()
    forged = [line for line in lines if line.strip().startswith(INJECTED)]
    must(not forged, "no line of the client's own", forged)
