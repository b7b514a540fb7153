"""The outcome as tables: on the terminal, and as the page `docs/performance.md`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from loadtests.benchmark.effort import Effort
from loadtests.benchmark.endurance import Endurance
from loadtests.benchmark.field import PEERS, Competitor
from loadtests.benchmark.machine import Machine
from loadtests.benchmark.rounds import Samples
from loadtests.benchmark.target import TARGETS, Finding, judge, judge_endurance
from loadtests.benchmark.workload import Workload

_BUSY_DRIVER = 0.9


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that a run brought.

    Attributes:
        missing: Servers that could not be measured, by key, and why.
        are_cores_apart: Servers and driver each had a core of their own.
        endurance: None if it was not asked for.
    """

    machine: Machine
    effort: Effort
    is_quick: bool
    are_cores_apart: bool
    workloads: Sequence[Workload]
    competitors: Sequence[Competitor]
    missing: dict[str, str]
    samples: Samples
    endurance: Endurance | None

    @property
    def findings(self) -> list[Finding]:
        """The targets of the workloads that were measured, and how far they are met."""
        keys = {workload.key for workload in self.workloads}
        found = [judge(one, self.samples, self.missing) for one in TARGETS if one.workload in keys]
        return found + (judge_endurance(self.endurance) if self.endurance else [])

    @property
    def remarks(self) -> list[str]:
        """What a reader must know before believing a figure."""
        found = []
        if self.is_quick:
            found.append("Quick run: it shows that everything works, its figures mean nothing.")
        if not self.are_cores_apart:
            found.append("One core only: servers and driver took time from each other.")
        if self.machine.load > self.machine.cores / 2:
            found.append(
                f"The machine was busy before the run began (load {self.machine.load:.1f})."
            )
        found += [f"Missing: {PEERS[key].title}: {reason}" for key, reason in self.missing.items()]
        return found


@dataclass(frozen=True, slots=True)
class _Row:
    """A server's line in the table of costs."""

    title: str
    promise: str
    cells: tuple[str, ...]
    memory: str


def show(outcome: Outcome, console: Console) -> None:
    """Print the tables."""
    costs = Table("server", "250 means", *_headings(outcome), "MiB", title="server CPU, µs/message")
    for row in _rows(outcome):
        costs.add_row(row.title, row.promise, *row.cells, row.memory)
    console.print(costs)
    if outcome.findings:
        targets = Table("target", "", "at most", "measured", "", "spread", title="targets")
        for one in outcome.findings:
            measured = one.measured or "-"
            targets.add_row(one.title, one.workload, one.at_most, measured, one.verdict, one.note)
        console.print(targets)
    for remark in outcome.remarks:
        console.print(remark, style="yellow", markup=False)


def page(outcome: Outcome) -> str:
    """Return the page in Markdown."""
    machine, effort = outcome.machine, outcome.effort
    where = "one core, the driver on another" if outcome.are_cores_apart else "the only core"
    parts = [
        "# Performance\n",
        "Written by `nox -s bench`; do not edit.\n",
        *(f"**{remark}**\n" for remark in outcome.remarks),
        "## Against the targets\n",
        "A ratio is the relay's CPU per message divided by the peer's, each the median of the "
        "rounds of this run;\nthe spread gives the lowest and the highest of the single rounds.\n",
        _markdown(
            ("target", "workload", "at most", "measured", "verdict", "spread"),
            [
                (one.title, one.workload, one.at_most, one.measured or "-", one.verdict, one.note)
                for one in outcome.findings
            ],
        ),
        "## CPU per message\n",
        "User and system time of all processes of the server, in µs per accepted message: median "
        "(lowest to highest round).\nMemory is the largest sum of PSS over the server's processes "
        "after any of its measurements.\n",
        _markdown(
            ("server", "250 means", *_headings(outcome), "MiB"),
            [(row.title, row.promise, *row.cells, row.memory) for row in _rows(outcome)],
        ),
        "Messages per second of the same rounds (median), and how busy the driver was. "
        "From 90 % on the rate is the\ndriver's, not the server's; the CPU figures stand.\n",
        _markdown(("server", *_headings(outcome)), _rates(outcome)),
        "## How\n",
        f"- {machine.date}, commit {machine.commit}.",
        f"- {machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB; "
        f"{machine.system}; {machine.openssl}; load before the run {machine.load:.2f}.",
        f"- Rounds: {effort.rounds}; each workload on each server in turn, {effort.seconds:g} s "
        f"each after {effort.warm_up_seconds:g} s of warm-up; every round on freshly started "
        "servers with empty queues.",
        *(f"- {one.key}: {one.title}." for one in outcome.workloads),
        f"- Servers run on {where}; all over loopback, so the sender's write carries the "
        "receiver's cost.",
        "- TLS 1.3, P-256 certificate, full handshakes; AUTH PLAIN with a cheap password check "
        "everywhere: the relay's\n  cache of verified credentials, a database or comparison at "
        "the peers.",
        "- The relay runs with all rules, limits, log lines and the management API on. It "
        "discards (`[queue] discard`),\n  keeps (`[delivery] hold`), or delivers to a sink beside "
        "the driver that takes everything; then the figure\n  holds the CPU until the last "
        "message has arrived, and the sink's is nobody's.",
        "- Postfix and Exim do more than a relay: several processes, queue files that survive "
        "administration, a log line for\n  each stage (Postfix's own log daemon is counted).",
        *(f"- {one.server.title} ({one.server.promise.value}): {one.version}."
          for one in outcome.competitors),
    ]  # fmt: skip
    return "\n".join(parts) + "\n"


def _headings(outcome: Outcome) -> tuple[str, ...]:
    return tuple(workload.key for workload in outcome.workloads)


def _rows(outcome: Outcome) -> list[_Row]:
    rows = []
    for competitor in outcome.competitors:
        server = competitor.server
        taken = [outcome.samples.of(server.key, one.key) for one in outcome.workloads]
        memory = max((one.memory_octets for samples in taken for one in samples), default=0)
        cells = tuple(
            _cost(outcome.samples.costs(server.key, one.key)) for one in outcome.workloads
        )
        rows.append(_Row(server.title, server.promise.value, cells, f"{memory / (1 << 20):.0f}"))
    absent = ("missing",) * len(outcome.workloads)
    rows += [
        _Row(PEERS[key].title, PEERS[key].promise.value, absent, "-") for key in outcome.missing
    ]
    return rows


def _cost(costs: Sequence[float]) -> str:
    if not costs:
        return "-"
    if len(costs) == 1:
        return f"{costs[0]:.0f}"
    return f"{median(costs):.0f} ({min(costs):.0f}-{max(costs):.0f})"


def _rates(outcome: Outcome) -> list[tuple[str, ...]]:
    rows = []
    for competitor in outcome.competitors:
        cells = []
        for workload in outcome.workloads:
            taken = outcome.samples.of(competitor.server.key, workload.key)
            if not taken:
                cells.append("-")
                continue
            share = median(one.driver_share for one in taken)
            mark = "**" if share >= _BUSY_DRIVER else ""
            cells.append(f"{median(one.rate for one in taken):.0f}, {mark}{share:.0%}{mark}")
        rows.append((f"{competitor.server.title} ({competitor.server.promise.value})", *cells))
    return rows


def _markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(_cell(one) for one in line)} |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
