"""One requirement or one check of an earlier result is run again, with what it was run with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conformance.report import archive
from conformance.tests.runs import started


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a small run of the embedded relay, with options to be used again."""
    out = tmp_path_factory.mktemp("earlier")
    order = ["-m", "conformance", "check", "--only", "CTL-01,CTL-02,RPL-01", "--out", str(out)]
    seed = ["--", "-p", "pytest_randomly", "--randomly-seed=7"]
    code, said = started([*order, "--patience", "1.5", "--loop", "asyncio", *seed])
    assert code == 0, said
    return out / "results.json"


def changed(file: Path, to: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy of results with one thing changed."""
    document = json.loads(file.read_text(encoding="utf-8"))
    change(document)
    to.write_text(json.dumps(document), encoding="utf-8")
    return to


def verdicts(out: Path) -> dict[str, str]:
    """What a run judged."""
    rows = archive.load(out / "results.json")["requirements"]
    return {row["id"]: row["verdict"] for row in rows if row["verdict"] != "unchecked"}


def test_a_requirement_is_run_again_alone_and_alike(earlier: Path, tmp_path: Path) -> None:
    """The same verdict is exit 0; only that requirement ran, with the options of the first run."""
    out = tmp_path / "again"
    code, said = started(["-m", "conformance.replay", str(earlier), "ctl-02", "--out", str(out)])
    assert code == 0, said
    assert "CTL-02: met before, met now: the same verdict" in said
    assert verdicts(out) == {"CTL-02": "met"}
    first, second = (archive.load(one)["run"]["order"] for one in (earlier, out / "results.json"))
    assert second == first
    assert first["patience_seconds"] == 1.5
    assert first["loop"] == "asyncio"
    assert "--randomly-seed=7" in first["arguments"]


def test_one_check_is_run_again_alone(earlier: Path, tmp_path: Path) -> None:
    """A check is named as the results name it; of the requirement's others none runs."""
    row = next(one for one in archive.load(earlier)["requirements"] if len(one["checks"]) > 1)
    name = row["checks"][-1]["check"]
    out = tmp_path / "again"
    code, said = started(["-m", "conformance.replay", str(earlier), name, "--out", str(out)])
    assert code == 0, said
    assert f"{name}: met before, met now: the same verdict" in said
    rows = archive.load(out / "results.json")["requirements"]
    assert {check["check"] for one in rows for check in one["checks"]} == {name}


def test_another_verdict_is_exit_1(earlier: Path, tmp_path: Path) -> None:
    """What was not met and is met by now is another verdict."""

    def accuse(document: dict[str, Any]) -> None:
        row = next(one for one in document["requirements"] if one["id"] == "CTL-02")
        row["verdict"] = "not met"

    file = changed(earlier, tmp_path / "results.json", accuse)
    code, said = started(
        ["-m", "conformance.replay", str(file), "CTL-02", "--out", str(tmp_path / "again")]
    )
    assert code == 1, said
    assert "CTL-02: not met before, met now: another verdict" in said


def test_what_only_the_traffic_shows_has_its_run_repeated(earlier: Path, tmp_path: Path) -> None:
    """RPL-01 has no check of its own: the selection of the first run makes the relay talk."""
    out = tmp_path / "again"
    code, said = started(["-m", "conformance.replay", str(earlier), "RPL-01", "--out", str(out)])
    assert code == 0, said
    assert "RPL-01: met before, met now" in said
    assert set(verdicts(out)) == {"CTL-01", "CTL-02", "RPL-01"}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("NOPE-01", lambda document: None, "no requirement and no check 'NOPE-01'"),
        ("GRT-01", lambda document: None, "GRT-01 did not run: not selected in this run"),
        ("CTL-02", lambda document: document.update(schema="1"), "schema: expected 2, found 1"),
        (
            "CTL-02",
            lambda document: document["suite"].update(version="9.9"),
            "suite.version: expected 0.1.0, found 9.9; replay it with the version that wrote it",
        ),
        (
            "CTL-02",
            lambda document: document["suite"].update(catalogue="0" * 64),
            "suite.catalogue: expected",
        ),
        ("CTL-02", lambda document: document["run"].pop("order"), "run.order: missing"),
        ("CTL-02", lambda document: document.clear(), "cannot be read: it is no results.json"),
    ],
    ids=["unknown", "not run", "schema", "version", "catalogue", "older", "empty"],
)
def test_what_cannot_be_replayed_is_one_message(
    name: str,
    change: Callable[[dict[str, Any]], object],
    message: str,
    earlier: Path,
    tmp_path: Path,
) -> None:
    """File, key and remedy; exit 2; nothing is started."""
    file = changed(earlier, tmp_path / "results.json", change)
    out = tmp_path / "again"
    code, said = started(["-m", "conformance.replay", str(file), name, "--out", str(out)])
    assert code == 2, said
    assert said.startswith(f"{file}: {message}")
    assert message in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_missing_credentials_are_named(
    earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable that is not set stands in the message; exit 2."""
    monkeypatch.delenv("REPLAY_USERNAME", raising=False)
    profile = tmp_path / "target.toml"
    profile.write_text(
        """
name = "somebody"
[relay]
kind = "address"
[[relay.endpoint]]
host = "mx.example"
addresses = ["127.0.0.1"]
[[account]]
role = "primary"
username_environment = "REPLAY_USERNAME"
password_environment = "REPLAY_PASSWORD"
domain = "example.com"
[recipients]
address = "rcpt@sink.example"
""",
        encoding="utf-8",
    )
    file = changed(
        earlier,
        tmp_path / "results.json",
        lambda document: document["run"]["order"].update(target=str(profile)),
    )
    code, said = started(["-m", "conformance.replay", str(file), "CTL-02"])
    assert code == 2, said
    assert "the environment variable REPLAY_USERNAME to be set" in said
    assert said.count("\n") == 1
