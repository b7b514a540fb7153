"""What the queue counts: plain numbers, written by the commit thread, read by anybody."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field


class Histogram:
    """How often a value fell into each of some ranges.

    Attributes:
        bounds: Upper bounds of the ranges, ascending, themselves included; one more is open.
        counts: For each range.
        total: Sum of all values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, *bounds: float) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count a value in."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


def _batches() -> Histogram:
    # The journal's batches end at 256.
    return Histogram(1, 2, 4, 8, 16, 32, 64, 128, 256)


def _seconds() -> Histogram:
    # From a disk with a cache of its own to one in trouble.
    return Histogram(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5)


@dataclass(frozen=True, slots=True)
class QueueCounters:
    """Since the queue was opened.

    Attributes:
        batch_messages: Messages that became durable with one sync.
        commit_seconds: What each such transaction took, sync included.
    """

    batch_messages: Histogram = field(default_factory=_batches)
    commit_seconds: Histogram = field(default_factory=_seconds)
