"""The report files of a run, and the verdict on the terminal.

All text leaves through `write` and `tell`, after `cleaned`, the one gate that takes secrets out;
the evidence itself was already redacted where it was gathered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from conformance.outcome import redacted_node, redacted_values
from conformance.progress import style_of
from conformance.report import (
    archive,
    badge,
    examples,
    html,
    junit,
    reproducer,
    statement,
    summary,
)
from conformance.report.results import RequirementResult, Results, to_json
from conformance.verdict import ExitCode, Verdict
from fixtures.redaction import Secrets

_ATTENTION = (Verdict.NOT_MET, Verdict.HARNESS_ERROR, Verdict.INCONCLUSIVE, Verdict.WARNING)
_SHOWN = 25
# Who waits longer than this wants to know for what.
_LONG_SECONDS = 10.0
REPRODUCERS = "reproduce"


def cleaned(results: Results, secrets: Secrets) -> Results:
    """Take the secrets out of everything that is going to be reported."""
    return replace(
        results,
        run=redacted_values(results.run, secrets),
        conclusion=redacted_values(results.conclusion, secrets),
        requirements=tuple(_cleaned_row(each, secrets) for each in results.requirements),
    )


def _cleaned_row(result: RequirementResult, secrets: Secrets) -> RequirementResult:
    # Catalogue, names and statements of checks are our own published text; a secret that is an
    # everyday word must not tear holes into it.
    checks = [
        replace(
            redacted_values(check, secrets),
            check=redacted_node(check.check, secrets),
            statement=check.statement,
        )
        for check in result.checks
    ]
    reason = redacted_values(result.reason, secrets)
    return replace(result, reason=reason, checks=tuple(checks))


def write(clean: Results, folder: Path) -> tuple[Path, ...]:
    """Write the files of the bundle from cleaned results.

    Returns:
        The files, the one for people first.

    Raises:
        OSError: The folder or a file cannot be written.
    """
    texts = {
        "report.html": html.render(clean),
        "results.json": archive.text_of(archive.packed(to_json(clean))),
        "junit.xml": junit.render(clean),
        "summary.md": summary.render(clean),
        "badge.svg": badge.render(clean),
    }
    evidence = {
        f"{kind}/{name}": text
        for kind, files in (
            (REPRODUCERS, reproducer.render_all(clean)),
            (examples.FOLDER, examples.render_all(clean)),
        )
        for name, text in files.items()
    }
    texts["statement.json"] = statement.render(clean, texts | evidence)
    folder.mkdir(parents=True, exist_ok=True)
    # Those of an earlier run would accuse of what is mended by now.
    for pattern in (f"{REPRODUCERS}/*.py", f"{examples.FOLDER}/*.json"):
        for old in folder.glob(pattern):
            old.unlink()
    for name, text in evidence.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
    return tuple(folder / name for name in texts)


def tell(clean: Results, files: Sequence[Path], console: Console) -> None:
    """Say on the terminal what came out, what needs attention and where the files are."""
    needing = [each for verdict in _ATTENTION for each in clean.with_verdict(verdict)]
    for each in needing[:_SHOWN]:
        line = Text(f"{each.requirement.id} {each.verdict.value}", style=style_of(each.verdict))
        console.print(line.append(f": {each.requirement.wording}", style="default"))
        for label, text in _evidence(each):
            console.print(Text(f"    {label}: {text}"))
    if len(needing) > _SHOWN:
        console.print(f"... and {len(needing) - _SHOWN} more, all in the report")
    if clean.run.to_waive:
        console.print(Text(f"To waive what is left, sign and paste:\n\n{clean.run.to_waive}"))
    counts = clean.conclusion.counts
    console.print(", ".join(f"{number} {each.value}" for each, number in counts.items() if number))
    slowest = clean.slowest(3)
    if slowest and clean.run.duration_seconds > _LONG_SECONDS:
        slow = ", ".join(
            f"{seconds:.1f} s {check.rpartition('::')[2]}" for check, seconds in slowest
        )
        console.print(Text(f"took {clean.run.duration_seconds:.0f} s; slowest: {slow}"))
    is_green = clean.conclusion.exit_code is ExitCode.CONFORMANT
    console.print(Text(clean.conclusion.headline, style="bold green" if is_green else "bold red"))
    if files:
        console.print(Text(f"{files[0]} and {', '.join(file.name for file in files[1:])}"))


def _evidence(result: RequirementResult) -> list[tuple[str, str]]:
    worst = next((check for check in result.checks if check.verdict is result.verdict), None)
    if worst is None:
        return [("reason", result.reason)]
    shown = [
        ("check", worst.check),
        ("expected", worst.finding.expected),
        ("observed", worst.finding.observed),
        ("reason", worst.finding.reason),
    ]
    return [(label, text.partition("\n")[0]) for label, text in shown if text]
