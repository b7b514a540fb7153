"""summary.md: the verdict in GitHub-flavoured Markdown, for a job summary or a pull request."""

from __future__ import annotations

import html
import re

from conformance.report.results import RequirementResult, Results
from conformance.verdict import Verdict

_ATTENTION = (Verdict.NOT_MET, Verdict.HARNESS_ERROR, Verdict.INCONCLUSIVE, Verdict.WARNING)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~])")
_LONGEST = 300
_SLOWEST = 10


def render(results: Results) -> str:
    """Return summary.md."""
    run = results.run
    lines = [
        f"# {_plain(results.conclusion.headline)}",
        "",
        f"Target: {_plain(run.target)}. "
        f"Selection: {_plain(', '.join(run.selection) or 'everything')}. "
        f"Started {run.started_at.isoformat(timespec='seconds')}, "
        f"took {run.duration_seconds:.1f} s. "
        f"Everything sent is marked {_plain(run.token)}.",
        "",
        "| Verdict | Requirements |",
        "|---|---:|",
    ]
    lines += [
        f"| {verdict.value} | {number} |"
        for verdict, number in results.conclusion.counts.items()
        if number
    ]
    lines += _attention(results)
    lines += _groups(results)
    lines += _slowest(results)
    return "\n".join(lines) + "\n"


def _attention(results: Results) -> list[str]:
    needing = [each for verdict in _ATTENTION for each in results.with_verdict(verdict)]
    if not needing:
        return []
    lines = ["", "## What needs attention", ""]
    lines += ["| | Verdict | Level | Expected | Observed |", "|---|---|---|---|---|"]
    return lines + [_row(each) for each in needing]


def _row(result: RequirementResult) -> str:
    row = result.requirement
    worst = next((each for each in result.checks if each.verdict is result.verdict), None)
    expected = (worst.finding.expected if worst else "") or row.expected or row.wording
    observed = (worst.finding.observed if worst else "") or result.reason
    cells = (row.id, result.verdict.value, row.level.value, _plain(expected), _plain(observed))
    return f"| {' | '.join(cells)} |"


def _groups(results: Results) -> list[str]:
    shown = [verdict for verdict in Verdict if results.conclusion.counts.get(verdict)]
    if not results.groups or not shown:
        return []
    heads = " | ".join(verdict.value for verdict in shown)
    lines = ["", "## Groups", "", f"| Group | {heads} |", f"|---|{'---:|' * len(shown)}"]
    for group in results.groups:
        verdicts = [each.verdict for each in results.of(group)]
        counts = " | ".join(str(verdicts.count(verdict) or "") for verdict in shown)
        lines.append(f"| {group.id} {_plain(group.title)} | {counts} |")
    return lines


def _slowest(results: Results) -> list[str]:
    found = [(check, seconds) for check, seconds in results.slowest(_SLOWEST) if seconds]
    if not found:
        return []
    lines = ["", "## Slowest checks", "", "| Seconds | Check |", "|---:|---|"]
    return lines + [f"| {seconds:.1f} | {_plain(check)} |" for check, seconds in found]


def _plain(text: str) -> str:
    """Make a text harmless in a table cell: one line, no Markdown, no HTML, no mention."""
    line = " ".join(text.split())
    if len(line) > _LONGEST:
        line = line[: _LONGEST - 1] + "…"
    # A backslash does not keep GitHub from turning @name into a mention.
    harmless = html.escape(_MARKDOWN.sub(r"\\\1", line), quote=False)
    return harmless.replace("@", "&commat;")
