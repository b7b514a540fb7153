"""Values of a zone table: what they must be, and what is said when they are not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fake_dns.zone_error import ZoneError


def as_table(value: object, place: str, allowed: tuple[str, ...] | None) -> Mapping[str, Any]:
    """Take a value for a table with these keys; None allows any.

    Raises:
        ZoneError: It is none, or has a key that is not allowed.
    """
    if not isinstance(value, Mapping):
        raise wrong_type(place, value, "a table")
    for key in value:
        if not isinstance(key, str):
            raise wrong_type(place, key, "names as keys")
        if allowed is not None and key not in allowed:
            prefix = "" if place == "zone" else f"{place}."
            raise ZoneError(f"{prefix}{key}: unknown key; expected one of {', '.join(allowed)}")
    return value


def as_whole_number(value: object, place: str, maximum: int) -> int:
    """Take a value for a whole number from 0.

    Raises:
        ZoneError: It is none or beyond the maximum.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= maximum:
        raise wrong_type(place, value, f"a whole number from 0 to {maximum}")
    return value


def as_switch(value: object, place: str) -> bool:
    """Take a value for true or false.

    Raises:
        ZoneError: It is neither.
    """
    if not isinstance(value, bool):
        raise wrong_type(place, value, "true or false")
    return value


def wrong_type(place: str, value: object, expected: str) -> ZoneError:
    """Say where a value stands, what it is and what was expected."""
    shown = repr(value)
    return ZoneError(
        f"{place}: {shown if len(shown) <= 80 else shown[:60] + '…'}; expected {expected}"
    )
