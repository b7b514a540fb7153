"""report.html: one offline file that needs no script and asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import jinja2

from conformance import SUITE_VERSION
from conformance.catalogue import Group
from conformance.report.results import Results
from conformance.verdict import ExitCode, Level, Verdict

_HOME = Path(__file__).parent

_SIGNS = {
    Verdict.MET: "✓",
    Verdict.NOT_MET: "✕",
    Verdict.WARNING: "!",
    Verdict.INCONCLUSIVE: "?",
    Verdict.HARNESS_ERROR: "⚙",
    Verdict.NOT_CLAIMED: "-",
    Verdict.NOT_OBSERVABLE: "◌",
    Verdict.UNCHECKED: "·",
}
# In the order in which a reader wants them: what needs attention first.
_READING_ORDER = (
    *(Verdict.NOT_MET, Verdict.HARNESS_ERROR, Verdict.INCONCLUSIVE, Verdict.WARNING, Verdict.MET),
    *(Verdict.NOT_CLAIMED, Verdict.NOT_OBSERVABLE, Verdict.UNCHECKED),
)
_ATTENTION = _READING_ORDER[:4]
# results.json has more of it; here a page must stay a page.
_LONGEST_EVENT, _LONGEST_EVENT_IN_BRIEF = 2048, 160
_MOST_EVENTS, _MOST_EVENTS_IN_BRIEF = 400, 30
# After each line end, so that a reply of several lines reads as several lines.
_LINE_END = re.compile(r"(?<=(?<!\\)\\n)|(?<=\\\\\\n)")


@dataclass(frozen=True, slots=True)
class WireLine:
    """One line of a transcript as shown."""

    at: str
    direction: str
    is_tls: bool
    text: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One piece of a group's bar, in per cent."""

    verdict: Verdict
    start: float
    width: float
    count: int


def render(results: Results) -> str:
    """Return report.html; everything from outside is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HOME),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"slug": slug, "sign": _SIGNS.__getitem__, "wire": wire_lines}
    style = (_HOME / "report.css").read_text(encoding="utf-8")
    script = (_HOME / "report.js").read_text(encoding="utf-8")
    return environment.get_template("report.html.jinja").render(
        results=results,
        run=results.run,
        conclusion=results.conclusion,
        colour=_COLOURS[results.conclusion.exit_code],
        order=[verdict for verdict in _READING_ORDER if results.conclusion.counts.get(verdict)],
        attention=[each for verdict in _ATTENTION for each in results.with_verdict(verdict)],
        first_seen=_first_seen(results),
        bars={group.id: bars(results, group) for group in results.groups},
        needs_attention=_ATTENTION,
        sanity_verdict=Verdict.MET,
        version=SUITE_VERSION,
        style=style,
        style_hash=_csp_hash(style),
        script=script,
        script_hash=_csp_hash(script),
        coverage=_coverage(results),
        tls_facts=_tls_facts(results),
        without_evidence=_without_evidence(results),
    )


def _csp_hash(text: str) -> str:
    """Return the source expression that lets the browser use just this text (CSP)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _coverage(results: Results) -> str:
    """Say how much of the catalogue was judged, level by level."""
    levels = []
    for level in Level:
        rows = [one for one in results.requirements if one.requirement.level is level]
        judged = sum(one.verdict.is_judged for one in rows)
        levels.append(f"{level.value} {judged} of {len(rows)}")
    return ", ".join(levels)


def _tls_facts(results: Results) -> tuple[str, ...]:
    """Return what the handshakes of the sanity dialogues agreed on, each text once."""
    facts = {
        str(event["octets"]).removeprefix(_HANDSHAKE)
        for transcript in results.run.sanity_transcripts
        for event in cast("Sequence[Mapping[str, object]]", transcript["events"])
        if str(event["octets"]).startswith(_HANDSHAKE)
    }
    return tuple(sorted(facts))


def _without_evidence(results: Results) -> tuple[str, ...]:
    """Name the checks that say *met* and show nothing for it."""
    return tuple(
        dict.fromkeys(
            check.check
            for result in results.requirements
            for check in result.checks
            if check.verdict is Verdict.MET
            and check.check != "passive"
            and not (check.held or check.transcripts)
        )
    )


_HANDSHAKE = "TLS handshake done: "
_COLOURS = {
    ExitCode.CONFORMANT: "met",
    ExitCode.NOT_CONFORMANT: "not-met",
    ExitCode.USAGE: "harness-error",
    ExitCode.INCONCLUSIVE: "inconclusive",
    ExitCode.HARNESS_FAULT: "harness-error",
}


def slug(verdict: Verdict) -> str:
    """Return the verdict as a CSS class."""
    return verdict.value.replace(" ", "-")


def bars(results: Results, group: Group) -> tuple[Bar, ...]:
    """Cut a group's bar into pieces as wide as the verdicts are frequent."""
    verdicts = [each.verdict for each in results.of(group)]
    pieces: list[Bar] = []
    start = 0.0
    for verdict in _READING_ORDER:
        if count := verdicts.count(verdict):
            width = 100 * count / len(verdicts)
            pieces.append(Bar(verdict, round(start, 3), round(width, 3), count))
            start += width
    return tuple(pieces)


def wire_lines(transcript: Mapping[str, object], verdict: Verdict) -> Iterator[WireLine]:
    """Cut a transcript into the lines to show; evidence for a met requirement is shown in brief."""
    longest = _LONGEST_EVENT if verdict in _ATTENTION else _LONGEST_EVENT_IN_BRIEF
    events = cast("Sequence[Mapping[str, object]]", transcript["events"])
    most = _MOST_EVENTS if verdict in _ATTENTION else _MOST_EVENTS_IN_BRIEF
    for event in events[:most]:
        octets = str(event["octets"])
        omitted = cast("int", event["omitted_octets"]) + max(0, len(octets) - longest)
        shown = [line for line in _LINE_END.split(octets[:longest]) if line] or [""]
        for place, text in enumerate(shown):
            yield WireLine(
                at=f"{cast('float', event['at_seconds']):.3f}" if place == 0 else "",
                direction=str(event["direction"]),
                is_tls=bool(event["is_tls"]),
                text=text,
                note=f"{omitted} more" if omitted and place == len(shown) - 1 else "",
            )
    hidden = cast("int", transcript["omitted_events"]) + max(0, len(events) - most)
    if hidden:
        yield WireLine("", "=", is_tls=False, text="", note=f"{hidden} events more")


def _first_seen(results: Results) -> dict[str, str]:
    """Map each check to the requirement under which its evidence is printed, once."""
    seen: dict[str, str] = {}
    for result in results.requirements:
        for check in result.checks:
            if check.transcripts:
                seen.setdefault(check.check, result.requirement.id)
    return seen
