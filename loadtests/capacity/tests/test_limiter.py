from __future__ import annotations

import pytest

from loadtests.capacity.limiter import disturbances, name_limiter
from loadtests.capacity.objectives import STANDARD
from loadtests.capacity.tests.made import outcome
from loadtests.phase import Phase


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"cpu": 0.95}, "relay CPU"),
        ({"cpu": 0.2, "stalled": 0.7}, "disk sync"),
        ({"cpu": 0.2, "sink": 0.95}, "next hop"),
        ({"cpu": 0.2, "failures": {"envelope: 421 4.7.0 too many": 50}}, "rate limit"),
        ({"cpu": 0.2, "growth": 50.0}, "next hop"),
        ({"cpu": 0.2, "seconds": 2.0}, "unknown"),
    ],
)
def test_the_limiter_follows_the_evidence(changes: dict[str, object], wanted: str) -> None:
    """Each limit has signs of its own; without any it is unknown, and said to be."""
    made = outcome(**changes)  # type: ignore[arg-type]
    found = name_limiter(made, STANDARD.judge(made))
    assert found.name == wanted
    assert found.evidence


def test_the_generator_comes_first() -> None:
    """Whatever else was seen: figures of a busy generator are its own."""
    made = outcome(cpu=0.95)
    made.measurement.cpu_seconds = 9.9
    assert name_limiter(made, ()).name == "generator"


def test_others_on_the_machine_are_named_and_not_the_service() -> None:
    """A compiler beside it: what the service then did is not its capacity."""
    made = outcome(cpu=0.95, seconds=2.0, others=0.8)
    assert disturbances(made) == ("others on this machine used 0.80 cores",)
    assert name_limiter(made, ()).name == "other load on this machine"
    assert disturbances(outcome(others=0.1)) == ()


def test_sessions_for_each_message_point_at_what_sessions_cost() -> None:
    """A full core goes into handshakes, or into the password hash where AUTH takes longer."""
    made = outcome(cpu=0.95)
    for _ in range(1000):
        made.measurement.phases[Phase.TLS].record(0.01)
        made.measurement.phases[Phase.AUTH].record(0.002)
    assert name_limiter(made, ()).name == "TLS handshakes"
    for _ in range(2000):
        made.measurement.phases[Phase.AUTH].record(0.05)
    assert name_limiter(made, ()).name == "password hash"
