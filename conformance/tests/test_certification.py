"""Whole certifications: each in a process of its own, as a user starts them."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conformance.__main__ import main
from conformance.report import archive
from conformance.selfcheck import instrument
from conformance.tests.odd_targets import odd_target
from fixtures import toml_table
from fixtures.profile import PROFILES

ROOT = Path(__file__).parent.parent.parent
FILES = {
    *("report.html", "results.json", "junit.xml", "summary.md"),
    *("badge.svg", "statement.json"),
}

# Certifies once for each four arguments, and says each exit code in a line of its own.
DRIVER = """
import sys
from pathlib import Path
from rich.console import Console
from conformance.certification import Order, certify
given = sys.argv[1:]
while given:
    checks, out, only, more, *given = given
    order = Order(
        only=tuple(only.split(",")) if only else (),
        out=Path(out),
        pytest_arguments=tuple(more.split()),
        plugins=("fixtures.plugin", "conformance.tests.stub_world"),
        checks=(Path(checks),),
    )
    print("EXIT", int(certify(order, Console(width=1000))))
"""

HEAD = """
import pytest
from conformance.judgement import *
from conformance.requirement import requirement
from conformance.sanity import Stage
from conformance.tests import stub_world
from fixtures.probe import ConnectionLost, Refused
from fixtures.reply import Reply
from fixtures.transcript import SECRETS, Transcript, current_recorder
"""

EVERY_VERDICT = """
@requirement("GRT-01")
def test_met():
    "It is met."

@requirement("GRT-02")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_not_met(number):
    "The worst parameter decides."
    must(number != 2, expected="anything but 2", observed=number)

@requirement("GRT-10")
def test_warning():
    "A SHOULD."
    must(False, expected="kindness", observed="none")

@requirement("GRT-03")
def test_not_claimed():
    "Not claimed."
    not_claimed("the profile says no")

@requirement("GRT-04")
def test_not_observable():
    "Not observable."
    not_observable("no sink")

@requirement("GRT-05")
def test_inconclusive():
    "Inconclusive."
    raise ConnectionLost("reset by peer")

@requirement("GRT-06")
def test_harness_error():
    "Our mistake."
    raise KeyError("oops")

@requirement("GRT-07")
def test_skip():
    "A skip is no verdict."
    pytest.skip("do not feel like it")

@requirement("GRT-08")
@pytest.mark.xfail(reason="known", strict=False)
def test_xfail():
    "An expected failure is no verdict either."
    must(False, expected="a", observed="b")

@pytest.fixture
def broken():
    raise Refused("AUTH", Reply(535, "5.7.8", ("no",), b"535 5.7.8 no\\r\\n"))

@requirement("GRT-09")
def test_set_up(broken):
    "Set-up judges like the check itself."

@pytest.fixture
def untidy():
    yield
    raise RuntimeError("left something behind")

@requirement("GRT-11")
def test_tear_down(untidy):
    "A broken tear-down is our mistake."

@requirement("GRT-12", "CMD-01")
def test_two_requirements():
    "One check may judge two requirements."
    remark("unusual")
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """A certification that has ended."""

    exit_code: int
    said: str
    results: Mapping[str, Any]
    out: Path

    def verdicts(self) -> dict[str, str]:
        """Every requirement that is not unchecked."""
        rows = {row["id"]: row["verdict"] for row in self.results["requirements"]}
        return {name: verdict for name, verdict in rows.items() if verdict != "unchecked"}

    def row(self, name: str) -> Mapping[str, Any]:
        """One requirement's results."""
        (row,) = [row for row in self.results["requirements"] if row["id"] == name]
        found: Mapping[str, Any] = row
        return found


def started(command: Sequence[str]) -> tuple[int, str]:
    """Run a program of the suite to its end; it must not end in a traceback."""
    ended = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    said = ended.stdout + ended.stderr
    assert "Traceback" not in said, said
    return ended.returncode, said


