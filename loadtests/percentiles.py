"""A histogram of microseconds that merges without loss and answers percentiles to 0.1 %.

Below 2,048 µs every microsecond has a bucket; above, each doubling is divided into 1,024 buckets,
so a bucket is at most a thousandth of its value wide. (Locust's own statistics round to whole
milliseconds, then to tens of them.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Self

_EXACT_BITS = 11
_HALF = 1 << (_EXACT_BITS - 1)


class Histogram:
    """Counts of durations.

    Attributes:
        count: How many were recorded.
        longest: The longest in µs, exact; 0 if there is none.
    """

    __slots__ = ("_counts", "count", "longest")

    def __init__(self) -> None:
        self._counts: defaultdict[int, int] = defaultdict(int)
        self.count = 0
        self.longest = 0

    def record(self, seconds: float) -> None:
        """Add one duration; a negative one counts as nothing."""
        value = int(seconds * 1e6)
        if value > self.longest:
            self.longest = value
        elif value < 0:
            value = 0
        self.count += 1
        shift = value.bit_length() - _EXACT_BITS
        self._counts[value if shift <= 0 else shift * _HALF + (value >> shift)] += 1

    def percentile(self, percent: float) -> float:
        """The duration in µs that `percent` of all recorded ones do not exceed (nearest rank).

        Raises:
            ValueError: Nothing was recorded, or `percent` is not within 0 and 100.
        """
        if not self.count or not 0 <= percent <= 100:
            raise ValueError(f"no percentile {percent:g} of {self.count} durations")
        # Rounded before it is raised, because 0.95 * 20 is a little more than 19 in floats.
        rank = max(1, -int(-round(percent / 100 * self.count, 6) // 1))
        seen = 0
        for bucket, count in sorted(self._counts.items()):
            seen += count
            if seen >= rank:
                return min(_middle(bucket), float(self.longest))
        raise AssertionError("unreachable: the counts add up to count")

    def above(self, microseconds: int) -> int:
        """How many were longer, to the width of a bucket."""
        return sum(
            count for bucket, count in self._counts.items() if _middle(bucket) > microseconds
        )

    @property
    def total(self) -> float:
        """All durations together in µs, to the width of a bucket."""
        return sum(count * _middle(bucket) for bucket, count in self._counts.items())

    def merge(self, other: Histogram) -> None:
        """Add everything that `other` has counted."""
        for bucket, count in other._counts.items():
            self._counts[bucket] += count
        self.count += other.count
        self.longest = max(self.longest, other.longest)

    def to_json(self) -> dict[str, Any]:
        """Everything it knows, for a file."""
        counts = {str(bucket): count for bucket, count in sorted(self._counts.items())}
        return {"longest": self.longest, "counts": counts}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Self:
        """The histogram that `to_json` described."""
        made = cls()
        made.longest = int(table["longest"])
        for bucket, count in table["counts"].items():
            made._counts[int(bucket)] = int(count)
            made.count += int(count)
        return made

    @classmethod
    def of(cls, durations: Iterable[float]) -> Self:
        """A histogram of these durations in seconds."""
        made = cls()
        for seconds in durations:
            made.record(seconds)
        return made


def _middle(bucket: int) -> float:
    """The value in the middle of a bucket."""
    if bucket < 2 * _HALF:
        return float(bucket)
    shift = bucket // _HALF - 1
    return float(((bucket - shift * _HALF) << shift) + (1 << shift) / 2)
