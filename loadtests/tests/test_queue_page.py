"""The page about the queue says what was measured, and what was missed."""

from __future__ import annotations

from loadtests.queue.__main__ import page
from loadtests.queue.paths import Way

RECOVERY = {
    "messages": 10,
    "opened_seconds": 0.5,
    "first_seconds": 1.0,
    "all_seconds": 31.0,
    "delivery_seconds": 2.0,
    "memory_octets": 5e6,
}


def ways(**costs: float) -> dict[str, list[Way]]:
    return {name: [Way(1000, cost / 1000, 2.0)] for name, cost in costs.items()}


def test_missed_targets_are_told() -> None:
    """A ratio above the target, or a recovery that takes too long, stands there as missed."""
    text = page(ways(group=50, single=100, log=45), RECOVERY, 1000, 1)
    assert "| group commit against one sync per message, CPU | 0.50 | 0.40 | no |" in text
    assert "| recovery: all claimed | 31.0 s | 30 s | no |" in text
    assert "| recovery: first message claimed | 1.0 s | 5 s | yes |" in text


def test_the_log_has_to_be_a_quarter_cheaper() -> None:
    """The verdict on the log follows from its share of the whole way."""
    assert "So SQLite stays" in page(ways(group=100, single=300, log=76), RECOVERY, 1000, 1)
    assert "should replace" in page(ways(group=100, single=300, log=74), RECOVERY, 1000, 1)