def read_back(exit_code: int, said: str, out: Path) -> Ended:
    """Read what a certification left; all four files must be there and agree with it."""
    assert out.is_dir(), said
    assert {file.name for file in out.iterdir() if file.is_file()} == FILES, said
    results = archive.load(out / "results.json")
    assert results["conclusion"]["exit_code"] == exit_code, said
    assert results["conclusion"]["headline"] in said
    return Ended(exit_code, said, results, out)


def certified(folder: Path, checks: str, *selections: str, more: str = "") -> list[Ended]:
    """Certify nothing with these checks, once for each selection ("" is everything)."""
    file = folder / "test_checks.py"
    file.write_text(HEAD + checks, encoding="utf-8")
    outs = [folder / f"out{number}" for number, _ in enumerate(selections)]
    orders = [
        argument
        for out, only in zip(outs, selections, strict=True)
        for argument in (str(file), str(out), only, more)
    ]
    _, said = started(["-c", DRIVER, *orders])
    parts = re.split(r"^EXIT (\d)$", said, flags=re.MULTILINE)
    texts, codes = parts[0:-1:2], map(int, parts[1::2])
    return [read_back(*each) for each in zip(codes, texts, outs, strict=True)]


@pytest.mark.parametrize("workers", ["", "-n 2"], ids=["one process", "two workers"])
def test_every_end_of_a_check_has_its_verdict(tmp_path: Path, workers: str) -> None:
    """The verdicts are the same in one process and in several."""
    (ended,) = certified(tmp_path, EVERY_VERDICT, "", more=workers)
    assert ended.verdicts() == {
        "GRT-01": "met",
        "GRT-02": "not met",
        "GRT-10": "warning",
        "GRT-03": "not claimed",
        "GRT-04": "not observable",
        "GRT-05": "inconclusive",
        "GRT-06": "harness error",
        "GRT-07": "harness error",
        "GRT-08": "harness error",
        "GRT-09": "not met",
        "GRT-11": "harness error",
        "GRT-12": "met",
        "CMD-01": "met",
    }
    assert ended.exit_code == 1
    checks = ended.row("GRT-02")["checks"]
    assert sorted(check["verdict"] for check in checks) == ["met", "met", "not met"]
    assert ended.row("GRT-12")["checks"][0]["remarks"] == ["unusual"]


def test_exit_codes(tmp_path: Path) -> None:
    """Each conclusion has its exit code, and the report its sentence."""
    due = {
        "GRT-01": (0, "conformant in the 1 of "),
        "GRT-01,GRT-12": (0, "conformant in the 2 of "),
        "GRT-02": (1, "not conformant: 1 requirement not met (1 of "),
        "GRT-10": (0, "conformant in the 1 of "),
        "GRT-05": (3, "inconclusive: 1 requirement"),
        "GRT-03,GRT-04": (3, "inconclusive: no requirement could be judged"),
        "GRT-07": (4, "harness fault: the checks of 1 requirement"),
        "DATA-01": (2, "usage error: none of the requirements selected has a check"),
        "NOPE": (2, "usage error: --only NOPE: no such requirement or group"),
    }
    runs = certified(tmp_path, EVERY_VERDICT, *due)
    for (only, (exit_code, headline)), ended in zip(due.items(), runs, strict=True):
        assert ended.exit_code == exit_code, only
        assert ended.results["conclusion"]["headline"].startswith(headline), only


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ('@requirement("GRT-99")\ndef test_x(): pass\n', "unknown requirement GRT-99"),
        ("def test_x(: pass\n", "could not be collected"),
        ("raise RuntimeError('at import')\n", "could not be collected"),
    ],
)
def test_checks_that_cannot_be_collected_are_our_fault(
    tmp_path: Path, checks: str, message: str
) -> None:
    """A suite with an unknown id or a broken file certifies nobody."""
    (ended,) = certified(tmp_path, checks, "")
    assert ended.exit_code == 4, ended.said
    assert message in ended.results["conclusion"]["headline"]


