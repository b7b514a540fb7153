"""What a user may ask of a certification: targets, parts, waivers; and what is refused."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from conformance.__main__ import main
from conformance.report import archive
from conformance.selfcheck import instrument
from conformance.tests.odd_targets import odd_target
from conformance.tests.runs import DRIVER, HEAD, read_back, started
from fixtures import toml_table
from fixtures.profile import PROFILES


@pytest.fixture
def profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A target on a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("STUB_USERNAME", "somebody")
    monkeypatch.setenv("STUB_PASSWORD", "correct-horse-battery")
    file = tmp_path / "target.toml"
    file.write_text(
        f"""
name = "nobody"
[relay]
kind = "address"
[[relay.endpoint]]
host = "mx.example"
addresses = ["127.0.0.1"]
port = {port}
[[account]]
role = "primary"
username_environment = "STUB_USERNAME"
password_environment = "STUB_PASSWORD"
domain = "example.com"
[recipients]
address = "rcpt@sink.example"
[tls]
trust = "none"
""",
        encoding="utf-8",
    )
    return file


def test_a_target_that_does_not_answer_is_inconclusive(tmp_path: Path, profile: Path) -> None:
    """Exit 3, four files, and nothing held against the target."""
    out = tmp_path / "out"
    command = ["-m", "conformance", "check", "--target", str(profile), "--out", str(out)]
    ended = read_back(*started([*command, "--only", "GRT,TLS"]), out)
    assert ended.exit_code == 3, ended.said
    assert "does not answer" in ended.results["conclusion"]["headline"]
    assert set(ended.verdicts().values()) == {"inconclusive"}


@pytest.mark.parametrize(
    ("names", "how", "headline"),
    [
        (["mx.example"], {"lives": 1}, "no longer answered at the end"),
        (["mx.example"], {"garbage": b"\x00\xff\r\nno\rreply\n" * 40}, "does not answer"),
        (["elsewhere.example"], {}, "the sanity dialogue did not get through"),
    ],
    ids=["dies half-way", "talks garbage", "wrong certificate"],
)
def test_an_odd_target_is_not_accused(
    names: list[str],
    how: dict[str, Any],
    headline: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four files, exit 3, no traceback, and nothing held against what could not be measured."""
    monkeypatch.setenv("STUB_USERNAME", "somebody")
    monkeypatch.setenv("STUB_PASSWORD", "correct-horse-battery")
    out = tmp_path / "out"
    with odd_target(tmp_path, names, **how) as profile:
        command = ["-m", "conformance", "check", "--target", str(profile), "--out", str(out)]
        ended = read_back(*started([*command, "--only", "CTL-02"]), out)
    assert ended.exit_code == 3, ended.said
    assert headline in ended.results["conclusion"]["headline"]
    assert "Traceback" not in ended.said
    assert "not met" not in ended.verdicts().values()


def test_a_target_that_throttles_is_not_accused(tmp_path: Path) -> None:
    """With 5 messages a minute and 3 connections: inconclusive with its reason, and an end."""
    table = toml_table.load(PROFILES / "seed-2025.toml")
    table["relay"]["rates"] = {"window_seconds": 60.0, "messages_per_user": 5}
    table["relay"]["limits"] = {"connections_per_address": 3}
    profile = tmp_path / "throttled.toml"
    profile.write_text(toml_table.write(table), encoding="utf-8")
    out = tmp_path / "out"
    command = ["-m", "conformance", "check", "--target", str(profile), "--out", str(out)]
    command += ["--only", "CTL,SND-01", "--patience", "2"]
    ended = read_back(*started(command), out)
    assert ended.exit_code == 3, ended.said
    assert "not met" not in ended.verdicts().values()
    assert "message rate exceeded" in ended.row("SND-01")["reason"]


def test_the_service_of_2026_says_what_it_does_not_claim(tmp_path: Path) -> None:
    """465 is served and checked; choices below an RFC are named and count as no pass."""
    command = ["-m", "conformance", "certify", "--target", "vendor-2026", "--out", str(tmp_path)]
    ended = read_back(*started([*command, "--only", "EPT-04,PATH-23,RPL-09"]), tmp_path)
    assert ended.exit_code == 0, ended.said
    wanted = {"EPT-04": "met", "PATH-23": "not claimed", "RPL-09": "not claimed"}
    assert ended.verdicts() == wanted
    assert "50 recipients" in ended.row("PATH-23")["reason"]
    assert "235 2.0.0" in ended.row("RPL-09")["reason"]


@pytest.mark.parametrize(
    "arguments",
    [["--only", "NOPE"], ["--only", ""], ["--target", "nowhere.toml"], ["--", "--no-such-option"]],
)
def test_usage_errors_exit_2_with_a_report(tmp_path: Path, arguments: list[str]) -> None:
    """A wrong selection, profile or option is said in one line, and in the files."""
    out = tmp_path / "out"
    command = ["-m", "conformance", "check", "--out", str(out)]
    ended = read_back(*started([*command, *arguments]), out)
    assert ended.exit_code == 2, ended.said
    assert ended.results["conclusion"]["headline"].startswith("usage error: ")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """One message, no traceback."""
    (tmp_path / "out").write_text("a file, no folder", encoding="utf-8")
    command = ["-m", "conformance", "certify", "--only", "NOPE", "--out", str(tmp_path / "out")]
    exit_code, said = started(command)
    assert exit_code == 2
    assert "cannot be written" in said


