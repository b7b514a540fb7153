"""Ours beside its peers: the same questions, in turn, in one run; written as a document."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fake_dns.benchmark.contestant import (
    Contestant,
    describe_machine,
    describe_state,
    dnslib,
    named,
    ours,
    running,
)
from fake_dns.benchmark.load import EVER_NEW, REPEATED, Measured, measure, write_questions

# The demand, on the same codec.
LEAST_RATIO: Final = 5.0
_PEER: Final = "dnslib's own server"


@dataclass(frozen=True, slots=True)
class Row:
    """One contestant under one load: the median of its rounds, and their spread."""

    name: str
    rounds: tuple[Measured, ...]

    @property
    def per_cpu_second(self) -> float:
        """Median over the rounds."""
        return statistics.median(one.per_cpu_second for one in self.rounds)

    @property
    def per_second(self) -> float:
        """Median over the rounds."""
        return statistics.median(one.per_second for one in self.rounds)

    @property
    def spread(self) -> float:
        """Half of the way from the least to the most, in parts of the median."""
        values = [one.per_cpu_second for one in self.rounds]
        return (max(values) - min(values)) / 2 / self.per_cpu_second if self.per_cpu_second else 0

    @property
    def lost(self) -> int:
        """Queries without an answer, in all rounds."""
        return sum(one.lost for one in self.rounds)


def compare(rounds: int, seconds: float, out: Path | None) -> int:
    """Measure everybody, write the document, and say whether ours is as fast as it has to be.

    Raises:
        Missing: dnsperf or BIND is not installed.
    """
    contestants = [ours("asyncio"), dnslib(), named()]
    if find_spec("uvloop") is not None:
        contestants.insert(1, ours("uvloop"))
    began = describe_state()
    tables = {
        "Ten questions, again and again": _measure(contestants, REPEATED, rounds, seconds),
        "A hundred thousand names that do not exist": _measure(
            contestants, EVER_NEW, rounds, seconds
        ),
    }
    text = _document(tables, rounds, seconds, began)
    sys.stdout.write(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    first = next(iter(tables.values()))
    ratio = _ratio(first[0], first)
    if ratio < LEAST_RATIO:
        sys.stderr.write(f"{ratio:.1f} times {_PEER}; expected at least {LEAST_RATIO:g}\n")
        return 1
    return 0


def _measure(
    contestants: Sequence[Contestant], questions: tuple[str, ...], rounds: int, seconds: float
) -> list[Row]:
    found: dict[str, list[Measured]] = {one.name: [] for one in contestants}
    with tempfile.TemporaryDirectory(prefix="fake-dns-") as name:
        directory = Path(name)
        path = write_questions(questions, directory / "questions")
        # In turn, so that whatever else the machine does falls on all alike.
        for _ in range(rounds):
            for one in contestants:
                with running(one, directory) as server:
                    found[one.name].append(measure(server, path, seconds))
    return [Row(name, tuple(measured)) for name, measured in found.items()]


def _ratio(row: Row, rows: Sequence[Row]) -> float:
    peer = next(one for one in rows if one.name == _PEER)
    return row.per_cpu_second / peer.per_cpu_second if peer.per_cpu_second else 0.0


def _document(tables: dict[str, list[Row]], rounds: int, seconds: float, began: str) -> str:
    parts = [
        "# fake_dns beside its peers",
        "",
        "Written by `nox -s bench_dns`; every line of it comes from one run.",
        "Generator and servers share one machine, so what counts is answers per second of the",
        "server's own processor time; the rate on the wall is given for orientation.",
        "",
        f"- Machine: {describe_machine()}",
        f"- State: `{began}`",
        f"- Each figure is the median of {rounds} rounds of {seconds:g} s, the contestants in turn;"
        " ± is half of the spread.",
        "- dnsperf over UDP, one zone of some ten record sets; BIND with one thread.",
        "- The answers are those of each server: dnslib's says NXDOMAIN without an SOA.",
    ]
    for title, rows in tables.items():
        parts += ["", f"## {title}", "", *_table(rows)]
    parts += [
        "",
        "The first load is what a test suite or a relay under load asks; fake_dns packs each",
        "answer once. In the second every name is looked up, and what the answers about names",
        "that do not exist have in common is packed once. What resembles no earlier answer (a new",
        "name below a wildcard, a client's new cookie) is packed afresh, at ten times the cost.",
        "",
    ]
    return "\n".join(parts)


def _table(rows: list[Row]) -> list[str]:
    lines = [
        "| server | answers per CPU-second | ± | times dnslib's | answers/s on the wall | lost |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row.name} | {row.per_cpu_second:,.0f} | {row.spread:.0%} | {_ratio(row, rows):.1f} |"
        f" {row.per_second:,.0f} | {row.lost} |"
        for row in rows
    ]
    return lines
