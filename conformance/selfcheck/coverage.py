"""Which requirements have a check and a deliberate bug: the table of docs/kill-matrix.md."""

from __future__ import annotations

import re

from conformance.catalogue import Catalogue
from conformance.certification import check_folders
from conformance.passive import RULE_IDS
from conformance.selfcheck.mutations import MUTATIONS

_NAMED = re.compile(r"@requirement\(([^)]*)\)")
_ID = re.compile(r"[A-Z0-9]+-\d+")


def with_check() -> frozenset[str]:
    """Return the requirements that a check or a passive rule judges."""
    files = (file for folder in check_folders() for file in folder.rglob("test_*.py"))
    marks = (mark for file in files for mark in _NAMED.findall(file.read_text("utf-8")))
    return frozenset({name for mark in marks for name in _ID.findall(mark)} | set(RULE_IDS))


def without_mutation(catalogue: Catalogue) -> tuple[str, ...]:
    """Return the binding requirements that have a check and no deliberate bug."""
    killed = {name for one in MUTATIONS.values() for name in one.requirements}
    checked = with_check()
    return tuple(
        row.id
        for row in catalogue
        if row.level.is_binding and row.id in checked and row.id not in killed
    )


def render(catalogue: Catalogue) -> str:
    """Return the page."""
    checked = with_check()
    bugs: dict[str, list[str]] = {}
    for name, mutation in MUTATIONS.items():
        for requirement in mutation.requirements:
            bugs.setdefault(requirement, []).append(f"{name}: {mutation.sentence}")
    binding = [row for row in catalogue if row.level.is_binding and row.id in checked]
    missing = without_mutation(catalogue)
    lines = [
        "# The kill matrix",
        "",
        "Written by `nox -s selfcheck` when it has killed all of them: each of these relays is",
        "broken on purpose, and the check of the requirement says *not met* by its own assertion.",
        "",
        f"{len(MUTATIONS)} broken relays. {len(binding)} MUST and SERVICE requirements have a",
        f"check, {len(binding) - len(missing)} of them a deliberate bug.",
        "",
        f"Without one: {', '.join(missing) or 'none'}.",
        "",
        "| requirement | broken on purpose |",
        "|---|---|",
    ]
    lines += [
        f"| **{row.id}** {row.level.value} | {'<br>'.join(bugs[row.id])} |"
        for row in catalogue
        if row.id in bugs
    ]
    return "\n".join(lines) + "\n"
