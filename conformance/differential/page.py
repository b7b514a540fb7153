"""The comparison as a page for people and as JSON for programs."""

from __future__ import annotations

import json

from conformance.differential.corpus import Case, Letter
from conformance.differential.reading import Comparison, Seen, reading
from conformance.judgement import octets_shown

_LETTER = Letter("mailer@example.com", "rcpt@sink.example", "TOKEN")
_SHOWN_OCTETS = 60

_HEAD = """\
# One corpus, several relays

Written by `nox -s differential`. The same octets are sent to every relay; what is compared is
where each finds the end of the content, what it does with line ends and odd octets, and which
header reaches the next server. Reading differently is no fault by itself. It becomes one where mail
passes through both: what the first takes for one message and sends on as it is, the second takes
for two. The peers' configurations are those of [peers.md](peers.md); their answers to these octets
are not what their newest versions, or other settings, would say.
"""


def markdown(comparison: Comparison) -> str:
    """Return the page."""
    lines = [_HEAD]
    lines += ["| Relay | Version |", "|---|---|"]
    lines += [f"| {name} | {version} |" for name, version in comparison.relays.items()]
    lines += [f"| {name} | not asked: {_cell(why)} |" for name, why in comparison.missing.items()]
    lines += ["", "## Pairs that let a second message through", ""]
    smuggled = list(comparison.smuggled())
    if smuggled:
        lines += ["| First | Second | By |", "|---|---|---|"]
        lines += [f"| {one.first} | {one.second} | {one.case} |" for one in smuggled]
    else:
        lines.append("None.")
    for topic in dict.fromkeys(case.topic for case in comparison.cases):
        cases = [case for case in comparison.cases if case.topic is topic]
        lines += ["", f"## {topic.value[:1].upper()}{topic.value[1:]}", ""]
        lines += [f"| Case | Octets | {' | '.join(comparison.relays)} |"]
        lines += ["|---|---|" + "---|" * len(comparison.relays)]
        lines += [_row(comparison, case) for case in cases]
    agreed = len(comparison.cases) - len(list(comparison.disagreements()))
    lines += ["", f"All relays agree on {agreed} of {len(comparison.cases)} cases."]
    return "\n".join(lines) + "\n"


def _row(comparison: Comparison, case: Case) -> str:
    readings = [reading(case, comparison.seen[relay][case.name]) for relay in comparison.relays]
    odd = octets_shown(case.odd[:_SHOWN_OCTETS]) + ("..." if len(case.odd) > _SHOWN_OCTETS else "")
    octets = f"`{odd}`" if odd else ""
    return f"| {case.name} | {octets} | {' | '.join(map(_cell, readings))} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def document(comparison: Comparison) -> str:
    """Return the same as JSON, with the octets of every case and of what was delivered."""
    return (
        json.dumps(
            {
                "schema": "1",
                "relays": dict(comparison.relays),
                "not_asked": dict(comparison.missing),
                "smuggling": [
                    {"first": one.first, "second": one.second, "case": one.case}
                    for one in comparison.smuggled()
                ],
                "disagreements": [
                    {
                        "case": one.case,
                        "topic": one.topic,
                        "readings": {said: list(who) for said, who in one.readings.items()},
                        "pairs": [list(pair) for pair in one.pairs],
                    }
                    for one in comparison.disagreements()
                ],
                "cases": [_case(comparison, case) for case in comparison.cases],
            },
            indent=1,
        )
        + "\n"
    )


def _case(comparison: Comparison, case: Case) -> dict[str, object]:
    return {
        "name": case.name,
        "topic": case.topic.value,
        "octets": octets_shown(case.content(_LETTER)),
        "seen": {
            relay: _seen(case, comparison.seen[relay][case.name]) for relay in comparison.relays
        },
    }


def _seen(case: Case, seen: Seen) -> dict[str, object]:
    return {
        "reading": reading(case, seen),
        "replies": list(seen.replies),
        "delivered": None
        if seen.delivered is None
        else [octets_shown(raw) for raw in seen.delivered],
        "trouble": seen.trouble,
    }
