from __future__ import annotations

from loadtests.benchmark.machine import Machine
from loadtests.client_benchmark.clients import CLIENTS, OURS_W1, OURS_W2, PLANNED
from loadtests.client_benchmark.goals import judged
from loadtests.client_benchmark.page import page

# µs, in the order of the clients: ours, smtplib, uvloop, ours and smtplib in W2, planned, bare.
GOOD = dict(zip(CLIENTS, ([80.0], [220.0], [60.0], [900.0], [1500.0], [90.0], [79.0]), strict=True))


def test_the_five_goals_are_judged() -> None:
    """Three ratios, what schedule, histograms and ledger cost, and merged percentiles."""
    found = judged(GOOD, [0.0004])
    assert [one.measured for one in found] == ["0.36", "1.33", "0.60", "11.0 µs, 14%", "0.040%"]
    assert all(one.is_met for one in found)


def test_each_goal_can_be_missed() -> None:
    """A generator twice as dear for what it adds, and percentiles a hundredth off."""
    dear = {name: [2 * GOOD[name][0]] for name in (OURS_W1, OURS_W2, PLANNED)}
    assert not any(one.is_met for one in judged({**GOOD, **dear}, [0.01]))


def test_the_page_shows_goals_rounds_and_a_busy_machine() -> None:
    """What a figure is worth nothing without stands beside it."""
    machine = Machine("a processor", 2, 24, "a system", "OpenSSL", "a day", 5.0, "abc")
    text = page(GOOD, judged(GOOD, [0.0]), machine, 1, 4.0)
    assert "busy before the run began (load 5.0)" in text
    assert "| ours, W1 against Locust + smtplib, W1 | 0.37 | 0.36 | met |" in text
    assert "commit abc" in text
