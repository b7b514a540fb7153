"""Queue IDs: short, upper-case, time-ordered, unique across restarts and shards (D-3)."""

from __future__ import annotations

from collections.abc import Callable

# Crockford's base 32: no I, L, O or U to misread; in ASCII order, so text order is time order.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_FIGURES = frozenset(ALPHABET)
# Ten bits of a number at a time: one is written for every message.
_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)
# 11 digits hold 55 bits of microseconds: until the year 3111.
_TIME_DIGITS = 11
# 2 digits for whoever issues: workers and nodes that share one service.
_SHARD_DIGITS = 2
SHARDS = len(ALPHABET) ** _SHARD_DIGITS
LENGTH = _TIME_DIGITS + _SHARD_DIGITS


class QueueIdSource:
    """Issues the queue IDs of one shard: microseconds of the clock, then the shard."""

    def __init__(self, now: Callable[[], float], shard: int, after: str | None = None) -> None:
        """Start issuing.

        Args:
            now: the clock, seconds since the epoch.
            shard: the number of this issuer, 0 to 1023, no two alike in one service.
            after: an ID issued before the restart (`Queue.last_queue_id`).
                Every new one is later, even when the clock was set back in between.

        Raises:
            ValueError: the shard is out of range or `after` is no queue ID.
        """
        if not 0 <= shard < SHARDS:
            raise ValueError(f"a shard is a number from 0 to {SHARDS - 1}, not {shard}")
        self._now = now
        self._suffix = _digits(shard, _SHARD_DIGITS)
        self._last = _number(after[:_TIME_DIGITS]) if after else -1

    def next(self) -> str:
        """Return an ID greater than every one before it."""
        # A clock that stands still or goes back is overtaken by counting on.
        self._last = max(self._last + 1, int(self._now() * 1_000_000), 0)
        return _time_digits(self._last) + self._suffix


def shard_of(queue_id: str) -> int | None:
    """Return the shard that issued a queue ID; None if it is no queue ID."""
    if len(queue_id) != LENGTH or not set(queue_id) <= _FIGURES:
        return None
    return _number(queue_id[_TIME_DIGITS:])


def _digits(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 32)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def _time_digits(number: int) -> str:
    return (
        ALPHABET[number >> 50 & 31]
        + _PAIRS[number >> 40 & 1023]
        + _PAIRS[number >> 30 & 1023]
        + _PAIRS[number >> 20 & 1023]
        + _PAIRS[number >> 10 & 1023]
        + _PAIRS[number & 1023]
    )


def _number(digits: str) -> int:
    number = 0
    for digit in digits:
        number = number * 32 + ALPHABET.index(digit)
    return number
