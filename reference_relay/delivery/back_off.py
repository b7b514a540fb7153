"""Addresses that do not talk are left alone for a while, however much mail waits for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

# One refusal is chance.
_FAILURES = 3
# Shorter than the first retry of any message (D-24), which therefore always gets its try.
_FIRST_SECONDS, _LONGEST_SECONDS = 30.0, 600.0
_ADDRESSES = 10_000


@dataclass(slots=True)
class _Trouble:
    failures: int
    until: float
    reason: str


class BackOff:
    """Counts the sessions in a row that came to nothing, by address."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Know nothing yet.

        Args:
            now: the relay's clock, seconds since the epoch (D-25).
        """
        self._now = now
        self._troubles: dict[str, _Trouble] = {}

    def reason(self, address: str) -> str | None:
        """Return why an address is left alone at the moment, or None if it is not."""
        trouble = self._troubles.get(address)
        if trouble is None or trouble.failures < _FAILURES or trouble.until <= self._now():
            return None
        return trouble.reason

    def failed(self, address: str, reason: str) -> None:
        """Note that no session came about."""
        known = self._troubles.get(address)
        failures = known.failures + 1 if known else 1
        if known is None and len(self._troubles) >= _ADDRESSES:
            self._troubles.clear()
        # The exponent is bounded because 2.0 ** 1024 overflows.
        wait = min(_FIRST_SECONDS * 2.0 ** min(failures - _FAILURES, 16), _LONGEST_SECONDS)
        self._troubles[address] = _Trouble(failures, self._now() + wait, reason)

    def succeeded(self, address: str) -> None:
        """Note that the address talks."""
        self._troubles.pop(address, None)
