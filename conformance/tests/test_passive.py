"""The passive reply rules, each on a dialogue that keeps it and on one that breaks it."""

from __future__ import annotations

import json

import pytest

from conformance.passive import RULE_IDS, Examination, combined, examine, judge
from conformance.verdict import Verdict
from fixtures.attribution import Attribution
from fixtures.reply import ReplyMalformed, take_reply
from fixtures.transcript import Transcript

GREETING = "S: 220 mx.example ready"
EHLO = [
    "C: EHLO client.example",
    "S: 250-mx.example\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES",
]


def said(*lines: str, side: str = "probe") -> Transcript:
    """Write down a dialogue: C: and S: lines in order, TLS for the handshake."""
    transcript = Transcript("client to mx", "probe" if side == "probe" else "sink")
    attribution = Attribution()
    is_tls = False
    for line in lines:
        if line == "TLS":
            is_tls = True
            attribution.forget()
            transcript.tls_started("TLS handshake done")
            continue
        octets = f"{line[3:]}\r\n".encode()
        if line.startswith("C:"):
            attribution.sent(octets)
            transcript.add("C", octets, is_tls=is_tls)
            continue
        buffer = bytearray(octets)
        while buffer:
            try:
                reply = take_reply(buffer)
            except ReplyMalformed as malformed:
                transcript.add("S", malformed.octets, is_tls=is_tls, label="malformed")
                continue
            assert reply is not None
            command, label = attribution.answered(reply.code)
            transcript.add_reply(reply, command, label, is_tls=is_tls)
    return transcript


def verdicts(*transcripts: Transcript) -> dict[str, Verdict]:
    """Judge a run that consisted of these dialogues."""
    outcomes = judge(combined(map(examine, transcripts)))
    return {rule: outcome.verdict for rule, outcome in outcomes.items()}


GOOD = [
    GREETING,
    *EHLO,
    "C: MAIL FROM:<a@b.example>",
    "S: 250 2.1.0 Ok",
    "C: RCPT TO:<c@d.example>",
    "S: 250 2.1.5 Ok",
    "C: DATA",
    "S: 354 End data with <CR><LF>.<CR><LF>",
    "C: Subject: x\r\n\r\ntext\r\n.",
    "S: 250 2.0.0 Ok: queued as 1",
    "C: AUTH LOGIN",
    "S: 334 VXNlcm5hbWU6",
    "C: dXNlcg==",
    "S: 334 UGFzc3dvcmQ6",
    "C: *",
    "S: 501 5.7.0 Cancelled",
    f"C: RCPT TO:<{'x' * 300}@d.example>",
    "S: 503-5.5.1 No transaction\r\n503 5.5.1 Send MAIL first",
    "C: FROB \x1b[31m",
    "S: 500 5.5.1 What?",
    "C: QUIT",
    "S: 221 2.0.0 Bye",
]


def test_a_good_dialogue_keeps_every_rule() -> None:
    """Where there is nothing to blame, all eight rules are met."""
    assert verdicts(said(*GOOD)) == dict.fromkeys(RULE_IDS, Verdict.MET)


