"""The one clock: it runs on, it is moved, and whoever waits for it wakes."""

from __future__ import annotations

import asyncio

import pytest

from reference_relay.clock import LATEST, Clock

HOUR = 3600.0


def test_the_systems_clock_is_not_moved() -> None:
    """Only a virtual clock takes a step."""
    clock = Clock(lambda: 100.0)
    with pytest.raises(ValueError, match="virtual"):
        clock.advance(1)
    assert clock() == 100.0


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf"), LATEST])
def test_no_step_leads_back_or_out_of_the_calendar(seconds: float) -> None:
    """A step back, none at all, or one beyond what dates can say is refused, and nothing moves."""
    clock = Clock(lambda: 100.0, is_virtual=True)
    with pytest.raises(ValueError, match="expected"):
        clock.advance(seconds)
    assert clock() == 100.0


def test_a_jump_wakes_whoever_it_reaches() -> None:
    """A jump ends the waits up to its goal, without delay and without looking; later ones go on."""

    async def run() -> None:
        clock = Clock(is_virtual=True)
        began = asyncio.get_running_loop().time()
        near = asyncio.create_task(clock.wait_until(clock() + 5 * HOUR))
        far = asyncio.create_task(clock.wait_until(clock() + 7 * HOUR))
        await asyncio.sleep(0)
        clock.advance(6 * HOUR)
        await asyncio.wait_for(near, 5)
        assert asyncio.get_running_loop().time() - began < 1
        assert not far.done()
        clock.advance(6 * HOUR)
        await asyncio.wait_for(far, 5)

    asyncio.run(run())


def test_time_passes_by_itself() -> None:
    """A moved clock runs on with the system's, so that a wait ends without another move."""

    async def run() -> None:
        clock = Clock(is_virtual=True)
        clock.advance(HOUR)
        await asyncio.wait_for(clock.wait_until(clock() + 0.02), 5)

    asyncio.run(run())
