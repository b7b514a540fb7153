from __future__ import annotations

from loadtests.instrument import faults
from loadtests.measurement import Measurement


def measured(*, cpu: float = 1.0, delayed: float = 0.1, lag: float = 0.001) -> Measurement:
    measurement = Measurement()
    measurement.begun, measurement.ended = 100.0, 110.0
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
