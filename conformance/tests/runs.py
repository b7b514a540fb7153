"""Certifications that tests start, each in a process of its own, and what they leave."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.report import archive

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
