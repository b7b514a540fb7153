"""The retry schedule (D-24)."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from reference_relay.queue.retry import RetrySchedule

HOUR = 3600.0
DAY = 24 * HOUR


def attempts_of(schedule: RetrySchedule) -> list[float]:
    """Return the times of all attempts of a message accepted at 0 that never gets through."""
    times = [0.0]
    while (due := schedule.next_attempt(0.0, len(times), times[-1])) is not None:
        times.append(due)
    return times


def test_default_schedule() -> None:
    """30 minutes, doubling to 4 hours, the last attempt exactly at 5 days."""
    times = attempts_of(RetrySchedule())
    assert times[:6] == [0, 0.5 * HOUR, 1.5 * HOUR, 3.5 * HOUR, 7.5 * HOUR, 11.5 * HOUR]
    assert times[-1] == 5 * DAY


@given(first=st.floats(1, 1e5), growth=st.floats(1, 100), limit=st.floats(1, 2000))
def test_delays_never_shrink(first: float, growth: float, limit: float) -> None:
    """Delays grow monotonically, never fall below the first one, and the series ends."""
    schedule = RetrySchedule(first, first * growth, first * limit)
    times = attempts_of(schedule)
    delays = [late - early for early, late in pairwise(times)]
    assert all(delay >= first * 0.999 for delay in delays)
    assert all(late >= early * 0.999 for early, late in pairwise(delays))


def test_clock_jump() -> None:
    """An attempt that fails after the give-up time is the last, however few there were."""
    schedule = RetrySchedule()
    assert schedule.next_attempt(0.0, 1, 5 * DAY) is None
    assert schedule.next_attempt(0.0, 1, 5 * DAY - 1) is not None
