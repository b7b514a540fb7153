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
        "plots": [Markup(one) for one in _plots(session)],  # noqa: S704 - escaped where drawn
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


def _plots(session: Session) -> Iterator[str]:
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
    for one in session.holds:
        series = sorted(one.outcome.measurement.series.items())
        lines.append(Line(f"{one.kind}: planned", [(at, row[0]) for at, row in series]))
        lines.append(
            Line(f"{one.kind}: accepted", [(at, row[1]) for at, row in series], is_dashed=True)
        )
    yield plot("Offered and achieved", lines, "second of the hold", "messages in it")
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


_STYLE = (
    "text{font:11px sans-serif;fill:#555}.title{font-size:13px;fill:#222}.end{text-anchor:end}"
    ".middle{text-anchor:middle}.grid{stroke:#ddd;stroke-width:.6}"
    ".mark{stroke:#222;stroke-dasharray:2 3}polyline{fill:none;stroke-width:1.6}"
)


def write_page(sessions: Sequence[Session], facts: dict[str, Any], path: Path) -> None:
    """Write the figures as Markdown, and the plots beside it as SVG files.

    Raises:
        OSError: It cannot be written.
    """
    lines = [
        "# Capacity",
        "",
        f"Written by `{facts['command']}` on {facts['date']}, commit {facts['commit']}: "
        f"{facts['processor']}, {facts['cores']} cores, {facts['system']}. "
        "One machine carries the service, the generator and the sink: compare, do not quote.",
        "",
        "| service | messages/s | limiter | evidence | ledger at 100 % |",
        "|---|---|---|---|---|",
    ]
    for one in sessions:
        ledger = next((h.outcome.ledger for h in one.holds if h.kind == "hold 100%"), None)
        books = "-" if ledger is None else f"{ledger.arrived:,} of {ledger.accepted:,} arrived once"
        if ledger is not None and not ledger.is_balanced:
            books = f"**not balanced**: {ledger.missing} missing, {ledger.doubled} doubled"
        lines.append(
            f"| {one.site.name} | {one.interval} | {one.limiter.name} | {one.limiter.evidence} "
            f"| {books} |"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(sessions):
        lines += ["", f"## {one.site.name}", "", one.claim, ""]
        lines += [f"- {remark}" for remark in one.remarks]
        for place, drawn in enumerate(_plots(one)):
            if not drawn.startswith("<svg"):
                continue
            file = path.with_name(f"{path.stem}-{number}-{place}.svg")
            text = drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
            text = text.replace(">", f"><style>{_STYLE}</style>", 1)
            file.write_text(text, encoding="utf-8")
            lines.append(f"![plot {place + 1}]({file.name})")
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
