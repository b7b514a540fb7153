"""The words that checks judge with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.judgement import (
    NotMet,
    answers,
    must,
    must_reply,
    octets_of,
    octets_shown,
    remark,
    remark_unless,
    shown,
    taking_notes,
)
from fixtures.reply import Reply, take_reply


def reply(octets: bytes) -> Reply:
    """Parse a reply that a test wrote down."""
    parsed = take_reply(bytearray(octets))
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(
    ("octets", "wanted", "fits"),
    [
        (b"250 2.0.0 Ok\r\n", "250", True),
        (b"251 2.0.0 Ok\r\n", "250", False),
        (b"251 2.0.0 Ok\r\n", "2yz", True),
        (b"251 2.0.0 Ok\r\n", "25z", True),
        (b"221 2.0.0 Ok\r\n", "25z", False),
        (b"503 5.5.1 No\r\n", ("530", "503"), True),
        (b"550 5.7.1 No\r\n", "550 5.7.1", True),
        (b"550 5.7.0 No\r\n", "550 5.7.1", False),
        (b"550 No\r\n", "550 5.7.1", False),
        (b"451 4.3.0 Later\r\n", "5yz", False),
    ],
)
def test_forms_of_wanted_replies(octets: bytes, wanted: str | tuple[str, ...], fits: bool) -> None:
    """A wanted reply is a code, a first digit, a code with enhanced status, or several."""
    assert answers(reply(octets), wanted) is fits


def test_an_impossible_form_is_a_mistake_of_the_check() -> None:
    """A misspelt form must not make a check that can never fail, or never pass."""
    with pytest.raises(ValueError, match="no form of a reply"):
        answers(reply(b"250 Ok\r\n"), "25O")


def test_must_reply_hands_the_reply_back() -> None:
    """A check can go on with the reply it demanded."""
    ok = reply(b"250 2.0.0 Ok\r\n")
    assert must_reply(ok, "2yz") is ok


def test_not_met_keeps_expected_and_observed_apart() -> None:
    """The report shows what was due and what came, octet by octet."""
    with pytest.raises(NotMet) as caught:
        must_reply(reply(b"250 2.1.0 Ok\r\n"), ("530", "503"), because="no AUTH yet")
    assert caught.value.expected == "530 or 503 (no AUTH yet)"
    assert caught.value.observed == "250 2.1.0 Ok\\r\\n"


def test_must_is_silent_when_the_condition_holds() -> None:
    """Nothing happens when all is well."""
    must(True, expected="anything")


def test_remarks_are_collected_for_the_running_check() -> None:
    """A remark belongs to the check that made it, and to no other."""
    remark("outside")
    with taking_notes() as notes:
        remark("one")
        remark_unless(reply(b"550 5.7.0 No\r\n"), "550 5.7.1", "the registry")
        remark_unless(reply(b"550 5.7.1 No\r\n"), "550 5.7.1")
    remark("outside again")
    assert notes.remarks[0] == "one"
    assert len(notes.remarks) == 2
    assert "550 5.7.1 (the registry)" in notes.remarks[1]


def test_what_holds_is_noted_as_evidence() -> None:
    """A requirement that is met shows what was expected and what came."""
    with taking_notes() as notes:
        must(True, expected="one reply", observed=b"250 Ok\r\n")
        must_reply(reply(b"250 2.0.0 Ok\r\n"), "2yz")
    assert notes.held == [("one reply", "250 Ok\\r\\n"), ("2yz", "250 2.0.0 Ok\\r\\n")]


@given(st.binary())
def test_shown_octets_lose_nothing(octets: bytes) -> None:
    """What a report shows can be read back to the octet."""
    assert octets_of(octets_shown(octets)) == octets


@given(st.binary())
def test_shown_octets_are_printable_ascii(octets: bytes) -> None:
    """No octet of a peer can move the cursor or break out of a line."""
    text = octets_shown(octets)
    assert text.isascii()
    assert text.isprintable() or not text


def test_shown_takes_replies_octets_and_texts() -> None:
    """Whatever a check observed becomes one line."""
    assert shown(b"\x00a\r\n") == "\\x00a\\r\\n"
    assert shown(reply(b"250 Ok\r\n")) == "250 Ok\\r\\n"
    assert shown(3) == "3"
