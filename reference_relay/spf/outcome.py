"""What an evaluation comes to (RFC 7208 §2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Result(Enum):
    """The seven results, as RFC 7208 §2.6 spells them."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - a result
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result and what led to it.

    Attributes:
        result: One of the seven.
        reason: The term that decided, or what is wrong, in words for a person.
        explanation: The domain owner's own words for a fail (§6.2), None without any.
    """

    result: Result
    reason: str
    explanation: str | None = None


class PermanentError(Exception):
    """The published records cannot be interpreted (§2.6.7); the text says why."""


class TemporaryError(Exception):
    """A look-up got no answer, for now (§2.6.6); the text says which."""
