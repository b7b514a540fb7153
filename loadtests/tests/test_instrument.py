from __future__ import annotations

from loadtests.instrument import faults
from loadtests.measurement import Measurement
from loadtests.percentiles import Histogram
from loadtests.phase import Phase


def measured(*, cpu: float = 1.0, delayed: float = 0.1, lag: float = 0.001) -> Measurement:
    measurement = Measurement()
    measurement.begun, measurement.ended, measurement.watched_seconds = 100.0, 110.0, 10.0
    measurement.planned = measurement.accepted = 1000
    for _ in range(1000):
        measurement.phases[Phase.MESSAGE].record(0.02)
    measurement.cpu_seconds, measurement.delayed_seconds = cpu, delayed
    for _ in range(100):
        measurement.lag.record(lag)
    return measurement


def test_an_idle_generator_is_trusted() -> None:
    """A tenth of a core and a loop that is on time."""
    assert faults(measured()) == ()


def test_each_sign_of_a_generator_at_its_limit_is_named() -> None:
    """A full core, a core that was somebody else's, a loop that came late."""
    assert "95% of its core" in faults(measured(cpu=9.5))[0]
    assert "waited for its core 50%" in faults(measured(delayed=5.0))[0]
    assert "200 ms late" in faults(measured(lag=0.2))[0]


def test_two_processes_have_two_cores() -> None:
    """What is a full core for one is half of each for two."""
    assert faults(measured(cpu=9.5), processes=2) == ()


def test_a_wait_counts_against_the_time_messages_were_under_way() -> None:
    """A second of waiting is little beside ten, and half of a thousand messages of 2 ms."""
    quick = measured(delayed=1.0)
    quick.phases[Phase.MESSAGE] = Histogram.of([0.002] * 1000)
    assert "waited for its core 50%" in faults(quick)[0]
    assert faults(measured(delayed=1.0)) == ()


def test_a_generator_that_got_nothing_through_or_began_nothing_is_not_trusted() -> None:
    """Without a single acknowledgement its own word still counts; without a begin it has none."""
    stuck = measured(delayed=8.0)
    stuck.ended, stuck.accepted = 0.0, 0
    stuck.phases[Phase.MESSAGE] = Histogram()
    assert "waited for its core 80%" in faults(stuck)[0]
    never = Measurement()
    never.planned = never.unsent = 1000
    assert faults(never) == ("it began none of 1,000 planned messages",)
