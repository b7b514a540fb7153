"""The benchmark as a program: a small run, servers that fail, bad input."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fixtures.peers.programs import Missing
from loadtests.benchmark import footprint, rounds, sample
from loadtests.benchmark.__main__ import ExitCode, main
from loadtests.benchmark.child import Child
from loadtests.benchmark.effort import QUICK
from loadtests.benchmark.field import DISCARDING_RELAY, PEERS, Field
from loadtests.benchmark.pinning import Cores
from loadtests.benchmark.server import ADDRESS, Ground, Promise, Running
from loadtests.benchmark.workload import WORKLOADS

_EFFORT = replace(QUICK, seconds=0.1, at_least=3, sessions=40, idle_sessions=30)


@pytest.fixture
def field(tmp_path: Path) -> Field:
    return Field([], tmp_path, tmp_path, Cores.choose())


def test_every_workload_is_taken_by_the_relay(field: Field) -> None:
    """Each dialogue is one that the relay accepts, and costs it something."""
    with field.running([DISCARDING_RELAY]) as running:
        relay = running[DISCARDING_RELAY.key]
        for workload in WORKLOADS.values():
            taken = asyncio.run(sample.take(relay, field.login, workload, _EFFORT))
            assert taken.messages >= 3
            assert taken.cpu_seconds > 0
            assert taken.memory_octets > 1 << 20
    assert not footprint.members(relay.pid)


def test_a_small_run_prints_and_writes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without peers: costs, targets that are named as not measured, memory, and the page."""
    monkeypatch.setattr("loadtests.benchmark.__main__.QUICK", _EFFORT)
    page = tmp_path / "docs" / "performance.md"
    order = ["--quick", "--workloads", "W1", "--peers", "", "--cache", str(tmp_path)]
    assert main([*order, "--write", str(page)]) == ExitCode.MEASURED
    printed = capfd.readouterr().out
    for text in (printed, page.read_text()):
        assert "accept + durable against Postfix HOLD" in text
        assert "not measured" in text
        assert "per idle authenticated session" in text


@dataclass(frozen=True, slots=True)
class Stubborn:
    """A peer that greets and then refuses everything."""

    key: str = "postfix"
    title: str = "stubborn"
    promise: Promise = Promise.DURABLE

    def prepare(self, cache: Path) -> str:
        return "1"

    def start(self, ground: Ground) -> Running:
        program = (
            "import json, socket, sys\n"
            f"listening = socket.create_server(({ADDRESS!r}, 0))\n"
            "print(json.dumps({'port': listening.getsockname()[1]}), flush=True)\n"
            "while True:\n"
            "    with listening.accept()[0] as client:\n"
            "        client.sendall(b'220 hello\\r\\n')\n"
            "        client.recv(100)\n"
            "        client.sendall(b'550 no\\r\\n')\n"
        )
        child = Child([sys.executable, "-c", program], ground.folder, ground.cores)
        return Running((ADDRESS, child.ready_line()["port"]), child.pid, child.stop)


def test_a_peer_that_fails_is_named_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the peer said is the reason; the relay's samples are there."""
    monkeypatch.setitem(PEERS, "postfix", Stubborn())
    field = Field(["postfix"], tmp_path, tmp_path, Cores.choose())
    samples = rounds.run(field, [WORKLOADS["W1"]], _EFFORT, lambda text: None)
    assert "failed in W1" in field.missing["postfix"]
    assert "550 no" in field.missing["postfix"]
    assert samples.costs("relay-durable", "W1")
    assert not samples.costs("postfix", "W1")


def test_a_program_that_is_not_there_is_missing(tmp_path: Path) -> None:
    """The reason names the program, not the path of this machine."""
    with pytest.raises(Missing, match="cannot run no-such-program: No such file"):
        Child([str(tmp_path / "no-such-program")], tmp_path, Cores.choose())


def test_a_program_that_ends_at_once_is_missing(tmp_path: Path) -> None:
    """The reason holds what it said on stderr."""
    child = Child(
        [sys.executable, "-c", "import sys; sys.exit('no room')"], tmp_path, Cores.choose()
    )
    with pytest.raises(Missing, match="ended with exit status 1: no room"):
        child.ready_line()


def test_stopping_ends_the_whole_family(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that outlives its parent is ended too."""
    monkeypatch.setattr("loadtests.benchmark.child._STOP_SECONDS", 0.5)
    program = (
        "import os, signal, time\nprint('{}', flush=True) if os.fork() else None\ntime.sleep(60)\n"
    )
    child = Child([sys.executable, "-c", program], tmp_path, Cores.choose())
    child.ready_line()
    family = footprint.members(child.pid)
    assert len(family) == 2
    child.stop()
    due_at = time.monotonic() + 10
    while footprint.alive(family) and time.monotonic() < due_at:
        time.sleep(0.01)
    assert not footprint.alive(family)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--workloads", "W9"], "expected names out of W1,W2,W3,64K, found 'W9'"),
        (["--peers", "sendmail"], "expected names out of aiosmtpd,"),
        (["--rounds", "0"], "expected a whole number from 1 to 100, found '0'"),
        (["--rounds", "many"], "expected a whole number from 1 to 100, found 'many'"),
    ],
)
def test_bad_options_are_refused(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message that says what was expected, exit 2."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == ExitCode.USAGE
    assert expected in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_refused_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits ten minutes to learn that the file is a folder."""
    assert main(["--cache", str(tmp_path), "--write", str(tmp_path)]) == ExitCode.USAGE
    assert "expected a file that can be written" in capsys.readouterr().err
    blocked = tmp_path / "file"
    blocked.touch()
    page = blocked / "performance.md"
    assert main(["--cache", str(tmp_path), "--write", str(page)]) == ExitCode.USAGE
    assert capsys.readouterr().err.count("\n") == 1
