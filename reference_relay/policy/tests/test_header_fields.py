"""Fields that may appear once, and Date."""

from __future__ import annotations

import pytest

from reference_relay.mail.content import fields
from reference_relay.policy.header_fields import judge_single_fields


@pytest.mark.parametrize(
    "name",
    [
        b"Date",
        b"From",
        b"Sender",
        b"Reply-To",
        b"To",
        b"Cc",
        b"Message-ID",
        b"In-Reply-To",
        b"References",
        b"Subject",
    ],
)
def test_a_repeated_single_field_is_refused(name: bytes) -> None:
    """SUB-05, SUB-03: the first must not be checked and the last displayed."""
    value = b": Mon, 24 Nov 2025 10:00:00 +0000\r\n"
    refusal = judge_single_fields(fields(name + value + b"X: y\r\n" + name.upper() + value))
    assert refusal is not None
    assert (refusal.code, refusal.enhanced) == (554, "5.6.0")


def test_fields_that_may_repeat_may_repeat() -> None:
    """SUB-05: trace, Resent-, Comments, Keywords and optional fields have no limit."""
    header = b"Received: x\r\nComments: x\r\nKeywords: x\r\nResent-To: b@example.net\r\nX-A: 1\r\n"
    assert judge_single_fields(fields(header + header)) is None


@pytest.mark.parametrize("value", [b"yesterday", b"", b"Mon, 31 Nov 2025 10:00:00 +0000"])
def test_an_invalid_date_is_refused(value: bytes) -> None:
    """SUB-03: the time of writing is not guessed."""
    refusal = judge_single_fields(fields(b"Date: " + value + b"\r\n"))
    assert refusal is not None
    assert (refusal.code, refusal.enhanced) == (554, "5.6.0")


def test_a_missing_or_folded_date_is_no_reason() -> None:
    """SUB-03: a missing one is added later, a folded one is a date."""
    assert judge_single_fields(fields(b"Subject: x\r\n")) is None
    assert judge_single_fields(fields(b"Date: Mon, 24 Nov 2025\r\n 10:00:00 +0000\r\n")) is None
