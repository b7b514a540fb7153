"""Waivers: failures that are known, owned and dated; none of them can go stale in silence.

A waiver names one requirement and the way in which it fails. The run is red when the requirement is
met after all, fails in another way, was not judged, or the waiver has expired: the semantics of
protobuf's failure list, with a reason, an owner, a link and a date besides.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from conformance.report.results import RequirementResult
from conformance.verdict import Verdict
from fixtures.toml_table import TableError, load

_KEYS = ("requirement", "fails", "reason", "owner", "link", "expires")
_WAIVABLE = (Verdict.NOT_MET, Verdict.WARNING)
# How long the entry that the tool proposes is good for.
_PROPOSED = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Waiver:
    """One entry.

    Attributes:
        requirement: Its id.
        fails: A text that stands in what was expected or observed; "" is not allowed.
    """

    requirement: str
    fails: str
    reason: str
    owner: str
    link: str
    expires: date


@dataclass(frozen=True, slots=True)
class Applied:
    """What the waivers of a run came to.

    Attributes:
        waived: The requirements whose failure is known.
        broken: What is wrong with the list, a sentence each; any makes the run red.
        proposals: Entries to paste for failures that nobody has waived.
    """

    waived: frozenset[str]
    broken: tuple[str, ...]
    proposals: str


def read(file: Path, known: Iterable[str]) -> tuple[Waiver, ...]:
    """Read a list of waivers.

    Args:
        file: TOML with one [[waiver]] for each.
        known: The ids of the catalogue.

    Raises:
        TableError: One message with file, key and what was expected.
    """
    table = load(file)
    entries = table.get("waiver", [])
    if set(table) - {"waiver"} or not isinstance(entries, list):
        raise TableError(file, "", "[[waiver]] tables and nothing else")
    ids = set(known)
    found = [_waiver(file, f"waiver[{n}]", entry, ids) for n, entry in enumerate(entries)]
    seen: set[str] = set()
    for number, one in enumerate(found):
        if one.requirement in seen:
            key = f"waiver[{number}].requirement"
            raise TableError(file, key, "each requirement once", one.requirement)
        seen.add(one.requirement)
    return tuple(found)


def _waiver(file: Path, place: str, entry: Any, known: set[str]) -> Waiver:
    if not isinstance(entry, dict) or set(entry) != set(_KEYS):
        raise TableError(file, place, f"the keys {', '.join(_KEYS)}", ", ".join(entry))
    for key in _KEYS[:-1]:
        if not isinstance(entry[key], str) or not entry[key].strip():
            raise TableError(file, f"{place}.{key}", "a text in quotes", repr(entry[key]))
    if entry["requirement"] not in known:
        raise TableError(
            file, f"{place}.requirement", "an id of the catalogue", entry["requirement"]
        )
    if not isinstance(entry["expires"], date):
        raise TableError(
            file, f"{place}.expires", "a date, such as 2027-01-31", str(entry["expires"])
        )
    return Waiver(**entry)


def apply(waivers: Sequence[Waiver], results: Sequence[RequirementResult], today: date) -> Applied:
    """Hold the list against a run."""
    rows = {row.requirement.id: row for row in results}
    waived, broken = set(), []
    for waiver in waivers:
        row = rows[waiver.requirement]
        if waiver.expires < today:
            broken.append(
                f"{waiver.requirement}: the waiver of {waiver.owner} ended {waiver.expires}; "
                "mend the relay, or sign anew"
            )
        elif row.verdict not in _WAIVABLE:
            broken.append(
                f"{waiver.requirement}: waived, but {row.verdict.value}; take the waiver out"
            )
        elif waiver.fails not in failure(row):
            broken.append(
                f"{waiver.requirement}: fails in another way than waived: {failure(row)}; "
                "look at it, and mend it or write the entry anew"
            )
        else:
            waived.add(waiver.requirement)
    open_ones = [
        row
        for row in results
        if row.verdict is Verdict.NOT_MET and row.requirement.id not in waived
    ]
    return Applied(
        frozenset(waived), tuple(broken), "\n".join(proposal(row, today) for row in open_ones)
    )


def failure(row: RequirementResult) -> str:
    """Return how a requirement fails, in one line."""
    worst = next((one for one in row.checks if one.verdict is row.verdict), None)
    if worst is None:
        return row.reason
    return f"expected {worst.finding.expected}; observed {worst.finding.observed}"


def proposal(row: RequirementResult, today: date) -> str:
    """Return the entry to paste, whose reason is still to be written."""
    worst = next((one for one in row.checks if one.verdict is row.verdict), None)
    fails = (worst.finding.expected if worst else "") or failure(row)[:100]
    lines = {
        "requirement": row.requirement.id,
        "fails": fails,
        "reason": "",
        "owner": "",
        "link": "",
    }
    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in lines.items())
    return f"[[waiver]]\n{text}\nexpires = {today + _PROPOSED}\n"