@pytest.mark.parametrize(
    ("rule", "dialogue"),
    [
        ("RPL-01", [GREETING, "C: NOOP", "S: OK"]),
        ("RPL-01", [GREETING, "C: NOOP", "S: 2500 what"]),
        ("RPL-01", [GREETING, "C: NOOP", "S: 620 2.0.0 Ok"]),
        ("RPL-01", [GREETING, "C: NOOP", "S: 250 2.0.0 Ok\n"]),
        ("RPL-02", [GREETING, "C: HELP", "S: 214-2.0.0 a\r\n250 2.0.0 b"]),
        ("RPL-03", [GREETING, "C: NOOP", f"S: 250 2.0.0 {'x' * 520}"]),
        ("RPL-04", [GREETING, "C: FROB", "S: 500 5.5.1 \x1b[31m unknown"]),
        ("RPL-04", [GREETING, "C: FRÖB", "S: 500 5.5.1 FRÖB unknown"]),
        ("RPL-05", [GREETING, "C: NOOP", "S: 250 2.0.0 Ok", "S: 250 2.0.0 Ok"]),
        ("RPL-05", [GREETING, "S: 220 mx.example again"]),
        ("RPL-05", [GREETING, "C: NOOP", "C: QUIT", "S: 221 2.0.0 Bye"]),
        ("RPL-06", [GREETING, *EHLO, "C: RSET", "S: 250 OK"]),
        ("RPL-06", [GREETING, *EHLO, "C: RSET", "S: 250-2.0.0 a\r\n250 b"]),
        ("RPL-07", [GREETING, *EHLO, "C: MAIL FROM:<>", "S: 550 4.7.1 No"]),
        ("RPL-07", [GREETING, *EHLO, "C: MAIL FROM:<>", "S: 550-5.7.1 No\r\n550 5.7.0 No"]),
        ("RPL-07", [GREETING, *EHLO, "C: MAIL FROM:<>", "S: 550-5.7.1 No\r\n550 No"]),
        ("RPL-08", [GREETING, "C: AUTH LOGIN", "S: 334 2.0.0 VXNlcm5hbWU6"]),
        ("RPL-08", [GREETING, "C: AUTH LOGIN", "S: 334 Username:"]),
        ("RPL-08", [GREETING, "C: DATA", "S: 354 3.0.0 Go ahead"]),
    ],
)
def test_a_broken_rule_is_not_met(rule: str, dialogue: list[str]) -> None:
    """Each rule notices what it is there for."""
    assert verdicts(said(*dialogue))[rule] is Verdict.NOT_MET


@pytest.mark.parametrize(
    ("rule", "dialogue"),
    [
        # RFC 5321 §3.8: 421 may come at any time.
        ("RPL-05", [GREETING, "S: 421 4.3.2 Shutting down"]),
        # CMD-16 sends this; how many replies come is judged there.
        ("RPL-05", [GREETING, "C: NOOP\nNOOP", "S: 250 2.0.0 Ok", "S: 250 2.0.0 Ok"]),
        # A probe that leaves early has simply not read the rest.
        ("RPL-05", [GREETING, "C: NOOP", "C: NOOP", "S: 250 2.0.0 Ok"]),
        # The greeting and EHLO are exempt (RFC 2034 §4).
        ("RPL-06", [GREETING, *EHLO]),
        ("RPL-06", ["S: 554 mx.example Access denied", "C: QUIT", "S: 221 2.0.0 Bye", *EHLO]),
        ("RPL-07", [GREETING, "C: EHLO x", "S: 250-2.mx.example\r\n250 SIZE"]),
        # RFC 6531 §3.7.4.2: who sends SMTPUTF8 can read UTF-8.
        ("RPL-04", [GREETING, "C: MAIL FROM:<ü@x> SMTPUTF8", "S: 550 5.1.8 ü unknown"]),
    ],
)
def test_what_is_allowed_is_not_held_against_the_relay(rule: str, dialogue: list[str]) -> None:
    """A rule accuses nobody of what the texts allow or a probe provoked."""
    assert verdicts(said(*dialogue))[rule] is not Verdict.NOT_MET


def test_the_last_octets_of_a_cut_connection_are_no_reply() -> None:
    """What the relay had no time to finish is not judged."""
    shown = said(GREETING, "C: NOOP", "S: 250 2.0.0 Ok", "C: NOOP")
    shown.add("S", b"250 2.0", label="partial")
    assert verdicts(shown)["RPL-01"] is Verdict.MET


def test_a_handshake_spoken_by_hand_is_no_reply() -> None:
    """A check that builds its own ClientHello gets TLS records back, not replies."""
    shown = said(
        GREETING, "C: STARTTLS", "S: 220 2.0.0 Go", "C: \x16\x03\x01", "S: \x16\x03\x03\n\x02"
    )
    assert verdicts(shown)["RPL-01"] is Verdict.MET


