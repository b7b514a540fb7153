"""Arrival schedules: when each message is to begin, decided before the run.

Users arrive whether or not the service has answered the others; a generator that waits for replies
hides exactly the stalls it should show. Every moment comes from a unit stream (evenly spaced, or
Poisson with a seed), bent by the wanted rate, so that any number of generator processes share one
schedule: process i of n takes every n-th moment, and all of them together follow it exactly.
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Self

# 80, 100 and 120 % of a claim (SPECmail2001 reports its load at these three).
LEVELS = (0.8, 1.0, 1.2)
_MOST_PER_SECOND = 1e6
_EXPECTED = (
    "constant:RATE, poisson:RATE, steps:RATE,RATE,…, ramp:FROM-TO, levels:RATE or trace:FILE.csv"
)


class BadSchedule(ValueError):
    """No schedule can be made of it; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of time whose rate changes evenly.

    Attributes:
        seconds: How long it lasts.
        begins_at: Messages per second at its begin.
        ends_at: Messages per second at its end.
    """

    seconds: float
    begins_at: float
    ends_at: float

    @property
    def count(self) -> float:
        """How many messages are expected in it."""
        return self.seconds * (self.begins_at + self.ends_at) / 2

    def moment(self, arrived: float) -> float:
        """When so many messages are due, in seconds from its begin (the inverse of the area)."""
        slope = (self.ends_at - self.begins_at) / self.seconds
        if abs(slope) < 1e-12:
            return arrived / self.begins_at
        root = math.sqrt(max(self.begins_at**2 + 2 * slope * arrived, 0.0))
        return (root - self.begins_at) / slope


@dataclass(frozen=True, slots=True)
class Schedule:
    """When messages begin.

    Attributes:
        segments: The wanted rate over time; empty for a trace.
        is_poisson: Whether arrivals are independent of each other, as those of many people are.
        seed: Of the Poisson stream; the same seed gives the same moments.
        trace: Moments in seconds from the begin, ascending, instead of segments.
        text: How it was asked for.
    """

    segments: tuple[Segment, ...] = ()
    is_poisson: bool = False
    seed: int = 1
    trace: tuple[float, ...] = field(default=(), repr=False)
    text: str = ""

    @property
    def seconds(self) -> float:
        """How long messages are begun."""
        if self.trace:
            return self.trace[-1]
        return sum(one.seconds for one in self.segments)

    @property
    def expected(self) -> float:
        """How many messages it asks for; with Poisson arrivals on average."""
        return len(self.trace) or sum(one.count for one in self.segments)

    @property
    def peak(self) -> float:
        """The highest rate it asks for, messages per second; of a trace the busiest second."""
        if self.trace:
            busiest: dict[int, int] = {}
            for moment in self.trace:
                busiest[int(moment)] = busiest.get(int(moment), 0) + 1
            return max(busiest.values())
        return max(max(one.begins_at, one.ends_at) for one in self.segments)

    def moments(self, share: int = 0, shares: int = 1) -> Iterator[float]:
        """The moments of one process, in seconds from the begin, ascending.

        Args:
            share: Number of the process, from 0.
            shares: How many processes there are.
        """
        return islice(self._all(), share, None, shares)

    def _all(self) -> Iterator[float]:
        if self.trace:
            yield from self.trace
            return
        stream = self._unit_stream()
        arrived, begun, before = next(stream), 0.0, 0.0
        for segment in self.segments:
            until = before + segment.count
            while arrived < until:
                yield begun + segment.moment(arrived - before)
                arrived = next(stream)
            begun, before = begun + segment.seconds, until

    def _unit_stream(self) -> Iterator[float]:
        if not self.is_poisson:
            number = 0.5
            while True:
                yield number
                number += 1.0
        chance, position = random.Random(self.seed), 0.0
        while True:
            position += chance.expovariate(1.0)
            yield position

    def to_json(self) -> dict[str, Any]:
        """Everything it knows."""
        return {
            "segments": [[one.seconds, one.begins_at, one.ends_at] for one in self.segments],
            "is_poisson": self.is_poisson,
            "seed": self.seed,
            "trace": list(self.trace),
            "text": self.text,
        }

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Self:
        """The schedule that `to_json` described."""
        segments = tuple(Segment(*one) for one in table["segments"])
        rest = {name: table[name] for name in ("is_poisson", "seed", "text")}
        return cls(segments=segments, trace=tuple(table["trace"]), **rest)

    @classmethod
    def constant(cls, rate: float, seconds: float, *, poisson: bool = False, seed: int = 1) -> Self:
        """One rate all the time."""
        kind = "poisson" if poisson else "constant"
        return cls((Segment(seconds, rate, rate),), poisson, seed, text=f"{kind}:{rate:g}")

    @classmethod
    def parse(cls, text: str, seconds: float, seed: int = 1) -> Self:
        """Read what the command line says.

        Args:
            text: As the message of `BadSchedule` lists.
            seconds: How long all of it lasts; a trace lasts as long as it does.
            seed: Of Poisson arrivals.

        Raises:
            BadSchedule: It is none of these, or a rate is not within 0 and a million a second.
        """
        kind, _, rest = text.partition(":")
        match kind:
            case "constant" | "poisson":
                rates = [(_rate(rest, text),) * 2]
            case "steps":
                rates = [(_rate(one, text),) * 2 for one in rest.split(",")]
            case "levels":
                rates = [(_rate(rest, text) * level,) * 2 for level in LEVELS]
            case "ramp":
                first, _, last = rest.partition("-")
                rates = [(_rate(first, text), _rate(last, text))]
            case "trace":
                return cls(trace=_trace(Path(rest)), text=text)
            case _:
                raise BadSchedule(f"no schedule {text!r}; expected {_EXPECTED}")
        each = seconds / len(rates)
        segments = tuple(Segment(each, begins, ends) for begins, ends in rates)
        return cls(segments, kind in ("poisson", "levels"), seed, text=text)


def _rate(text: str, whole: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate <= _MOST_PER_SECOND:
        raise BadSchedule(f"{whole!r}: a rate above 0 and up to 1e6 a second, not {text!r}")
    return rate


def _trace(path: Path) -> tuple[float, ...]:
    """The first column of a CSV file, in seconds; a heading and absolute times are fine."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise BadSchedule(f"{path}: {reason}") from None
    moments: list[float] = []
    for number, row in enumerate(rows, 1):
        try:
            moment = float(row[0])
        except ValueError:
            if number == 1:
                continue
            moment = math.nan
        if not math.isfinite(moment) or (moments and moment < moments[-1]):
            raise BadSchedule(
                f"{path}, row {number}: seconds, not less than the row before, not {row[0]!r}"
            )
        moments.append(moment)
    if not moments:
        raise BadSchedule(f"{path}: no moments; the first column holds seconds")
    return tuple(moment - moments[0] for moment in moments)
