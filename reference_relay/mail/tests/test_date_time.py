"""Reading and writing RFC 5322 date-times."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_relay.mail import date_time


def test_an_instant_is_written_in_utc() -> None:
    """RLY-02: four-digit year, English names, numeric zone."""
    assert date_time.written(0.0) == "Thu, 01 Jan 1970 00:00:00 +0000"
    assert date_time.written(1763980205.9) == "Mon, 24 Nov 2025 10:30:05 +0000"


@pytest.mark.parametrize(
    "value",
    [
        b"Mon, 24 Nov 2025 10:00:00 +0000",
        b"24 nov 2025 10:00 -0330",
        b"Mon,24 Nov 2025 10:00:60 +0000 (UTC)",
        b"Mon, 4 Nov 2025 10:00:00 GMT",
        b"Thu, 29 Feb 2024 00:00:00 +1400",
    ],
)
def test_dates_everybody_can_read_are_valid(value: bytes) -> None:
    """SUB-03: a valid client Date must not be refused."""
    assert date_time.is_valid(value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"yesterday",
        b"2025-11-24T10:00:00Z",
        b"Mon, 24 Nov 25 10:00:00 +0000",
        b"Mon, 31 Nov 2025 10:00:00 +0000",
        b"Sat, 29 Feb 2025 10:00:00 +0000",
        b"Mon, 0 Nov 2025 10:00:00 +0000",
        b"Mon, 24 Nov 2025 24:00:00 +0000",
        b"Mon, 24 Nov 2025 10:00:00",
        b"Mon, 24 Nov 2025 10:00:00 +0000, again",
        b"Mon, 29 Feb 0000 10:00:00 +0000",
    ],
)
def test_what_is_no_date_is_invalid(value: bytes) -> None:
    """SUB-03: neither prose nor a day that does not exist is a date-time."""
    assert not date_time.is_valid(value)


@settings(derandomize=True, max_examples=100)
@given(st.integers(min_value=0, max_value=4_000_000_000))
def test_what_is_written_is_valid(timestamp: int) -> None:
    """The relay's own dates pass its own rule."""
    assert date_time.is_valid(date_time.written(timestamp).encode("ascii"))


@settings(derandomize=True, max_examples=300)
@given(st.binary(max_size=60))
def test_no_octets_make_it_raise(value: bytes) -> None:
    """A Date is a client's; it may be anything."""
    date_time.is_valid(value)
