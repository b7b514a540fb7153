from __future__ import annotations

from heapq import merge
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.schedule import BadSchedule, Schedule

RATES = st.floats(1, 500)
SECONDS = st.floats(0.5, 8)


def parsed(text: str, seconds: float = 10.0) -> Schedule:
    return Schedule.parse(text, seconds)


@given(rate=RATES, seconds=SECONDS)
def test_a_constant_rate_is_even(rate: float, seconds: float) -> None:
    """As many messages as rate times time, all at the same distance."""
    moments = list(Schedule.constant(rate, seconds).moments())
    assert abs(len(moments) - rate * seconds) <= 1
    gaps = [after - before for before, after in pairwise(moments)]
    assert all(abs(gap - 1 / rate) < 1e-6 for gap in gaps)


@given(
    text=st.sampled_from(["constant:80", "poisson:120", "ramp:10-90", "steps:20,80", "levels:60"]),
    shares=st.integers(1, 7),
)
def test_any_number_of_workers_follows_the_same_schedule(text: str, shares: int) -> None:
    """All shares together are the whole, moment for moment, and each is in order."""
    schedule = parsed(text, 3.0)
    parts = [list(schedule.moments(number, shares)) for number in range(shares)]
    assert list(merge(*parts)) == list(schedule.moments())
    assert Schedule.from_json(schedule.to_json()) == schedule


def test_the_same_seed_gives_the_same_arrivals_and_another_seed_others() -> None:
    """What was decided before the run can be decided again."""
    first, again, other = (Schedule.parse("poisson:100", 5, seed) for seed in (3, 3, 4))
    assert list(first.moments()) == list(again.moments())
    assert list(first.moments()) != list(other.moments())


def test_poisson_arrivals_vary_as_independent_people_do() -> None:
    """In a second as many as the rate on average, with a variance equal to it."""
    counts = [0] * 400
    for moment in Schedule.parse("poisson:50", 400).moments():
        counts[int(moment)] += 1
    mean = sum(counts) / len(counts)
    variance = sum((count - mean) ** 2 for count in counts) / len(counts)
    assert 48 < mean < 52
    assert 0.8 < variance / mean < 1.25


def test_levels_are_80_100_and_120_percent() -> None:
    """A third of the time each."""
    schedule = parsed("levels:1000", 30)
    moments = list(schedule.moments())
    counts = [sum(10 * part <= one < 10 * (part + 1) for one in moments) for part in range(3)]
    assert [round(count / 1000) for count in counts] == [8, 10, 12]
    assert schedule.peak == 1200


def test_a_ramp_reaches_its_end_rate() -> None:
    """The last second of a ramp from 10 to 100 has ten times the first one's arrivals."""
    moments = list(parsed("ramp:10-100", 20).moments())
    assert len(moments) == pytest.approx(1100, abs=1)
    first, last = sum(one < 1 for one in moments), sum(one >= 19 for one in moments)
    assert first == pytest.approx(12, abs=1)
    assert last == pytest.approx(98, abs=1)


def test_a_trace_is_replayed_from_its_first_moment(tmp_path: Path) -> None:
    """Absolute times and a heading are fine, other columns are left alone."""
    file = tmp_path / "trace.csv"
    file.write_text("at,size\n1700000000.5,1\n1700000001,2\n1700000001,9\n", encoding="utf-8")
    schedule = parsed(f"trace:{file}")
    assert list(schedule.moments()) == [0.0, 0.5, 0.5]
    assert (schedule.expected, schedule.seconds, schedule.peak) == (3, 0.5, 3)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("often", "constant:RATE"),
        ("constant:0", "above 0"),
        ("poisson:nan", "above 0"),
        ("ramp:5", "above 0"),
        ("steps:1,,2", "above 0"),
        ("constant:1e9", "1e6"),
        ("trace:missing.csv", "missing.csv"),
    ],
)
def test_what_is_no_schedule_is_one_message(text: str, wanted: str) -> None:
    """It says what was expected."""
    with pytest.raises(BadSchedule, match=wanted):
        parsed(text)


@pytest.mark.parametrize("rows", ["", "at\n", "1\n0.5\n", "1\nsoon\n", "1\ninf\n"])
def test_a_trace_that_is_none_names_the_row(rows: str, tmp_path: Path) -> None:
    """Empty, running backwards, or no number."""
    (tmp_path / "t.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(BadSchedule, match=r"row 2|no moments"):
        parsed(f"trace:{tmp_path / 't.csv'}")
