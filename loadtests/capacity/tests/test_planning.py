from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.capacity.planning import Costs, curve, plan
from loadtests.capacity.scalability import Law, NotFitted, fit
from loadtests.capacity.tests.made import outcome
from loadtests.capacity.workers import cost
from loadtests.watch import Evidence

SIZES = (1, 2, 4, 8, 16, 32)


@given(
    gamma=st.floats(10, 5000),
    sigma=st.floats(0, 0.3),
    kappa=st.floats(0, 0.01),
)
def test_a_law_is_found_again_from_its_own_points(gamma: float, sigma: float, kappa: float) -> None:
    """Without noise the parameters come back, and the held-out point is on the curve."""
    law = Law(gamma, sigma, kappa, 32)
    found = fit([(n, law.at(n)) for n in SIZES])
    assert found.law.gamma == pytest.approx(gamma, rel=0.01)
    assert found.law.sigma == pytest.approx(sigma, abs=0.002)
    assert found.law.kappa == pytest.approx(kappa, abs=0.0002)
    assert found.held_out is not None
    assert found.held_out[2] == pytest.approx(found.held_out[1], rel=0.01)


def test_noise_widens_the_intervals_around_the_truth() -> None:
    """With 3 % of noise the 90 % intervals of all parameters hold the true ones nearly always."""
    law = Law(1000, 0.05, 0.001, 32)
    chance = random.Random(7)
    inside = 0
    for seed in range(20):
        points = [(n, law.at(n) * chance.gauss(1, 0.03)) for n in SIZES for _ in range(3)]
        low, high = fit(points, seed).intervals[0]
        inside += low <= 1000 <= high
    assert inside >= 13


def test_nothing_is_said_beyond_twice_the_measured_range() -> None:
    """Extrapolation has an end, and too few points give no law."""
    law = Law(100, 0.1, 0.001, 8)
    assert law.at(16) > 0
    with pytest.raises(NotFitted, match="twice"):
        law.at(17)
    with pytest.raises(NotFitted, match="three"):
        fit([(1, 10.0), (2, 19.0)])
    assert law.peak == pytest.approx(30)
    assert Law(100, 0.1, 0.0, 8).peak is None


def test_the_cost_of_a_message_comes_from_the_services_processes() -> None:
    """Half a core for ten seconds and a thousand messages: 5 ms each; unseen processes cost 0."""
    seen = outcome(cpu=0.5)
    assert cost(seen) == pytest.approx(0.005)
    assert cost(replace(seen, evidence=Evidence())) == 0.0


def test_more_workers_than_the_law_knows_are_marked() -> None:
    """Up to what was measured it is a plan, up to twice that an extrapolation, then nothing."""
    law, costs = Law(1000, 0.1, 0.0, 4), Costs(0.0, 0.001)
    four, eight = (plan(5000, costs, 10, 1000, workers=n, law=law) for n in (4, 8))
    assert not four.is_extrapolated
    assert eight.is_extrapolated
    # Contention: twice the workers do not halve the relays.
    assert 2 * (eight.relays - 1) > four.relays - 1
    with pytest.raises(NotFitted):
        plan(5000, costs, 10, 1000, workers=9, law=law)


def test_costs_of_sessions_and_messages_are_told_apart() -> None:
    """1 ms a kept message and 3 ms with a session each: a session is 2 ms."""
    costs = Costs.of(kept=0.001, fresh=0.003)
    assert costs.session == pytest.approx(0.002)
    assert costs.rate(1) == pytest.approx(333.3, rel=0.01)
    assert costs.rate(1000) == pytest.approx(998, rel=0.01)
    rates = [rate for _, rate in curve(costs)]
    assert rates == sorted(rates)


def test_a_wanted_rate_becomes_relays_cores_and_generators() -> None:
    """One relay is spare, a share of each is headroom, workers scale as the law says."""
    costs = Costs(session=0.002, message=0.001)
    made = plan(5000, costs, 1e9, generator_rate=4000)
    assert (made.relays, made.cores, made.generators) == (9, 9, 2)
    law = Law(1, 0.5, 0.0, 2)
    shared = plan(5000, costs, 1e9, 4000, workers=4, law=law)
    assert shared.is_extrapolated
    assert shared.cores > 9
