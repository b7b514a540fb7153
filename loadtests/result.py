"""What a run came to, and how it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from loadtests.ledger import Ledger
from loadtests.measurement import Measurement
from loadtests.percentiles import Histogram
from loadtests.trial import Outcome

PERCENTILES = (50.0, 95.0, 99.0)
# Above this share of a core the generator, not the service, may have set the rate. Locust warns at
# 90 % of a core too.
BUSY_SHARE = 0.9
_SHOWN_FAILURES = 10
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Result:
    """One run.

    Attributes:
        title: What was loaded and how, in one line.
        outcome: What it came to.
    """

    title: str
    outcome: Outcome

    @property
    def measurement(self) -> Measurement:
        """Of all generator processes."""
        return self.outcome.measurement

    @property
    def ledger(self) -> Ledger | None:
        """The books, None if arrivals could not be seen."""
        return self.outcome.ledger

    @property
    def rate(self) -> float:
        """Accepted messages per second."""
        seconds = self.measurement.elapsed_seconds
        return self.measurement.accepted / seconds if seconds else 0.0

    @property
    def cpu_microseconds(self) -> float:
        """What the generator spent per accepted message."""
        return 1e6 * self.measurement.cpu_seconds / max(self.measurement.accepted, 1)

    @property
    def busy_share(self) -> float:
        """Share of its core that each generator process used, 0 to 1."""
        seconds = self.measurement.elapsed_seconds * self.outcome.load.processes
        return self.measurement.cpu_seconds / seconds if seconds else 0.0

    @property
    def is_good(self) -> bool:
        """Whether messages were accepted, nothing failed and the books balance."""
        is_balanced = self.ledger is None or self.ledger.is_balanced
        measured = self.measurement
        has_trouble = measured.failures or measured.in_doubt or measured.unsent
        return bool(measured.accepted) and not has_trouble and is_balanced


def show(result: Result, console: Console) -> None:
    """Print it."""
    console.print(Group(Text(), Text(result.title, style="bold"), *_body(result)))


def _body(result: Result) -> Iterator[RenderableType]:
    measured = result.measurement
    if result.outcome.load.schedule is None:
        yield Text("Closed loop: a user begins its next message when the last one is answered.")
    else:
        yield Text("Open arrivals: “response” counts from the planned moment of each message.")
    if result.outcome.is_partial:
        yield Text(f"Partial, cut off: {result.outcome.cut_off}", style="yellow")
    yield Text()
    yield _table(measured, result.outcome.delays)
    yield Text()
    yield _line(
        "accepted",
        f"{measured.accepted:,} messages in {measured.elapsed_seconds:.1f} s, "
        f"{result.rate:,.0f} per second",
        "bold",
    )
    if measured.unsent:
        yield _line(
            "unsent", f"{measured.unsent:,} of {measured.planned:,} planned, not in time", "red"
        )
    yield from _failures(measured)
    for text, count in measured.refused.most_common(_SHOWN_FAILURES):
        yield _line("", f"{count:,} times as it should be: {text}", "dim")
    if measured.in_doubt:
        yield _line("in doubt", f"{measured.in_doubt:,} sent, but never answered", "red")
    yield from _arrivals(result)
    yield _line(
        "generator",
        f"{result.cpu_microseconds:,.0f} µs CPU per message, {result.busy_share:.0%} of a core, "
        f"{measured.delayed_seconds:.1f} s waiting for one",
    )
    yield _line(
        "",
        f"memory {measured.memory_early / _MIB:,.1f} MiB after 5 s, "
        f"{measured.memory_late / _MIB:,.1f} MiB at the end",
    )
    if result.busy_share >= BUSY_SHARE:
        yield _line("", "The generator was busy: read the rate as “at least”.", "yellow")


def _table(measured: Measurement, delays: Histogram) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("milliseconds")
    titles = [f"p{percent:g}" for percent in PERCENTILES]
    for name in ("count", *titles, "max"):
        table.add_column(name, justify="right")
    rows = {phase.value: histogram for phase, histogram in measured.phases.items()}
    if measured.lag.count:
        rows["generator's lag"] = measured.lag
    if delays.count:
        rows["delivery"] = delays
    for name, histogram in rows.items():
        if not histogram.count:
            table.add_row(name, "0", *("-" for _ in titles), "-")
            continue
        values = [*(histogram.percentile(percent) for percent in PERCENTILES), histogram.longest]
        table.add_row(name, f"{histogram.count:,}", *(f"{value / 1000:,.2f}" for value in values))
    return table


def _failures(measured: Measurement) -> Iterator[Text]:
    if not measured.failures:
        yield _line("errors", "none")
        return
    yield _line("errors", f"{measured.failures.total():,}", "red")
    for text, count in measured.failures.most_common(_SHOWN_FAILURES):
        yield _line("", f"{count:,} times: {text}")
    hidden = len(measured.failures) - _SHOWN_FAILURES
    if hidden > 0:
        yield _line("", f"and {hidden:,} other kinds")


def _arrivals(result: Result) -> Iterator[Text]:
    ledger = result.ledger
    if ledger is None:
        yield _line("arrived", "not observable: the profile has no sink")
        return
    yield _line(
        "arrived",
        f"{ledger.arrived:,} of {ledger.accepted:,} accepted, "
        f"{ledger.doubled:,} doubled, {ledger.changed:,} changed, "
        f"{result.outcome.settle_seconds:.1f} s after the end",
        "" if ledger.is_balanced else "red",
    )
    if ledger.missing:
        yield _line("", f"{ledger.missing:,} missing: lost, or still in the queue", "red")
    if ledger.in_doubt_arrived:
        yield _line("", f"and {ledger.in_doubt_arrived:,} of those in doubt")
    if ledger.unexpected:
        yield _line("", f"and {ledger.unexpected:,} that had been refused", "red")


def _line(name: str, text: str, style: str = "") -> Text:
    return Text.assemble((f"{name:<12}", style or "dim"), (text, style))
