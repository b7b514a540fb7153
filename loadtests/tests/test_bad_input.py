"""What is wrong with an order is one message with a remedy, and an exit code of its own."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path

import pytest

from loadtests.__main__ import ExitCode
from loadtests.__main__ import main as load
from loadtests.capacity.__main__ import main as capacity

_PROFILE = """\
name = "closed"
title = "nobody there"
[relay]
kind = "address"
[[relay.endpoint]]
region = "us-south"
type = "public"
host = "smtp.example.com"
addresses = ["127.0.0.1"]
port = {port}
[tls]
trust = "none"
[[account]]
role = "primary"
username_environment = "CLOSED_USERNAME"
password_environment = "CLOSED_PASSWORD"
domain = "example.com"
[recipients]
address = "sink+{{local}}@sink.example.com"
[sink]
reachability = "none"
"""


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The profile of a target at whose port nobody listens."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setenv("CLOSED_USERNAME", "someone")
    monkeypatch.setenv("CLOSED_PASSWORD", "nobody-may-read-this")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    path = tmp_path / "closed.toml"
    path.write_text(_PROFILE.format(port=port), encoding="utf-8")
    return path


def complained(capsys: pytest.CaptureFixture[str]) -> str:
    text = capsys.readouterr().err
    assert "Traceback" not in text
    assert "nobody-may-read-this" not in text
    return text


def test_a_load_run_at_a_target_that_is_not_there_is_exit_2(
    closed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message: where, why, and what to look at; no load was begun."""
    assert load(["--target", str(closed)]) == ExitCode.USAGE
    assert "Connection refused; is the relay running" in complained(capsys)


def test_a_capacity_search_at_a_target_that_is_not_there_is_exit_2(
    closed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same message; nothing is searched."""
    order = ["--target", str(closed), "--out", str(tmp_path / "out")]
    assert capacity(order) == ExitCode.USAGE
    assert "Connection refused; is the relay running" in complained(capsys)


def test_objectives_that_name_no_phase_are_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message lists the phases; no target is started."""
    slo = tmp_path / "slo.toml"
    slo.write_text("[thinking]\np99 = 0.5\n", encoding="utf-8")
    assert capacity(["--slo", str(slo), "--out", str(tmp_path / "out")]) == ExitCode.USAGE
    assert "[thinking] names no phase; one of" in complained(capsys)


def test_a_folder_for_results_that_cannot_be_made_is_exit_6(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything runs, not after the ten minutes whose results it should hold."""
    (tmp_path / "file").write_text("")
    assert capacity(["--out", str(tmp_path / "file" / "out")]) == ExitCode.NO_ROOM
    assert "name another --out" in complained(capsys)
