"""Queue IDs (D-3)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_relay.queue.queue_id import LENGTH, SHARDS, QueueIdSource


def test_short_and_upper_case() -> None:
    """An ID is 13 upper-case letters and digits without I, L, O and U."""
    queue_id = QueueIdSource(lambda: 1_763_900_000.123456, 7).next()
    assert len(queue_id) == LENGTH == 13
    assert re.fullmatch(r"[0-9A-HJKMNP-TV-Z]+", queue_id)


@given(st.lists(st.floats(-1e6, 4e9), min_size=2, max_size=50))
def test_later_is_greater(times: list[float]) -> None:
    """Each ID of a source is greater than the one before, whatever the clock does."""
    clock: Iterator[float] = iter(times)
    source = QueueIdSource(lambda: next(clock), 3)
    issued = [source.next() for _ in times]
    assert issued == sorted(set(issued))


def test_time_ordered_across_shards() -> None:
    """An ID issued a microsecond later is greater, whichever shard issued it."""
    early = QueueIdSource(lambda: 1000.000001, SHARDS - 1).next()
    late = QueueIdSource(lambda: 1000.000002, 0).next()
    assert early < late


def test_shards_differ() -> None:
    """Two shards never issue the same ID in the same microsecond."""
    assert QueueIdSource(lambda: 1.0, 1).next() != QueueIdSource(lambda: 1.0, 2).next()


def test_restart_with_clock_set_back() -> None:
    """After a restart IDs go on from the latest one although the clock was set back."""
    before = QueueIdSource(lambda: 2000.0, 5).next()
    after = QueueIdSource(lambda: 1000.0, 5, after=before).next()
    assert after > before


@pytest.mark.parametrize("shard", [-1, SHARDS])
def test_shard_out_of_range(shard: int) -> None:
    """A shard that does not fit is refused."""
    with pytest.raises(ValueError, match="shard"):
        QueueIdSource(lambda: 0.0, shard)
