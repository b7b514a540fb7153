"""The report: one HTML file that asks nobody for anything, plots inside."""

from __future__ import annotations

import platform
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from loadtests.benchmark.machine import Machine
from loadtests.capacity.objectives import DELIVERY, durations, error_classes
from loadtests.capacity.plot import Line, plot
from loadtests.capacity.search import Verdict
from loadtests.capacity.session import Session, Tried
from loadtests.percentiles import Histogram
from loadtests.phase import Phase

_ROWS = (*(phase.value for phase in Phase), DELIVERY)
_SHARES = (50.0, 95.0, 99.0, 99.9)


def environment(command: Sequence[str], *, is_same_host: bool = True) -> dict[str, Any]:
    """What a figure is worth nothing without."""
    return {
        **asdict(Machine.here()),
        "python": platform.python_version(),
        "command": shlex.join(["python", "-m", "loadtests.capacity", *command]),
        "same_host": is_same_host,
        "clock": "one machine, one clock" if is_same_host else "several: deliveries depend on them",
    }


def render(sessions: Sequence[Session], facts: dict[str, Any], title: str) -> str:
    """Make the page."""
    loader = FileSystemLoader(Path(__file__).parent)
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    return page.get_template("report.html.jinja").render(
        title=title,
        facts=facts,
        sessions=[_described(one) for one in sessions],
        argv=" ".join(sys.argv[1:]),
    )


def _described(session: Session) -> dict[str, Any]:
    return {
        "session": session,
        "rows": list(_rows(session)),
        "plots": [Markup(one) for one in plots(session)],  # noqa: S704 - escaped where drawn
        "ledgers": [
            (one.kind, one.rate, one.outcome.ledger) for one in session.holds if one.outcome.ledger
        ],
        "errors": [(one.kind, sorted(error_classes(one.outcome).items())) for one in session.holds],
        "texts": _texts(session),
        "met": Verdict.MET,
    }


def _texts(session: Session) -> list[tuple[str, int]]:
    counted: dict[str, int] = {}
    for one in (*session.trials, *session.holds):
        for text, count in one.outcome.measurement.failures.items():
            counted[text] = counted.get(text, 0) + count
    return sorted(counted.items(), key=lambda pair: -pair[1])[:12]


def _rows(session: Session) -> Iterator[tuple[str, str, list[list[str]]]]:
    """Each operation: its limit, and for each hold its percentiles in ms."""
    for name in _ROWS:
        limits = [one for one in session.objectives.limits if one.duration == name]
        limit = ", ".join(f"p{one.percent:g} ≤ {one.seconds * 1000:g}" for one in limits)
        cells = []
        for one in session.holds:
            histogram = durations(one.outcome, name)
            cells.append(_cells(histogram))
        yield name, limit, cells


def _cells(histogram: Histogram | None) -> list[str]:
    if histogram is None or not histogram.count:
        return ["-"] * (len(_SHARES) + 1)
    values = [*(histogram.percentile(share) for share in _SHARES), float(histogram.longest)]
    return [f"{value / 1000:,.1f}" for value in values]


def plots(session: Session) -> Iterator[str]:
    """Draw the trials, the percentile spectrum, offered and achieved, and the queue."""
    yield plot(
        "99th percentile of the response in every trial",
        [
            Line(
                verdict.value,
                [
                    (one.rate, _p99(one))
                    for one in (*session.trials, *session.holds)
                    if one.verdict is verdict and _p99(one)
                ],
                is_dots=True,
            )
            for verdict in Verdict
        ],
        "planned messages a second",
        "ms",
        logarithmic_y=True,
        marks=[(session.interval.low, "claim")] if session.interval.low else (),
    )
    yield plot(
        "Percentile spectrum of the response, from the planned moment",
        [Line(one.kind, _spectrum(one)) for one in session.holds],
        "one in so many is slower",
        "ms",
        logarithmic_x=True,
        logarithmic_y=True,
    )
    lines = []
    for colour, one in enumerate(session.holds):
        # A second that was cut in the middle would look like a slump.
        whole = one.outcome.load.sending_seconds - 1
        series = [
            pair for pair in sorted(one.outcome.measurement.series.items()) if pair[0] <= whole
        ]
        planned = [(float(at), float(row[0])) for at, row in series]
        accepted = [(float(at), float(row[1])) for at, row in series]
        lines.append(Line(one.kind, planned, colour=colour))
        lines.append(Line("", accepted, is_dashed=True, colour=colour))
    yield plot("Offered, and achieved (dashed)", lines, "second of the hold", "messages in it")
    yield plot(
        "Accepted and not yet delivered",
        [
            Line(one.kind, [(look.at, look.backlog) for look in one.outcome.evidence.looks])
            for one in session.holds
        ],
        "seconds",
        "messages",
    )


def _p99(one: Tried) -> float:
    histogram = one.outcome.measurement.phases[Phase.RESPONSE]
    return histogram.percentile(99) / 1000 if histogram.count else 0.0


def _spectrum(one: Tried) -> list[tuple[float, float]]:
    histogram = one.outcome.measurement.phases[Phase.RESPONSE]
    points = []
    rest = 0.5
    while histogram.count and rest * histogram.count >= 1:
        points.append((1 / rest, histogram.percentile(100 * (1 - rest)) / 1000))
        rest /= 1.5
    return points
