"""The figures for the docs: a Markdown page, and its plots beside it as SVG files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from loadtests.capacity import report
from loadtests.capacity.objectives import DELIVERY, durations, error_classes
from loadtests.capacity.session import Session, Tried
from loadtests.phase import Phase
from loadtests.trial import NoRoom

# A picture of its own takes nothing from the page around it.
_STYLE = (
    "text{font:11px sans-serif;fill:#555}.title{font-size:13px;fill:#222}.end{text-anchor:end}"
    ".middle{text-anchor:middle}.grid{stroke:#ddd;stroke-width:.6}"
    ".mark{stroke:#222;stroke-dasharray:2 3}polyline{fill:none;stroke-width:1.6}"
)
_RESPONSE = Phase.RESPONSE.value


def write(sessions: Sequence[Session], facts: Mapping[str, Any], path: Path) -> None:
    """Write it.

    Raises:
        NoRoom: It cannot be written.
    """
    lines = [*_head(facts), *_overview(sessions)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for old in path.parent.glob(f"{path.stem}-*-*.svg"):
            old.unlink()
        for number, one in enumerate(sessions):
            lines += [
                "",
                f"## {one.site.name}",
                "",
                one.claim,
                "",
                f"{', '.join(one.site.traits)}.",
            ]
            lines += ["", *_levels(one), *(f"\n{remark}" for remark in one.remarks), ""]
            lines += _pictures(one, path, number)
        path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    except OSError as error:
        raise NoRoom(f"{path}: {error.strerror}; free some room, or name another file") from None


def _head(facts: Mapping[str, Any]) -> Iterator[str]:
    yield from ("# Capacity", "", f"Written by `{facts['command']}`; do not edit.", "")
    if facts["load"] > facts["cores"] / 2:
        yield (
            f"**The machine was busy before the run began (load {facts['load']:.1f}): intervals "
            "show what was left of it.**"
        )
        yield ""
    yield (
        f"{facts['date']}, commit {facts['commit']}: {facts['processor']}, {facts['cores']} cores, "
        f"{facts['system']}, Python {facts['python']}, {facts['openssl']}. One machine carries the "
        "service, the generator and the sink, so compare services, and do not quote a rate."
    )
    yield ""


def _overview(sessions: Sequence[Session]) -> Iterator[str]:
    yield "| service | messages/s | again | limiter | evidence | ledger at 100 % |"
    yield "|---|---|---|---|---|---|"
    for one in sessions:
        again = ", ".join(
            f"{other} {'overlaps' if other.overlaps(one.interval) else '**apart**'}"
            for other in one.again
        )
        hold = next((hold for hold in one.holds if hold.kind == "hold 100%"), None)
        yield (
            f"| {one.site.name} | {one.interval}{'' if one.is_confirmed else ', cut short'} "
            f"| {again or '-'} | {one.limiter.name} | {one.limiter.evidence} "
            f"| {_books(hold) if hold else '-'} |"
        )


def _books(hold: Tried) -> str:
    ledger = hold.outcome.ledger
    if ledger is None:
        return "not observable"
    if ledger.is_balanced:
        return f"{ledger.arrived:,} of {ledger.accepted:,} arrived once"
    return (
        f"**not balanced**: {ledger.missing:,} missing, {ledger.doubled:,} doubled, "
        f"{ledger.changed:,} changed, {ledger.unexpected:,} unexpected"
    )


def _levels(one: Session) -> Iterator[str]:
    """Held at 80, 100 and 120 %, in milliseconds."""
    if not one.holds:
        yield "Held at nothing: no rate was confirmed."
        return
    yield "| held at | messages/s | p50 | p95 | p99 | delivered p95 | errors | verdict | ledger |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for hold in one.holds:
        response = [_percentile(hold, _RESPONSE, percent) for percent in (50.0, 95.0, 99.0)]
        errors = error_classes(hold.outcome)
        told = ", ".join(f"{count:,} {name}" for name, count in sorted(errors.items())) or "none"
        yield (
            f"| {hold.kind.removeprefix('hold ')} | {hold.rate:,.0f} | {' | '.join(response)} "
            f"| {_percentile(hold, DELIVERY, 95.0)} | {told} | {hold.verdict.value} "
            f"| {_books(hold)} |"
        )


def _percentile(hold: Tried, name: str, percent: float) -> str:
    histogram = durations(hold.outcome, name)
    if histogram is None or not histogram.count:
        return "-"
    return f"{histogram.percentile(percent) / 1000:,.1f}"


def _pictures(one: Session, path: Path, number: int) -> Iterator[str]:
    for place, drawn in enumerate(report.plots(one)):
        if not drawn.startswith("<svg"):
            continue
        file = path.with_name(f"{path.stem}-{number}-{place}.svg")
        text = drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
        text = text.replace(">", f"><style>{_STYLE}</style>", 1)
        file.write_text(text, encoding="utf-8")
        yield f"![plot {place + 1}]({file.name})"
