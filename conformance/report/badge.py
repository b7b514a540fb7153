"""badge.svg: the verdict for the head of a README."""

from __future__ import annotations

from conformance.report.results import Results
from conformance.verdict import ExitCode

_COLOURS = {
    ExitCode.CONFORMANT: "#1a7f37",
    ExitCode.NOT_CONFORMANT: "#b4232a",
    ExitCode.USAGE: "#5b6066",
    ExitCode.INCONCLUSIVE: "#8a5a00",
    ExitCode.HARNESS_FAULT: "#7b2fa3",
}
_WORDS = {
    ExitCode.NOT_CONFORMANT: "not conformant",
    ExitCode.USAGE: "not run",
    ExitCode.INCONCLUSIVE: "inconclusive",
    ExitCode.HARNESS_FAULT: "harness fault",
}
# Widths of DejaVu Sans and its like at 11 px, generously.
_CHARACTER_PX = 7
_LABEL = "submission"


def render(results: Results) -> str:
    """Return badge.svg; a skip is no pass, so it counts what was judged."""
    code = results.conclusion.exit_code
    counts = results.conclusion.counts
    judged = sum(number for verdict, number in counts.items() if verdict.is_judged)
    words = _WORDS.get(code, f"conformant, {judged} of {sum(counts.values())}")
    if results.run.caveat:
        words = f"{'part' if results.run.selection else results.run.order.command}: {words}"
    left, right = (_CHARACTER_PX * len(text) + 10 for text in (_LABEL, words))
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" \
aria-label="{_LABEL}: {words}">
<title>{_LABEL}: {words}</title>
<rect width="{left}" height="20" rx="3" fill="#3a3f45"/>
<rect x="{left}" width="{right}" height="20" rx="3" fill="{_COLOURS[code]}"/>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="{left / 2}" y="14">{_LABEL}</text>
<text x="{left + right / 2}" y="14">{words}</text>
</g>
</svg>
"""
