"""How long a place stays empty."""

from __future__ import annotations

from reference_relay.supervision.back_off import BackOff


def test_it_doubles_up_to_ten_seconds() -> None:
    """A worker that cannot live is tried again ever more rarely, but never given up."""
    back_off = BackOff()
    waits = [back_off.seconds(lived_seconds=0.5) for _ in range(10)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-2:] == [10.0, 10.0]


def test_a_long_life_clears_it() -> None:
    """A crash after a day is not punished for those of the day before."""
    back_off = BackOff()
    for _ in range(10):
        back_off.seconds(lived_seconds=0.5)
    assert back_off.seconds(lived_seconds=86400) == 0.1
    assert back_off.seconds(lived_seconds=0.5) == 0.2
