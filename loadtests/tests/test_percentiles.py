from __future__ import annotations

import json
import math
import random

import pytest

from loadtests.percentiles import Histogram


def nearest_rank(values: list[float], percent: float) -> float:
    ordered = sorted(values)
    return ordered[max(1, math.ceil(round(percent / 100 * len(ordered), 6))) - 1]


@pytest.mark.parametrize("percent", [0.0, 1.0, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0])
def test_percentiles_are_right_to_a_thousandth(percent: float) -> None:
    """Against the raw values, from microseconds to minutes, the error is at most 0.1 %."""
    source = random.Random(7)
    values = [10 ** source.uniform(-5, 2) for _ in range(5000)]
    found = Histogram.of(values).percentile(percent)
    wanted = nearest_rank(values, percent) * 1e6
    assert found == pytest.approx(wanted, rel=0.001, abs=1.0)


def test_below_two_milliseconds_every_microsecond_counts() -> None:
    """Short durations are kept exactly."""
    histogram = Histogram.of(number * 1e-6 + 1e-9 for number in range(1, 2048))
    for percent in (10, 50, 90):
        assert histogram.percentile(percent) == math.ceil(2047 * percent / 100)


def test_p95_of_twenty_is_the_nineteenth() -> None:
    """A percentage that floats cannot hold exactly does not move the rank."""
    histogram = Histogram.of(number * 1e-3 for number in range(1, 21))
    assert histogram.percentile(95) == pytest.approx(19_000, rel=0.001)


def test_no_percentile_exceeds_the_longest() -> None:
    """p99 and p100 stay at or below the exact maximum, which is reported unrounded."""
    histogram = Histogram.of([1.234567, 0.1])
    assert histogram.longest == 1_234_567
    assert histogram.percentile(100) <= histogram.longest


def test_merging_loses_nothing() -> None:
    """Two halves merged, over a file or not, equal the whole."""
    source = random.Random(8)
    values = [source.expovariate(50) for _ in range(2000)]
    first, second = Histogram.of(values[:700]), Histogram.of(values[700:])
    first.merge(Histogram.from_json(json.loads(json.dumps(second.to_json()))))
    assert first.to_json() == Histogram.of(values).to_json()
    assert first.count == len(values)


def test_an_empty_histogram_has_no_percentile() -> None:
    """It says so instead of inventing a zero."""
    with pytest.raises(ValueError, match="no percentile"):
        Histogram().percentile(50)


def test_a_clock_that_goes_back_does_no_harm() -> None:
    """A negative duration counts as nothing."""
    histogram = Histogram.of([-1.0])
    assert (histogram.count, histogram.longest, histogram.percentile(50)) == (1, 0, 0.0)
