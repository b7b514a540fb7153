from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loadtests.phase import Phase
from loadtests.schedule import Schedule
from loadtests.site import Site
from loadtests.trial import Load, Outcome, conduct

SCHEDULE = Schedule.parse("poisson:40", 2.0)


def planned() -> int:
    return len(list(SCHEDULE.moments()))


def conducted(site: Site, folder: Path | None = None, **changes: Any) -> Outcome:
    load = Load(schedule=SCHEDULE, users=5, drain_seconds=10, settle_seconds=20)
    return conduct(site, replace(load, **changes), folder=folder)


def balanced(outcome: Outcome) -> bool:
    return outcome.ledger is not None and outcome.ledger.is_balanced


@pytest.mark.parametrize("dialogue", ["stepwise", "pipelined", "chunked"])
def test_every_planned_message_is_sent_and_arrives(site: Site, dialogue: str) -> None:
    """Each dialogue carries out the schedule exactly, and the books balance."""
    outcome = conducted(site, dialogue=dialogue)
    measured = outcome.measurement
    assert (measured.planned, measured.accepted, measured.unsent) == (planned(), planned(), 0)
    assert not measured.failures
    assert balanced(outcome)
    assert outcome.delays.count == planned()
    assert measured.phases[Phase.RESPONSE].count == planned()
    assert measured.phases[Phase.AUTH].count == 5


def test_new_sessions_and_resumed_ones_are_measured_by_phase(site: Site) -> None:
    """A session for each message: as many TLS handshakes as messages, resumed ones cheaper."""
    fresh = conducted(site, scenarios=("NewSession",))
    resumed = conducted(site, scenarios=("ResumedSession",))
    for outcome in (fresh, resumed):
        assert not outcome.measurement.failures
        assert outcome.measurement.phases[Phase.TLS].count == planned()
        assert balanced(outcome)


def test_big_messages_and_many_recipients_arrive_whole(site: Site) -> None:
    """A mebibyte arrives unchanged; fifty recipients each get theirs."""
    few = Schedule.parse("constant:4", 2.0)
    for changes in ({"octets": 1 << 20}, {"scenarios": ("ManyRecipients",)}):
        outcome = conducted(site, schedule=few, **changes)
        assert not outcome.measurement.failures
        assert outcome.measurement.accepted == 8
        assert balanced(outcome)


def test_those_who_should_be_refused_are_refused_beside_the_load(site: Site) -> None:
    """Foreign senders and guessed passwords are counted as refused, and nothing of them arrives."""
    names = ("KeptSession", "WrongCredentials", "AbusiveSender")
    outcome = conducted(site, scenarios=names, users=7)
    refused = outcome.measurement.refused
    assert any(text.startswith("AUTH: 535") for text in refused)
    assert any(text.startswith("envelope: 550") for text in refused)
    assert not outcome.measurement.failures
    assert balanced(outcome)


def test_a_clients_own_library_can_be_brought(site: Site) -> None:
    """The convenience scenario sends the same messages with aiosmtplib."""
    outcome = conducted(site, scenarios=("OwnClient",))
    assert not outcome.measurement.failures
    assert outcome.measurement.accepted == planned()
    assert balanced(outcome)


def test_what_cannot_be_sent_in_time_is_counted(site: Site) -> None:
    """One user, far more than it can send, and no time left: planned = sent + unsent."""
    flood = Schedule.parse("constant:20000", 1.0)
    outcome = conducted(site, schedule=flood, users=1, drain_seconds=0.2)
    measured = outcome.measurement
    assert measured.planned == 20_000
    assert measured.unsent > 5_000
    assert measured.accepted + measured.unsent + measured.in_doubt == 20_000
    assert balanced(outcome)


def test_two_generator_processes_share_one_schedule(site: Site) -> None:
    """Together they send what one would, and their histograms become one."""
    outcome = conducted(site, processes=2, users=6)
    measured = outcome.measurement
    assert (measured.planned, measured.accepted) == (planned(), planned())
    assert measured.phases[Phase.RESPONSE].count == planned()
    assert balanced(outcome)


def test_locusts_own_files_are_written(site: Site, tmp_path: Path) -> None:
    """CSV and HTML of Locust keep working, with one entry for each message."""
    options = ("--csv", str(tmp_path / "stats"), "--html", str(tmp_path / "locust.html"))
    conducted(site, locust_options=options)
    rows = list(csv.DictReader((tmp_path / "stats_stats.csv").read_text().splitlines()))
    counts = {row["Name"]: int(row["Request Count"]) for row in rows}
    assert counts["message"] == planned()
    assert "message" in (tmp_path / "locust.html").read_text()


def test_results_may_be_kept_in_a_folder_named_from_here(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plan, measurement and books are found there, and Locust, which works elsewhere, found it."""
    monkeypatch.chdir(tmp_path)
    assert balanced(conducted(site, folder=Path("results")))
    kept = {path.name for path in (tmp_path / "results").iterdir()}
    assert kept >= {"plan.json", "measurement-0.json", "accepted-0.numbers"}
