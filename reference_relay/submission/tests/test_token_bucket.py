"""Token buckets, by a clock that the test moves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_relay.submission.token_bucket import TokenBucket, TokenBuckets


def test_the_whole_allowance_may_be_used_at_once() -> None:
    """As many as the bucket holds go through, the next one has to wait for one token to flow in."""
    bucket = TokenBucket(5, 100.0)
    assert [bucket.take(5, 60.0, 100.0) for _ in range(5)] == [0.0] * 5
    assert bucket.take(5, 60.0, 100.0) == pytest.approx(12.0)
    assert bucket.take(5, 60.0, 106.0) == pytest.approx(6.0)
    assert bucket.take(5, 60.0, 112.1) == 0.0
    assert bucket.take(5, 60.0, 112.1) > 0


def test_a_rest_fills_it_and_no_more() -> None:
    """After any rest there is one allowance, not several."""
    bucket = TokenBucket(2, 0.0)
    assert [bucket.take(2, 60.0, 1e6) == 0.0 for _ in range(3)] == [True, True, False]


def test_a_clock_that_was_set_back_gives_nothing_and_breaks_nothing() -> None:
    """Time that runs backwards counts as time that stands still."""
    bucket = TokenBucket(1, 100.0)
    assert bucket.take(1, 60.0, 100.0) == 0.0
    assert bucket.take(1, 60.0, 40.0) == pytest.approx(60.0)
    assert bucket.take(1, 60.0, 100.5) == 0.0


def test_keys_do_not_share() -> None:
    """One key's use is nothing to another."""
    buckets = TokenBuckets()
    assert buckets.take("a", 1, 60.0, 0.0) == 0.0
    assert buckets.take("a", 1, 60.0, 0.0) > 0
    assert buckets.take("b", 1, 60.0, 0.0) == 0.0


def test_memory_is_bounded() -> None:
    """The keys that were quiet longest are forgotten."""
    buckets = TokenBuckets(keys=3)
    for key in "abcad":
        buckets.take(key, 1, 60.0, 0.0)
    assert len(buckets) == 3
    assert buckets.take("a", 1, 60.0, 0.0) > 0
    assert buckets.take("b", 1, 60.0, 0.0) == 0.0


@given(
    st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=200),
    st.integers(1, 20),
    st.floats(1, 3600),
)
def test_no_window_ever_passes_more_than_two_allowances(
    pauses: list[float], capacity: int, window: float
) -> None:
    """Whatever the rhythm, what passes in any window is the burst and what flowed in."""
    bucket = TokenBucket(capacity, 0.0)
    now, passed = 0.0, []
    for pause in pauses:
        now += pause
        if bucket.take(capacity, window, now) == 0.0:
            passed.append(now)
    for first in passed:
        inside = [at for at in passed if first <= at <= first + window]
        assert len(inside) <= 2 * capacity
