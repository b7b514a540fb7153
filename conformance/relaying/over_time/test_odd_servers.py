"""RLY-16: the relay as a client of servers with manners of their own (RFC 5321 §4.2, §4.3.2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.judgement import must
from conformance.relaying.next_hop import OpenNextHop, must_reach, wait_until
from conformance.relaying.report import reports_to
from conformance.requirement import requirement
from conformance.steps import sender_of
from fixtures.plugin import ComposeMessage, LogIn
from fixtures.sink import Ending, SinkMX, Stage
from fixtures.target import Target

THIRTY = b"".join(b"250-line %d\r\n" % number for number in range(29)) + b"250 line 30\r\n"
HUGE = b"451-" + b"x" * 200_000 + b"\r\n451 done\r\n"

DELIVERED, LATER, FAILED = "delivered", "later", "failed"
ANSWERS = {
    # Known by the first digit alone (§4.3.2).
    "299 after the dot": (Stage.CONTENT, b"299 taken\r\n", DELIVERED),
    "299 to MAIL": (Stage.MAIL, b"299 fine\r\n", DELIVERED),
    "499 after the dot": (Stage.CONTENT, b"499 odd\r\n", LATER),
    "499 to RCPT": (Stage.RCPT, b"499 odd\r\n", LATER),
    "599 after the dot": (Stage.CONTENT, b"599 odd\r\n", FAILED),
    "599 to RCPT": (Stage.RCPT, b"599 odd\r\n", FAILED),
    # Forms (§4.2): a code alone, many lines, line feeds alone, another code on the way.
    "bare 451": (Stage.RCPT, b"451\r\n", LATER),
    "bare 550": (Stage.RCPT, b"550\r\n", FAILED),
    "thirty lines to RCPT": (Stage.RCPT, THIRTY, DELIVERED),
    "lines without CR": (Stage.CONTENT, b"250-one\n250 two\n", DELIVERED),
    "two codes in one reply": (Stage.CONTENT, b"250-fine\r\n550 no, never\r\n", FAILED),
    # No replies at all.
    "nonsense": (Stage.MAIL, b"what do you want?\r\n", LATER),
    "a code that is none": (Stage.CONTENT, b"999 nine\r\n", LATER),
    "an endless line": (Stage.RCPT, HUGE, LATER),
    "octets beyond ASCII": (Stage.RCPT, b"550 \xff\xfe\x00\r\n", FAILED),
    # The host goes (§3.8).
    "421 to MAIL": (Stage.MAIL, b"421 going\r\n", LATER),
    "421 after the dot": (Stage.CONTENT, b"421 going\r\n", LATER),
    "421 for a greeting": (Stage.CONNECT, b"421 busy\r\n", LATER),
}


@requirement("RLY-16")
@pytest.mark.parametrize("name", list(ANSWERS))
def test_odd_answers_are_understood(
    name: str,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
    advance: Callable[[float], None],
) -> None:
    """An answer out of the ordinary delivers, puts off or fails by its first digit."""
    stage, octets, wanted = ANSWERS[name]
    hop = next_hop()
    sender, recipient = sender_of(target, f"odd-{token}"), hop.recipient()
    ending = Ending.CLOSE if octets.startswith(b"421") else Ending.NONE
    hop.sink.refuse(None, octets, 1, stage=stage, ending=ending, takes=wanted == DELIVERED)
    session().submit(sender, recipient, message(token))
    if wanted == FAILED:
        must(wait_until(lambda: bool(reports_to(sink, sender))), "a report of failure", "none")
        must(not hop.copies(recipient), expected="no copy", observed=hop.copies(recipient))
        return
    if wanted == LATER:
        must(wait_until(lambda: hop.sink.connections > 0), "an attempt", "none")
        for _ in range(24):
            advance(600.0)
            if wait_until(lambda: bool(hop.copies(recipient)), 0.25):
                break
    must_reach(hop.sink, f"the message, {wanted}", token=token)
    advance(86400.0)
    wait_until(lambda: len(hop.copies(recipient)) > 1, 0.3)
    must(len(hop.copies(recipient)) == 1, "one copy", len(hop.copies(recipient)))
    failures = [each for each in reports_to(sink, sender) if "failed" in each.actions]
    must(not failures, expected="no report of failure", observed=failures)


@requirement("RLY-16")
@pytest.mark.parametrize("refusal", ["500 5.5.1 What?", "502 5.5.1 Not here", "554 5.7.1 No"])
def test_a_host_without_ehlo_is_greeted_by_helo(
    refusal: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
) -> None:
    """Where EHLO is refused the mail comes by HELO, with nothing that EHLO would have offered."""
    hop = next_hop()
    hop.sink.refuse(None, refusal, 1, stage=Stage.EHLO)
    session().submit(sender_of(target), hop.recipient(), message(token))
    copy = must_reach(hop.sink, "the message", token=token)
    said = copy.transcript.octets("C") if copy.transcript else b""
    must(b"HELO " in said, expected="HELO after the refusal", observed=said[:200])
    must(not copy.mail_parameters, "no parameters", copy.mail_parameters)
    must(not copy.offences, expected="nothing that was not offered", observed=copy.offences)


@requirement("RLY-16")
def test_nothing_is_used_that_was_not_offered(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
) -> None:
    """To a host without any extension mail goes one command at a time and without parameters."""
    hop = next_hop(())
    recipients = [hop.recipient("one"), hop.recipient("two")]
    session().submit(sender_of(target), recipients, message(token))
    copy = must_reach(hop.sink, "the message", token=token)
    must(copy.recipients == tuple(recipients), "both recipients", copy.recipients)
    must(not copy.offences, expected="nothing that was not offered", observed=copy.offences)


@requirement("RLY-16")
def test_words_in_clear_behind_starttls_are_thrown_away(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
) -> None:
    """Replies that an attacker adds behind the 220 to STARTTLS answer nothing and offer nothing."""
    hop = next_hop((), is_encrypting=True)
    forged = "220 2.0.0 Go on\n250-mx.forged.example\n250-CHUNKING\n250 PIPELINING"
    hop.sink.refuse(None, forged, 1, stage=Stage.STARTTLS)
    session().submit(sender_of(target), hop.recipient(), message(token))
    copy = must_reach(hop.sink, "the message, whatever was forged", token=token)
    must(not copy.offences, expected="no use of the forged offer", observed=copy.offences)
    said = copy.transcript.octets("C", is_tls=True) if copy.transcript else b""
    if copy.is_tls:
        must(said.startswith(b"EHLO "), expected="EHLO first inside TLS", observed=said[:200])
