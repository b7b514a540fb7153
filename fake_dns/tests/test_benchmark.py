"""The measurements work; what they measure is looked at in their own sessions, for longer."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fake_dns.benchmark.__main__ import main
from fake_dns.benchmark.comparison import Row
from fake_dns.benchmark.endurance import Endured
from fake_dns.benchmark.hostile import made_packets
from fake_dns.benchmark.load import Measured
from fake_dns.tests.interop.tools import tool


def test_a_comparison_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every contestant answers; ours is at least five times as cheap as dnslib's server."""
    tool("dnsperf")
    tool("named")
    out = tmp_path / "docs" / "performance.md"
    words = ["compare", "--rounds", "1", "--seconds", "0.5", "--out", str(out)]
    assert main(words) == 0, capsys.readouterr().err
    text = out.read_text()
    assert text == capsys.readouterr().out
    for name in ("fake-dns (asyncio)", "dnslib's own server", "BIND named"):
        assert text.count(f"| {name} |") == 2


def test_a_short_minute_among_hostile_packets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every question answered and nothing said; whether memory is flat needs the whole minute."""
    tool("dnsperf")
    monkeypatch.setattr("fake_dns.benchmark.endurance.MOST_GROWTH", 1.0)
    words = ["endure", "--seconds", "2", "--warm-up", "1", "--fuzz-seconds", "0"]
    assert main(words) == 0, capsys.readouterr().err
    assert "hostile packets in between" in capsys.readouterr().out


def test_hostile_packets_are_many_and_the_same_again() -> None:
    """Derandomized: a run that fails can be run again."""
    assert made_packets(200) == made_packets(200)
    assert len(made_packets(200)) > 100


def test_what_should_not_be_is_told() -> None:
    """Lost questions, wrong codes, growth, and whatever the server says."""
    good = Endured(10, 10, 5, 0, 100, 104, "", "NOERROR 8 (80.00%), NXDOMAIN 2 (20.00%)")
    assert good.faults == []
    bad = Endured(10, 9, 5, 0, 100, 106, "Traceback", "SERVFAIL 9 (100.00%)")
    assert [fault.split()[0] for fault in bad.faults] == ["1", "well-formed", "memory", "the"]


def test_a_row_is_a_median_with_its_spread() -> None:
    """Over the rounds, in answers per second of the server's processor time."""
    rounds = tuple(Measured(answered, 0, 1.0, 2.0) for answered in (100, 200, 220))
    row = Row("ours", rounds)
    assert (row.per_cpu_second, row.per_second, row.lost) == (100.0, 200.0, 0)
    assert row.spread == pytest.approx(0.3)


def test_a_missing_program_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2 and what to install."""
    monkeypatch.setitem(os.environ, "PATH", "/nonexistent")
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert main(["compare", "--rounds", "1"]) == 2
    assert "expected the packages dnsperf and bind9" in capsys.readouterr().err
