"""What a target's owner grants: nothing without permission, and no more than the budget."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from conformance.tests.runs import ROOT, Ended, read_back, started
from fixtures import toml_table
from fixtures.profile import PROFILES

PUBLIC = """
name = "somebody"
[relay]
kind = "address"
[[relay.endpoint]]
host = "smtp.example.com"
addresses = ["2001:4860:4860::8888"]
[[account]]
role = "primary"
username_environment = "STUB_USERNAME"
password_environment = "STUB_PASSWORD"
domain = "example.com"
[recipients]
address = "rcpt@sink.example"
"""
# As `python -m conformance`, with a minute that is over in a second.
SHORT_MINUTE = (
    "import sys; from fixtures import budget; budget._WINDOW_SECONDS = 1.2; "
    "from conformance.__main__ import main; sys.exit(main(sys.argv[1:]))"
)


@pytest.mark.parametrize("command", ["certify", "check"])
def test_a_public_target_is_refused_without_permission(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit 2 and the missing entry by name, at once: no control sample, no connection."""
    monkeypatch.setenv("STUB_USERNAME", "somebody")
    monkeypatch.setenv("STUB_PASSWORD", "xQ7vTz9kLm2w")
    profile, out = tmp_path / "target.toml", tmp_path / "out"
    profile.write_text(PUBLIC, encoding="utf-8")
    order = ["-m", "conformance", command, "--target", str(profile), "--out", str(out)]
    ended = read_back(*started(order), out)
    assert ended.exit_code == 2, ended.said
    headline = ended.results["conclusion"]["headline"]
    assert f"{profile}: authorisation: expected an [authorisation] entry" in headline
    assert "smtp.example.com is public" in headline
    assert not ended.results["run"]["sanity"]


def test_a_public_target_is_not_even_looked_at(tmp_path: Path) -> None:
    """The probe asks who permits it before it connects."""
    done = subprocess.run(
        [sys.executable, "-m", "fixtures.draft", "--host", "2001:4860:4860::8888"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "--authorised-by WHO" in done.stderr
    assert not done.stdout


def judged(
    folder: Path, only: str, budget: Mapping[str, Any], relay: Mapping[str, Any], *more: str
) -> Ended:
    """Check the embedded relay with a budget in its profile."""
    table = toml_table.load(PROFILES / "seed-2025.toml")
    table["budget"] = budget
    table["relay"] |= relay
    profile, out = folder / "granted.toml", folder / "out"
    profile.write_text(toml_table.write(table), encoding="utf-8")
    order = ["-c", SHORT_MINUTE, "check", "--target", str(profile), "--out", str(out)]
    return read_back(*started([*order, "--only", only, *more]), out)


def test_a_relay_that_counts_is_certified_at_its_own_pace(tmp_path: Path) -> None:
    """A relay that throttles beyond 5 messages a (short) minute never has to: all is met."""
    ended = judged(
        tmp_path,
        "CTL,SND-01",
        {"messages_per_minute": 5, "patience_seconds": 0.0},
        {"rates": {"window_seconds": 1.0, "messages_per_user": 5}},
    )
    assert ended.exit_code == 0, ended.said
    assert set(ended.verdicts().values()) == {"met"}


def test_the_rest_is_inconclusive_when_the_budget_is_spent(tmp_path: Path) -> None:
    """What comes after the last message says so; what needs none is judged all the same."""
    ended = judged(tmp_path, "CTL-01,CTL-02,SND-01,SND-02,GRT-01", {"messages": 3}, {})
    assert ended.exit_code == 3, ended.said
    verdicts = ended.verdicts()
    assert "not met" not in verdicts.values()
    assert verdicts["GRT-01"] == "met"
    assert verdicts["SND-02"] == "inconclusive"
    reason = ended.row("SND-02")["reason"]
    assert "the 3 messages that [budget] grants in all are used up" in reason
    assert "grant more" in reason


def test_more_at_a_time_than_granted_is_not_observable(tmp_path: Path) -> None:
    """A crowd of sixty cannot be shown to who bears two; nobody is accused of it."""
    ended = judged(tmp_path, "ROB-03,GRT-01", {"connections": 2}, {})
    assert ended.exit_code == 0, ended.said
    assert ended.verdicts()["GRT-01"] == "met"
    reasons = {one["reason"] for one in ended.row("ROB-03")["checks"]}
    assert "needs more than the 2 connections at a time of [budget]" in reasons


@pytest.mark.parametrize(
    ("budget", "more", "message"),
    [
        ({"messages": 0}, (), "budget.messages: expected 1 or more, found 0"),
        ({"messages": 5}, ("--", "-n", "2"), "budget: expected one process to keep it"),
        ({"mesages": 5}, (), "budget.mesages: expected one of connections"),
    ],
)
def test_a_budget_that_cannot_be_kept_is_one_message(
    budget: dict[str, int], more: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    """File, key and what to do; exit 2."""
    ended = judged(tmp_path, "GRT-01", budget, {}, *more)
    assert ended.exit_code == 2, ended.said
    headline = ended.results["conclusion"]["headline"]
    assert re.search(rf"{re.escape(str(tmp_path))}/granted\.toml, line \d+: {message}", headline)