def test_doubtful_ends_of_data_are_left_to_their_own_checks() -> None:
    """After LF.LF in content nobody can say which reply belongs to what."""
    shown = said(
        *(GREETING, "C: DATA", "S: 354 Go"),
        *("C: Subject: x\r\n\r\na\n.\nNOOP\r\n.", "S: 250 2.0.0 Ok", "S: 250 2.0.0 Ok"),
    )
    assert verdicts(shown)["RPL-05"] is Verdict.MET


def test_a_second_reply_to_one_content_is_counted() -> None:
    """A refusal in the middle of the content and another at its end are two replies."""
    shown = said(
        *(GREETING, "C: DATA", "S: 354 Go", "C: Subject: x\r\n\r\na\r\n."),
        *("S: 552 5.3.4 Too big", "S: 500 5.5.1 What?"),
    )
    assert verdicts(shown)["RPL-05"] is Verdict.NOT_MET


def test_enhanced_status_is_not_claimed_where_it_is_not_offered() -> None:
    """Without the extension there is no promise to break."""
    shown = said(GREETING, "C: EHLO x", "S: 250-mx.example\r\n250 SIZE", "C: RSET", "S: 250 OK")
    assert verdicts(shown)["RPL-06"] is Verdict.NOT_CLAIMED


def test_sessions_without_ehlo_are_judged_by_what_others_were_offered() -> None:
    """HELO sessions count too (RFC 2034 §4), once another one shows that the relay offers it."""
    silent = said(GREETING, "C: HELO x", "S: 250 mx.example", "C: RSET", "S: 250 OK")
    assert verdicts(silent)["RPL-06"] is Verdict.NOT_CLAIMED
    assert verdicts(silent, said(GREETING, *EHLO))["RPL-06"] is Verdict.NOT_MET


def test_clear_and_tls_are_separate_phases() -> None:
    """What is offered inside TLS promises nothing about replies in clear."""
    shown = said(
        *(GREETING, "C: EHLO x", "S: 250-mx.example\r\n250 STARTTLS", "C: STARTTLS"),
        *("S: 220 Go ahead", "TLS", *EHLO, "C: NOOP", "S: 250 2.0.0 Ok"),
    )
    assert verdicts(shown)["RPL-06"] is Verdict.MET


def test_a_run_without_long_or_odd_input_leaves_two_rules_unchecked() -> None:
    """A rule about echoed input is not met by traffic that offered nothing to echo."""
    found = verdicts(said(GREETING, "C: NOOP", "S: 250 2.0.0 Ok"))
    assert found["RPL-03"] is Verdict.UNCHECKED
    assert found["RPL-04"] is Verdict.UNCHECKED


def test_our_own_sink_is_not_judged() -> None:
    """What our sink answers to the relay is not the relay's doing."""
    assert examine(said("S: nonsense", side="sink")) == Examination()


def test_no_traffic_judges_nothing() -> None:
    """Without a single reply every rule is unchecked."""
    assert verdicts() == dict.fromkeys(RULE_IDS, Verdict.UNCHECKED)


def test_a_violation_says_where_and_what() -> None:
    """The evidence names the connection and shows the octets."""
    outcome = judge(examine(said(GREETING, "C: AUTH LOGIN", "S: 334 Username:")))["RPL-08"]
    (violation,) = outcome.violations
    assert violation.where == "client to mx"
    assert violation.observed == "334 Username:\\r\\n"


def test_an_examination_travels_as_json() -> None:
    """A worker's findings arrive unchanged in the process that writes the reports."""
    silent = said(GREETING, "C: HELO x", "S: 250 mx.example", "C: RSET", "S: 250 OK")
    whole = combined([examine(silent), examine(said(*GOOD)), examine(said("S: OK"))])
    assert Examination.from_json(json.loads(json.dumps(whole.to_json()))) == whole