def test_a_relay_that_died_is_not_accused(tmp_path: Path) -> None:
    """What failed while the target went away is inconclusive, and so is all that follows."""
    (ended,) = certified(
        tmp_path,
        """
@requirement("GRT-01")
def test_before():
    "Before."

@requirement("GRT-02")
def test_kills():
    "Kills the target."
    stub_world.stage = Stage.NOTHING
    must(False, expected="a reply", observed="silence")

@requirement("GRT-03")
def test_after():
    "After."
    must(False, expected="never runs", observed="ran")
""",
        "",
    )
    assert ended.verdicts() == {
        "GRT-01": "met",
        "GRT-02": "inconclusive",
        "GRT-03": "inconclusive",
    }
    assert ended.exit_code == 3
    assert "did not survive" in ended.row("GRT-02")["reason"]
    assert "silence" in ended.row("GRT-02")["reason"]
    assert "no longer answers" in ended.row("GRT-03")["reason"]


def test_an_interrupted_run_is_inconclusive(tmp_path: Path) -> None:
    """Ctrl-C leaves four files, what was found so far, and exit 3."""
    (ended,) = certified(
        tmp_path,
        """
@requirement("GRT-01")
def test_before():
    "Before."

@requirement("GRT-02")
def test_interrupted():
    "Interrupted."
    raise KeyboardInterrupt
""",
        "",
    )
    assert ended.exit_code == 3
    assert ended.verdicts() == {"GRT-01": "met"}
    assert "interrupted" in ended.results["conclusion"]["headline"]


def test_wrong_credentials_accuse_nobody(tmp_path: Path) -> None:
    """Where the first dialogue fails at AUTH, a check that needs AUTH finds nothing."""
    (ended,) = certified(
        tmp_path,
        """
stub_world.stage = Stage.ENCRYPTED

def refused_at_auth():
    spoken = current_recorder().register(Transcript("client to mx"))
    spoken.add("C", b"AUTH PLAIN xxxx\\r\\n", is_tls=True)
    reply = Reply(535, "5.7.8", ("no",), b"535 5.7.8 no\\r\\n")
    spoken.add_reply(reply, b"AUTH PLAIN xxxx", "AUTH PLAIN xxxx", is_tls=True)

@requirement("GRT-01")
def test_needs_auth():
    "Needs AUTH."
    refused_at_auth()
    must(False, expected="235", observed="535")

@requirement("GRT-02")
def test_needs_none():
    "Needs none."
    must(False, expected="a greeting", observed="none")
""",
        "",
    )
    assert ended.row("GRT-01")["verdict"] == "inconclusive"
    assert ended.row("GRT-02")["verdict"] == "not met"


def test_passive_rules_watch_every_check(tmp_path: Path) -> None:
    """A malformed reply in any check breaks RPL-01, though that check is content."""
    (ended,) = certified(
        tmp_path,
        """
@requirement("GRT-01")
def test_content():
    "Content."
    spoken = current_recorder().register(Transcript("client to mx"))
    spoken.add("S", b"220 mx.example\\n", label="malformed")
""",
        "",
    )
    assert ended.verdicts()["GRT-01"] == "met"
    assert ended.verdicts()["RPL-01"] == "not met"
    assert "client to mx" in str(ended.row("RPL-01")["checks"])


def test_no_secret_reaches_a_file_or_the_terminal(tmp_path: Path) -> None:
    """A password that a check shows everywhere is shown nowhere."""
    (ended,) = certified(
        tmp_path,
        """
@requirement("GRT-01")
@pytest.mark.parametrize("word", ["correct-horse-battery"])
def test_leaks(word):
    "Leaks."
    SECRETS.add(word)
    remark(f"remarked {word}")
    encoded = b"AGMAY29ycmVjdC1ob3JzZS1iYXR0ZXJ5\\xff"
    must(False, expected=f"not {word}", observed=encoded + word.encode())
""",
        "",
    )
    assert ended.exit_code == 1
    for text in [ended.said, *(file.read_text("utf-8") for file in ended.out.rglob("*.*"))]:
        assert "correct-horse" not in text
        assert "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5" not in text


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
