from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from loadtests.instrument import InstrumentTooSmall, calibrate, demand, faults
from loadtests.schedule import Schedule
from loadtests.site import Site
from loadtests.trial import Load, conduct

CORE = max(os.sched_getaffinity(0))
# Far from what a free core can do, and well within what one that is shared with others cannot.
LOAD = Load(Schedule.parse("poisson:150", 3.0), users=10, settle_seconds=20, generator_core=CORE)


@pytest.fixture
def busy_core() -> Iterator[None]:
    """Four busy loops on the generator's core."""
    loops = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], stdin=subprocess.DEVNULL)
        for _ in range(4)
    ]
    try:
        for loop in loops:
            os.sched_setaffinity(loop.pid, {CORE})
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def test_a_generator_that_is_starved_of_cpu_is_refused(site: Site, busy_core: None) -> None:
    """Somebody else on its core: the figures are not the service's, and the run says so."""
    outcome = conduct(site, LOAD)
    assert faults(outcome.measurement)


def test_a_schedule_beyond_the_calibrated_generator_is_refused() -> None:
    """The message says what the generator can do, and what would help."""
    calibration = calibrate(Load(users=10), seconds=1.0)
    assert calibration.rate > 100
    demand(calibration.usable_rate * 0.99, calibration)
    with pytest.raises(InstrumentTooSmall, match="--processes"):
        demand(calibration.rate, calibration)
