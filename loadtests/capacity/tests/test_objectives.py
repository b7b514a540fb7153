from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.capacity.objectives import (
    STANDARD,
    BadObjectives,
    Limit,
    Objectives,
    class_of,
    load_objectives,
)
from loadtests.capacity.tests.made import BALANCED, outcome


def names(objectives: Objectives, **changes: object) -> list[str]:
    return [one.name for one in objectives.judge(outcome(**changes))]  # type: ignore[arg-type]


def test_a_service_that_keeps_to_everything_has_no_breach() -> None:
    """Ten milliseconds, no error, a balanced ledger, a queue that stays."""
    assert names(STANDARD) == []


def test_each_objective_that_is_not_met_is_named() -> None:
    """Durations, errors, what was not sent, a queue that grows."""
    assert names(STANDARD, seconds=0.4) == ["response p95"]
    assert "delivery p95" in names(STANDARD, seconds=6.0)
    assert names(STANDARD, failures={"envelope: 451 later": 2}) == ["errors"]
    assert names(STANDARD, unsent=2) == ["errors"]
    assert names(STANDARD, growth=50.0) == ["queue growth"]
    classes = replace(STANDARD, errors=1.0, classes={"throttled": 0.001})
    assert names(classes, failures={"envelope: 451 later": 2}) == ["errors, throttled"]
    assert names(classes, failures={"envelope: 550 no": 2}) == []


@pytest.mark.parametrize("leak", ["missing", "doubled", "changed", "unexpected"])
def test_one_leaked_message_voids_the_claim(leak: str) -> None:
    """Conservation has no tolerance."""
    leaky = replace(BALANCED, **{leak: 1})
    assert names(STANDARD, ledger=leaky) == [f"messages {leak}"]


def test_one_admitted_foreigner_is_a_breach_whatever_the_error_budget() -> None:
    """A relay that fails open under pressure is not met."""
    generous = replace(STANDARD, errors=1.0)
    found = names(generous, failures={"fails open: a foreign sender was admitted": 1})
    assert found == ["fails open"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("envelope: 421 4.7.0 slow down", "throttled"),
        ("data: 452 4.3.1 full", "throttled"),
        ("AUTH: 535 5.7.8 no", "AUTH"),
        ("AUTH: 454 4.7.0 busy", "throttled"),
        ("TLS: handshake: certificate", "TLS"),
        ("envelope: 550 5.7.1 no", "refused"),
        ("acknowledgement: no reply in time", "timeout"),
        ("envelope: the server closed", "lost"),
    ],
)
def test_errors_have_classes(text: str, wanted: str) -> None:
    """A firewall that rejects fast is not taken for a slow relay."""
    assert class_of(text) == wanted


def test_objectives_are_read_from_a_file(tmp_path: Path) -> None:
    """Percentiles by phase, error share, shares by class."""
    file = tmp_path / "slo.toml"
    file.write_text(
        "errors = 0.01\n[errors_by_class]\nthrottled = 0.5\n[response]\np99 = 1\np99.9 = 3\n"
        "[delivery]\np95 = 60\n".replace("p99.9", '"p99.9"'),
        encoding="utf-8",
    )
    read = load_objectives(file)
    assert read.errors == 0.01
    assert read.classes == {"throttled": 0.5}
    assert Limit("response", 99.9, 3.0) in read.limits
    assert Limit("delivery", 95.0, 60.0) in read.limits


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[latency]\np99 = 1\n", "names no phase"),
        ("[response]\nmean = 1\n", "a percentile"),
        ("[response]\np101 = 1\n", "a percentile"),
        ("[response]\np99 = -1\n", "a number"),
        ("errors = 2\n[response]\np99 = 1\n", "errors"),
        ("[errors_by_class]\nodd = 0\n[response]\np99 = 1\n", "one of throttled"),
        ("errors = 0.1\n", "no objective"),
        ("not toml", "not TOML"),
    ],
)
def test_a_file_that_names_nothing_is_an_error(text: str, wanted: str, tmp_path: Path) -> None:
    """A threshold on a phase that does not exist would never fail."""
    (tmp_path / "slo.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BadObjectives, match=wanted):
        load_objectives(tmp_path / "slo.toml")