def test_a_part_is_never_called_a_certification(tmp_path: Path) -> None:
    """The headline of --only names the part and says what it is not."""
    out = tmp_path / "out"
    command = ["-m", "conformance", "certify", "--only", "GRT-01", "--out", str(out)]
    ended = read_back(*started(command), out)
    assert ended.exit_code == 0, ended.said
    headline = ended.results["conclusion"]["headline"]
    assert headline.endswith("; a part of the catalogue (GRT-01), no certification")


@pytest.mark.parametrize(
    "arguments",
    [
        ["-k", "nothing"],
        ["-knothing"],
        ["-vk", "nothing"],
        ["-m", "slow"],
        ["--deselect=conformance"],
        ["--only", "TLS"],
        ["-p", "no:conformance.plugin"],
        ["-pno:randomly"],
        ["-o", "python_files=none.py"],
        ["-n", "2", "--last-failed"],
        ["conformance/rfc3207"],
    ],
    ids=" ".join,
)
def test_a_certification_takes_no_filter(arguments: list[str], tmp_path: Path) -> None:
    """What would leave checks out is refused with its remedy, exit 2, before anything starts."""
    command = ["-m", "conformance", "certify", "--out", str(tmp_path / "out")]
    exit_code, said = started([*command, "--", *arguments])
    assert exit_code == 2
    assert "use check" in said
    assert said.count("\n") == 1


def test_a_certification_takes_no_waivers(tmp_path: Path) -> None:
    """The option belongs to check."""
    command = ["-m", "conformance", "certify", "--waivers", str(tmp_path / "waivers.toml")]
    exit_code, said = started(command)
    assert exit_code == 2
    assert "--waivers" in said


def test_the_environment_filters_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options of pytest that lie in the environment leave no check out."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing")
    monkeypatch.setenv("PYTEST_PLUGINS", "no_such_plugin_anywhere")
    out = tmp_path / "out"
    command = ["-m", "conformance", "certify", "--only", "GRT-01", "--out", str(out)]
    ended = read_back(*started(command), out)
    assert ended.exit_code == 0, ended.said
    assert ended.verdicts()["GRT-01"] == "met"


def test_a_check_may_waive(tmp_path: Path) -> None:
    """A known failure turns the run green, and a stale entry red."""
    checks = tmp_path / "test_checks.py"
    checks.write_text(
        HEAD
        + """
@requirement("GRT-01")
def test_fails():
    "Fails."
    must(False, expected="a greeting", observed="none")
""",
        encoding="utf-8",
    )
    waivers = tmp_path / "waivers.toml"
    more = f"command='check', waivers=Path({str(waivers)!r}), only=tuple"
    driver = DRIVER.replace("only=tuple", more)
    entry = """
[[waiver]]
requirement = "GRT-01"
fails = "{fails}"
reason = "known"
owner = "postmaster"
link = "https://issues.example/1"
expires = 2099-01-01
"""
    for fails, exit_code in (("a greeting", 0), ("something else", 1)):
        waivers.write_text(entry.format(fails=fails), encoding="utf-8")
        out = tmp_path / f"out{exit_code}"
        _, said = started(["-c", driver, str(checks), str(out), "GRT-01", ""])
        assert f"EXIT {exit_code}" in said, said
        assert ("waived: GRT-01" in said) == (exit_code == 0)
        is_proposed = '[[waiver]]\nrequirement = "GRT-01"\nfails = "a greeting"\n' in said
        assert is_proposed == (exit_code == 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "expected a readable file"),
        ("[[waiver]]\nrequirement = 'GRT-01'\n", "line 1: waiver[0]: expected the keys"),
    ],
)
def test_a_wrong_list_of_waivers_is_said_before_anything_runs(
    text: str | None, message: str, tmp_path: Path
) -> None:
    """File, line and key, exit 2, and no relay was started for it."""
    waivers, out = tmp_path / "waivers.toml", tmp_path / "out"
    if text is not None:
        waivers.write_text(text, encoding="utf-8")
    command = ["-m", "conformance", "check", "--waivers", str(waivers), "--out", str(out)]
    ended = read_back(*started(command), out)
    assert ended.exit_code == 2, ended.said
    headline = ended.results["conclusion"]["headline"]
    assert str(waivers) in headline
    assert message in headline
    assert not ended.results["run"]["sanity"]


def test_a_command_for_somebody_elses_relay_contradicts_itself(
    tmp_path: Path, profile: Path
) -> None:
    """The profile says where the relay is, the option says to start one: one message, exit 2."""
    out = tmp_path / "out"
    command = ["-m", "conformance", "check", "--target", str(profile), "--out", str(out)]
    ended = read_back(*started([*command, "--relay-command", "true"]), out)
    assert ended.exit_code == 2, ended.said
    assert "line 4: relay.kind: expected" in ended.results["conclusion"]["headline"]


def test_a_dead_instrument_judges_nobody(
    tmp_path: Path, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a control sample fails, nothing is sent to the target, and the files say why; exit 4."""
    out = tmp_path / "out"
    monkeypatch.setattr(instrument, "trouble", lambda: "the broken relay x was not noticed")
    code = main(["certify", "--target", str(profile), "--only", "GRT-01", "--out", str(out)])
    assert code == 4
    results = archive.load(out / "results.json")
    assert "x was not noticed" in results["conclusion"]["headline"]
    assert not results["run"]["sanity"]
