"""The outcome as Markdown, for the terminal and for `docs/performance-client.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from loadtests.benchmark.machine import Machine
from loadtests.client_benchmark.goals import Finding


def page(
    costs: Mapping[str, Sequence[float]],
    findings: Sequence[Finding],
    machine: Machine,
    rounds: int,
    seconds: float,
) -> str:
    """Make it.

    Args:
        costs: CPU per message in µs of each client, round by round.
        findings: Goals and what was measured.
        machine: Where, and how busy it was before.
        rounds: How many.
        seconds: Of each measurement.
    """
    return "\n".join([*_lines(costs, findings, machine, rounds, seconds), ""])


def _lines(
    costs: Mapping[str, Sequence[float]],
    findings: Sequence[Finding],
    machine: Machine,
    rounds: int,
    seconds: float,
) -> Iterator[str]:
    yield from (
        "# What the generator costs",
        "",
        "Written by `nox -s bench_client`; do not edit.",
        "",
    )
    if machine.load > machine.cores / 2:
        yield from (f"**The machine was busy before the run began (load {machine.load:.1f}).**", "")
    yield (
        "User and system time of the client's process per accepted message of 4 KiB, against the "
        "same null sink. W1 keeps its sessions, W2 has a TLS session for each message."
    )
    yield from ("", "| goal | at most | measured | verdict | rounds |", "|---|---|---|---|---|")
    for one in findings:
        verdict = "met" if one.is_met else "not met"
        yield f"| {one.goal} | {one.at_most} | {one.measured} | {verdict} | {one.spread} |"
    yield from ("", "| client | CPU per message, µs | rounds |", "|---|---|---|")
    for name, values in costs.items():
        yield f"| {name} | {median(values):,.0f} | {' '.join(f'{one:,.0f}' for one in values)} |"
    yield ""
    yield (
        "The cost of schedule, histograms and ledger is the difference between the last two rows: "
        "both users always have a next message, and a timer for a planned moment is measured alone "
        "and added. Percentiles are compared over two processes, merged, with each duration "
        "written down beside."
    )
    yield ""
    yield (
        f"{rounds} rounds of {seconds:g} s each, interleaved; medians. {machine.processor}, "
        f"{machine.cores} cores, {machine.system}, {machine.openssl}, {machine.date}, "
        f"commit {machine.commit}."
    )
