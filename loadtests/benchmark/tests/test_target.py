"""Ratios, verdicts, and the page that shows them."""

from __future__ import annotations

from dataclasses import replace

from loadtests.benchmark.effort import QUICK
from loadtests.benchmark.endurance import Endurance
from loadtests.benchmark.field import DISCARDING_RELAY, DURABLE_RELAY, PEERS, Competitor
from loadtests.benchmark.machine import Machine
from loadtests.benchmark.report import Outcome, page
from loadtests.benchmark.rounds import Samples
from loadtests.benchmark.sample import Sample
from loadtests.benchmark.server import Promise
from loadtests.benchmark.target import Target, judge, judge_endurance
from loadtests.benchmark.workload import WORKLOADS

TARGET = Target("ours", "W1", Promise.DURABLE, ("exim",), 0.25)


def samples(**costs: list[float]) -> Samples:
    """Make samples of W1 with these costs in µs, by server; `_` stands for `-`."""
    found = Samples()
    for server, rounds in costs.items():
        for cost in rounds:
            found.add(server.replace("_", "-"), "W1", Sample(1000, 1.0, cost / 1000, 0.95, 1 << 20))
    return found


def test_medians_are_compared() -> None:
    """The ratio is that of the medians; the note spans the single rounds."""
    finding = judge(TARGET, samples(relay_durable=[100, 120, 900], exim=[500, 400, 600]), {})
    assert (finding.measured, finding.verdict) == ("0.24", "met")
    assert finding.note == "0.20 to 1.50"


def test_a_peer_with_two_modes_counts_at_its_best() -> None:
    """Exim's cheapest round is what has to be beaten."""
    best = replace(TARGET, is_peer_at_best=True)
    finding = judge(best, samples(relay_durable=[100, 120, 110], exim=[500, 400, 600]), {})
    assert (finding.measured, finding.verdict) == ("0.28", "not met")
    assert finding.note == "0.25 to 0.30"


def test_of_several_peers_the_cheapest_counts() -> None:
    """Who has two event loops is compared with the better one."""
    target = replace(TARGET, peers=("aiosmtpd", "aiosmtpd-uvloop"))
    finding = judge(target, samples(relay_durable=[100], aiosmtpd=[900], aiosmtpd_uvloop=[800]), {})
    assert finding.measured == "0.12"
    assert finding.note.endswith("against aiosmtpd-uvloop")


def test_a_missing_peer_is_named_not_dropped() -> None:
    """The target stays in the table, with the reason."""
    finding = judge(TARGET, samples(relay_durable=[100]), {"exim": "not installed"})
    assert (finding.verdict, finding.note) == ("not measured", "exim: not installed")
    finding = judge(TARGET, samples(relay_durable=[100]), {})
    assert (finding.verdict, finding.note) == ("not measured", "not asked for")


def test_memory_and_idle_sessions_are_judged() -> None:
    """Growth, size and burden have their own limits; what could not be held is said."""
    seen = Endurance(10_000, 4 << 20, 5000, 30 * 1024.0, (1.1, 1.3, 1.2))
    assert [one.verdict for one in judge_endurance(seen)] == ["not met", "met", "met"]
    none_held = replace(seen, idle_sessions=0, burdened=())
    assert [one.verdict for one in judge_endurance(none_held)][1:] == ["not measured"] * 2


def test_the_page_names_machine_versions_and_what_is_missing() -> None:
    """Whoever reads the page learns where it was measured and who did not take part."""
    machine = Machine("Some CPU", 4, 8, "Some Linux", "OpenSSL 3", "a day", 3.0, "abc with changes")
    outcome = Outcome(
        machine=machine,
        effort=QUICK,
        is_quick=True,
        are_cores_apart=False,
        workloads=[WORKLOADS["W1"]],
        competitors=[
            Competitor(DISCARDING_RELAY, "this"),
            Competitor(DURABLE_RELAY, "this"),
            Competitor(PEERS["aiosmtpd-uvloop"], "9.9"),
        ],
        missing={"postfix": "nobody | here"},
        samples=samples(relay_discard=[10, 10], relay_durable=[20, 30], aiosmtpd_uvloop=[90, 110]),
        endurance=None,
    )
    text = page(outcome)
    for expected in (
        "**Quick run",
        "**One core only",
        "**The machine was busy",
        "Missing: Postfix, HOLD queue: nobody | here",
        "| Postfix, HOLD queue | on disk | missing | - |",
        "| accept + durable against Postfix HOLD | W1 | 0.10 | - | not measured | "
        "postfix: nobody \\| here |",
        "| Reference relay | on disk | 25 (20-30) | 1 |",
        "| Reference relay (on disk) | 1000, **95%** |",
        "Some CPU",
        "abc with changes",
        "aiosmtpd, uvloop (discarded): 9.9",
    ):
        assert expected in text
