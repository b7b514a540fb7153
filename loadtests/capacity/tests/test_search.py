from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from loadtests.capacity.search import Interval, Search, Verdict


def searched(capacity: float, start: float, noise: float = 0.0, seed: int = 1) -> Search:
    """Search a service whose capacity is known; noise moves it from trial to trial."""
    chance = random.Random(seed)
    search = Search(start, most_trials=60)
    while (ask := search.ask()) is not None:
        here = capacity * (1 + chance.uniform(-noise, noise))
        search.tell(Verdict.MET if ask.rate <= here else Verdict.NOT_MET)
    return search


@given(capacity=st.floats(20, 50_000), start=st.floats(5, 100_000))
def test_the_interval_holds_the_capacity_and_is_as_narrow_as_was_asked(
    capacity: float, start: float
) -> None:
    """Whatever the first guess: low <= capacity < high, a tenth apart, both confirmed."""
    search = searched(capacity, start)
    interval = search.interval
    assert search.is_confirmed
    assert interval.high is not None
    assert interval.low <= capacity < interval.high
    assert interval.high / interval.low <= 1.1001


@given(seed=st.integers(0, 400))
def test_a_noisy_service_gives_an_interval_near_its_capacity(seed: int) -> None:
    """A capacity that moves by 5 % from trial to trial is found within 15 %."""
    search = searched(1000, 300, noise=0.05, seed=seed)
    interval = search.interval
    assert interval.low > 800
    assert interval.high is not None
    assert interval.high < 1200


def test_a_rate_counts_only_after_all_of_its_confirmations() -> None:
    """Short trials close in; the lower end has passed the long ones."""
    search = Search(100, repeats=3)
    confirmations = []
    while (ask := search.ask()) is not None:
        if ask.is_confirmation:
            confirmations.append(ask.rate)
        search.tell(Verdict.MET if ask.rate <= 150 else Verdict.NOT_MET)
    assert confirmations.count(search.interval.low) == 3


def test_a_confirmation_that_fails_moves_the_interval_down() -> None:
    """Short trials passed at 1000 by chance; the long ones know better."""
    search = Search(400)
    while (ask := search.ask()) is not None:
        limit = 800 if ask.is_confirmation else 1000
        search.tell(Verdict.MET if ask.rate <= limit else Verdict.NOT_MET)
    assert search.interval.low <= 800
    assert search.interval.high is not None
    assert search.interval.high <= 1000


def test_when_the_generator_is_the_limit_the_claim_is_at_least() -> None:
    """No upper end is claimed that was not the service's own."""
    search = Search(100)
    while (ask := search.ask()) is not None:
        search.tell(Verdict.MET if ask.rate < 700 else Verdict.INSTRUMENT)
    assert search.interval.high is None
    assert 300 < search.interval.low < 700
    assert str(search.interval).startswith("at least")


def test_the_calibrated_rate_is_never_exceeded() -> None:
    """A generator that may be asked for 500 is not asked for more."""
    search = Search(100, most_rate=500)
    asked = []
    while (ask := search.ask()) is not None:
        asked.append(ask.rate)
        search.tell(Verdict.MET)
    assert max(asked) <= 500
    assert search.interval == Interval(500, None)


def test_a_service_that_meets_nothing_has_no_capacity() -> None:
    """The search ends and claims nothing."""
    search = Search(100)
    while search.ask() is not None:
        search.tell(Verdict.NOT_MET)
    assert search.interval.low == 0.0


def test_intervals_overlap_or_do_not() -> None:
    """An open end reaches everything above it."""
    assert Interval(100, 110).overlaps(Interval(105, 120))
    assert not Interval(100, 110).overlaps(Interval(111, 120))
    assert Interval(100, None).overlaps(Interval(500, 550))
    assert not Interval(600, None).overlaps(Interval(500, 550))
