from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from loadtests.instrument import InstrumentTooSmall, calibrate, demand, faults, null_site
from loadtests.schedule import Schedule
from loadtests.trial import Load, conduct
from loadtests.watch import foreign_share

CORE = max(os.sched_getaffinity(0))
USERS = 20
# The share of a core that the schedule takes: a free core has it, a fifth of one has not, however
# busy the rest of the machine is. It is reckoned in CPU time, which a busy machine hardly moves.
SHARE = 0.7


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


def test_a_generator_that_is_starved_of_cpu_is_refused(busy_core: None) -> None:
    """Somebody else on its core: the figures are not the service's, and the run says so."""
    costs = calibrate(Load(users=USERS), seconds=1.0).cpu_microseconds
    schedule = Schedule.constant(1e6 * SHARE / costs, 3.0, poisson=True)
    load = Load(schedule, users=USERS, drain_seconds=1.0, generator_core=CORE)
    with null_site() as site:
        outcome = conduct(site, load)
    assert faults(outcome.measurement)


def test_others_at_work_on_the_machine_are_seen(busy_core: None) -> None:
    """Before a run begins, whoever is busy has no part in it."""
    assert foreign_share(None) > 0.25


def test_a_schedule_beyond_the_calibrated_generator_is_refused() -> None:
    """The message says what the generator can do, and what would help."""
    calibration = calibrate(Load(users=10), seconds=1.0)
    assert calibration.rate > 100
    demand(calibration.usable_rate * 0.99, calibration)
    with pytest.raises(InstrumentTooSmall, match="--processes"):
        demand(calibration.rate, calibration)
