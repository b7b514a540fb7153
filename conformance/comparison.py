"""Side by side: the results of several targets, or of one target at several times.

The first file is what the others are compared with: newly failing, newly passing, vanished.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conformance.report import archive
from conformance.report.results import SCHEMA
from conformance.verdict import ExitCode, Verdict

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
_BAD = (Verdict.NOT_MET, Verdict.HARNESS_ERROR)


class ResultsError(Exception):
    """A results file that cannot be compared; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Column:
    """One results.json.

    Attributes:
        title: The heading.
        rows: What it says of each requirement, as it stands in the file.
    """

    title: str
    headline: str
    rows: Mapping[str, Mapping[str, Any]]

    def verdict(self, requirement: str) -> Verdict | None:
        """Return the verdict, None if the run did not know the requirement."""
        row = self.rows.get(requirement)
        return Verdict(row["verdict"]) if row is not None else None

    def checks(self) -> frozenset[str]:
        """Return the names of the checks that were executed."""
        return frozenset(one["check"] for row in self.rows.values() for one in row["checks"])


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of the second run, seen from the first; ids in the order of the catalogue."""

    newly_failing: tuple[str, ...]
    newly_passing: tuple[str, ...]
    vanished: tuple[str, ...]
    vanished_checks: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing that counts has changed."""
        return not (self.newly_failing or self.newly_passing or self.vanished)


def read(file: Path, title: str = "") -> Column:
    """Read one results.json.

    Raises:
        ResultsError: It is none, or of another schema.
    """
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        schema = document["schema"]
        document = archive.unpacked(document) if schema == SCHEMA else document
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = getattr(error, "strerror", None) or "it is no results.json"
        raise ResultsError(f"{file}: cannot be read: {why}; give results.json of a run") from None
    if schema != SCHEMA:
        remedy = "certify the target again with this version"
        raise ResultsError(f"{file}: schema: expected {SCHEMA}, found {schema}; {remedy}")
    return Column(
        title=title or f"{file.parent.name or file.stem}",
        headline=document["conclusion"]["headline"],
        rows={row["id"]: row for row in document["requirements"]},
    )


def difference(before: Column, after: Column) -> Difference:
    """Compare two runs.

    Vanished is what was judged before and is not any more: a skip must not pass for a repair.
    """
    failing, passing, vanished = [], [], []
    for name in before.rows:
        was, now = before.verdict(name), after.verdict(name)
        if was is None or not was.is_judged:
            if now in _BAD:
                failing.append(name)
            continue
        if now is None or not (now.is_judged or now is Verdict.HARNESS_ERROR):
            vanished.append(name)
        elif now in _BAD and was not in _BAD:
            failing.append(name)
        elif was in _BAD and now not in _BAD:
            passing.append(name)
    failing += [
        name for name in after.rows if name not in before.rows and after.verdict(name) in _BAD
    ]
    gone = tuple(sorted(before.checks() - after.checks()))
    return Difference(tuple(failing), tuple(passing), tuple(vanished), gone)


def matrix(columns: Sequence[Column], *, whole: bool = False) -> str:
    """Return a table in Markdown: requirements down, targets across.

    Args:
        columns: The runs.
        whole: Show the requirements, too, on which all agree that they are met or not judged.
    """
    names = list(dict.fromkeys(name for column in columns for name in column.rows))
    lines = [
        "| | " + " | ".join(column.title for column in columns) + " |",
        "|---|" + "---|" * len(columns),
    ]
    for verdict in Verdict:
        counts = [sum(one.verdict(name) is verdict for name in names) for one in columns]
        if any(counts):
            lines.append(f"| {verdict.value} | " + " | ".join(map(str, counts)) + " |")
    lines += ["", "| requirement | " + " | ".join(one.title for one in columns) + " |"]
    lines.append("|---|" + ":-:|" * len(columns))
    for name in names:
        verdicts = [column.verdict(name) for column in columns]
        if whole or _is_interesting(verdicts):
            row = next(column.rows[name] for column in columns if name in column.rows)
            cells = " | ".join("" if one is None else _SIGNS[one] for one in verdicts)
            wording = str(row["wording"]).replace("|", "\\|")
            lines.append(f"| **{name}** {row['level']}: {wording} | {cells} |")
    legend = ", ".join(f"{sign} {verdict.value}" for verdict, sign in _SIGNS.items())
    return "\n".join([*lines, "", legend, ""])


def _is_interesting(verdicts: Sequence[Verdict | None]) -> bool:
    return any(
        one in (*_BAD, Verdict.WARNING, Verdict.INCONCLUSIVE) or one is None for one in verdicts
    )


def told(difference: Difference) -> str:
    """Return a difference as Markdown."""
    lines = []
    for title, names in (
        ("newly failing", difference.newly_failing),
        ("newly passing", difference.newly_passing),
        ("vanished", difference.vanished),
        ("checks that ran before and do not now", difference.vanished_checks),
    ):
        lines.append(f"- {title}: {', '.join(names) or 'none'}")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare results; 0 same, 1 newly failing or vanished, 2 unreadable."""
    parser = argparse.ArgumentParser(prog="python -m conformance.comparison", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="results.json")
    parser.add_argument("--whole", action="store_true", help="show what all have met, too")
    parser.add_argument("--out", type=Path, metavar="FILE.md", help="write it there")
    options = parser.parse_args(arguments)
    try:
        columns = [read(file) for file in options.files]
    except ResultsError as error:
        sys.stderr.write(f"{error}\n")
        return ExitCode.USAGE
    text = matrix(columns, whole=options.whole)
    is_worse = False
    for column in columns[1:]:
        found = difference(columns[0], column)
        is_worse |= bool(found.newly_failing or found.vanished)
        text += f"\n## {column.title} after {columns[0].title}\n\n{told(found)}"
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)
    return ExitCode.NOT_CONFORMANT if is_worse else ExitCode.CONFORMANT


if __name__ == "__main__":
    sys.exit(main())
