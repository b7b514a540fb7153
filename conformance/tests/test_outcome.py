"""How the end of a check becomes a finding, and how evidence travels without secrets."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.judgement import Inconclusive, NotClaimed, NotMet, NotObservable, octets_shown
from conformance.outcome import (
    Finding,
    Outcome,
    finding_of,
    redacted,
    redacted_values,
    transcript_to_json,
    visible,
    worst_finding,
)
from conformance.passive import examine
from conformance.verdict import Verdict
from fixtures.probe import ConnectionLost, Refused, ReplyMalformed, ReplyTimeout, Throttled
from fixtures.redaction import Secrets
from fixtures.reply import Reply
from fixtures.target import NotAvailable
from fixtures.transcript import Transcript

SECRET = st.binary(min_size=8, max_size=80).filter(lambda octets: len(set(octets)) > 4)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (NotMet("a", "b"), Verdict.NOT_MET),
        (AssertionError("plain"), Verdict.NOT_MET),
        (NotObservable("no sink"), Verdict.NOT_OBSERVABLE),
        (NotAvailable("no sink"), Verdict.NOT_OBSERVABLE),
        (NotClaimed("profile"), Verdict.NOT_CLAIMED),
        (Inconclusive("421"), Verdict.INCONCLUSIVE),
        (Throttled("AUTH", Reply(454, "4.7.0", ("later",))), Verdict.INCONCLUSIVE),
        (Refused("MAIL", Reply(550, "5.7.1", ("no",))), Verdict.NOT_MET),
        (Refused("MAIL", Reply(432, "4.7.12", ("no",))), Verdict.INCONCLUSIVE),
        (ConnectionLost("reset"), Verdict.INCONCLUSIVE),
        (ReplyTimeout(1.0, b""), Verdict.INCONCLUSIVE),
        (ReplyMalformed("bare LF", b"x"), Verdict.INCONCLUSIVE),
        (ConnectionRefusedError(), Verdict.INCONCLUSIVE),
        (TimeoutError(), Verdict.INCONCLUSIVE),
        (KeyError("oops"), Verdict.HARNESS_ERROR),
        (FileNotFoundError("oops"), Verdict.HARNESS_ERROR),
        (pytest.skip.Exception("because"), Verdict.HARNESS_ERROR),
        (pytest.fail.Exception("because"), Verdict.HARNESS_ERROR),
        (pytest.fail.Exception("Timeout (>120.0s) from pytest-timeout."), Verdict.INCONCLUSIVE),
    ],
)
def test_each_end_of_a_check_has_its_verdict(error: BaseException, verdict: Verdict) -> None:
    """Evidence, trouble of the target and trouble of ours are kept apart."""
    assert finding_of(error).verdict is verdict


def test_an_assert_without_words_shows_its_line() -> None:
    """Even a bare assert leaves something to read in the report."""
    with pytest.raises(AssertionError) as caught:
        raise AssertionError
    assert finding_of(caught.value).observed == "raise AssertionError"


def test_the_worst_finding_wins() -> None:
    """A clean tear-down does not wash away what the check found."""
    found = [Finding(Verdict.MET), Finding(Verdict.NOT_MET, "a", "b"), Finding(Verdict.MET)]
    assert worst_finding(found).expected == "a"


def test_an_outcome_travels_as_json() -> None:
    """What a worker ships arrives unchanged."""
    transcript = Transcript("a to b")
    transcript.add("S", b"220 x\n")
    outcome = Outcome(
        check="test_x.py::test_x[1]",
        requirements=("TLS-01", "TLS-02"),
        finding=Finding(Verdict.NOT_MET, "a", "b\\r\\n", "c"),
        statement="It must.",
        remarks=("odd",),
        held=(("a", "b"),),
        duration_seconds=0.5,
        transcripts=(transcript_to_json(transcript, Secrets()),),
        examination=examine(transcript),
    )
    assert Outcome.from_json(outcome.to_json()) == outcome


@given(secret=SECRET, before=st.binary(max_size=20), after=st.binary(max_size=20))
def test_no_secret_survives_in_evidence(secret: bytes, before: bytes, after: bytes) -> None:
    """Neither in clear, nor escaped, nor in base64 at any alignment."""
    secrets = Secrets()
    secrets.add(secret)
    transcript = Transcript("a to b")
    transcript.add("C", before + secret + after)
    transcript.add("C", b"AUTH PLAIN " + base64.b64encode(b"\0user\0" + secret) + b"\r\n")
    outcome = Outcome(
        check="test_x.py::test_x",
        requirements=("TLS-01",),
        finding=redacted_values(
            Finding(
                Verdict.NOT_MET,
                octets_shown(before + secret + after),
                base64.b64encode(before + secret + after).decode(),
                f"seen: {octets_shown(secret)}",
            ),
            secrets,
        ),
        transcripts=(transcript_to_json(transcript, secrets),),
    )
    text = outcome.to_json()
    for form in (octets_shown(secret), json.dumps(octets_shown(secret))[1:-1]):
        assert form not in text
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + secret)
        middle = encoded[-(-shift * 8 // 6) : (shift + len(secret)) * 8 // 6]
        assert middle.decode() not in text


def test_what_the_cut_leaves_holds_no_secret() -> None:
    """A secret that lies across the end of the part that is kept is gone before the cut."""
    secrets = Secrets()
    secrets.add(b"correct horse battery staple")
    for size in range(2000, 2060):
        transcript = Transcript("a to b")
        transcript.add("C", b"x" * size + b"correct horse battery staple" + b"y" * 9000)
        assert "corr" not in json.dumps(transcript_to_json(transcript, secrets))


def test_long_dialogues_are_cut_and_say_so() -> None:
    """A report stays readable, and tells what it left out."""
    transcript = Transcript("a to b")
    for _ in range(500):
        transcript.add("C", b"NOOP\r\n")
    transcript.events[0] = transcript.events[0].__class__(0.0, "C", b"x" * 5000, is_tls=False)
    shown = transcript_to_json(transcript, Secrets())
    events = shown["events"]
    assert isinstance(events, list)
    assert shown["omitted_events"] == 500 - len(events)
    assert events[0]["omitted_octets"] == 5000 - len(events[0]["octets"])


@given(st.text())
def test_visible_text_cannot_turn_a_page_around(text: str) -> None:
    """Control characters, bidirectional overrides and the like are shown as escapes."""
    assert all(char.isprintable() or char == "\n" for char in visible(text))


def test_redaction_leaves_the_rest_alone() -> None:
    """A text without a secret is not touched."""
    secrets = Secrets()
    secrets.add(b"correct horse battery staple")
    assert redacted("250 2.0.0 Ok\\r\\n", secrets) == "250 2.0.0 Ok\\r\\n"
