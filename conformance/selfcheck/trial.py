"""One relay, broken or not, certified by some requirements: what does the suite say of it?"""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance.certification import Order, certify, check_folders
from conformance.selfcheck.broken_relay import UNBROKEN
from conformance.selfcheck.early_end import OPTION
from conformance.selfcheck.mutations import MUTATIONS
from conformance.verdict import ExitCode, Level, Verdict, unmet

_PLUGINS = ("fixtures.plugin", "conformance.selfcheck.early_end")


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one relay.

    Attributes:
        name: The mutation, or `none` for the control.
        is_passed: The mutation was killed, or the control was green.
        findings: What the report says of each requirement that is not as it must be.
        seconds: How long the certification took.
    """

    name: str
    is_passed: bool
    findings: tuple[str, ...]
    seconds: float


def attempt(name: str) -> Trial:
    """Certify one broken relay and see whether it was noticed."""
    began = time.monotonic()
    wanted = MUTATIONS[name].requirements
    document, said = certified(name, (*wanted, *MUTATIONS[name].traffic), until=wanted)
    findings = survivors(document, wanted) if document else (said.strip(),)
    if document and findings:
        findings += (_headline(document),)
    return Trial(name, not findings, findings, time.monotonic() - began)


def control(requirements: Sequence[str]) -> Trial:
    """Certify the unbroken relay by all these requirements."""
    began = time.monotonic()
    document, said = certified(UNBROKEN, requirements)
    findings = accusations(document) if document else (said.strip(),)
    is_green = document is not None and _exit_code(document) == ExitCode.CONFORMANT
    return Trial(UNBROKEN, is_green and not findings, findings, time.monotonic() - began)


def certified(
    name: str, requirements: Sequence[str], until: Sequence[str] = ()
) -> tuple[Mapping[str, object] | None, str]:
    """Certify the relay with one mutation, in this process.

    Args:
        name: The mutation.
        requirements: What to judge it by.
        until: When all of these were found not met, the run ends.

    Returns:
        Its results.json, and what the certification printed.
    """
    said = io.StringIO()
    with tempfile.TemporaryDirectory(prefix="selfcheck-") as folder:
        order = Order(
            only=tuple(requirements),
            target=MUTATIONS[name].target if name != UNBROKEN else None,
            relay_command=(
                f"{{python}} -m conformance.selfcheck.broken_relay {name} serve --config {{config}}"
            ),
            out=Path(folder),
            pytest_arguments=(OPTION, ",".join(until)) if until else (),
            plugins=_PLUGINS,
            checks=_files_about(requirements),
        )
        certify(order, Console(file=said))
        results = Path(folder) / "results.json"
        document = json.loads(results.read_text("utf-8")) if results.exists() else None
    return document, said.getvalue()


def survivors(document: Mapping[str, object], requirements: Sequence[str]) -> tuple[str, ...]:
    """Name the requirements that did not notice, with the verdict they gave instead."""
    found = []
    for row in _rows(document):
        due = unmet(Level(row["level"])).value
        if row["id"] in requirements and row["verdict"] != due:
            found.append(f"{row['id']} is {row['verdict']}: {row['reason']}".rstrip(": "))
    return tuple(found)


def accusations(document: Mapping[str, object]) -> tuple[str, ...]:
    """Name what the report holds against the unbroken relay."""
    # Not claimed: a broken relay may hide what the unbroken one offers (UTF8-03). Not observable:
    # what takes minutes to be shown of a relay that is right shows at once of one that is not.
    held = (Verdict.MET, Verdict.UNCHECKED, Verdict.NOT_CLAIMED, Verdict.NOT_OBSERVABLE)
    innocent = {each.value for each in held}
    return tuple(
        f"{row['id']} is {row['verdict']}: {row['reason']}".rstrip(": ")
        for row in _rows(document)
        if row["verdict"] not in innocent
    )


def _files_about(requirements: Sequence[str]) -> tuple[Path, ...]:
    """Find the files of checks that name a requirement: collecting the others takes a second."""
    files = (file for folder in check_folders() for file in sorted(folder.glob("test_*.py")))
    names = [f'"{name}"' for name in requirements]
    return tuple(file for file in files if any(name in file.read_text("utf-8") for name in names))


def _rows(document: Mapping[str, object]) -> list[dict[str, str]]:
    rows = document["requirements"]
    assert isinstance(rows, list)
    return rows


def _exit_code(document: Mapping[str, object]) -> int:
    return int(_conclusion(document)["exit_code"])


def _headline(document: Mapping[str, object]) -> str:
    return str(_conclusion(document)["headline"])


def _conclusion(document: Mapping[str, object]) -> dict[str, Any]:
    conclusion = document["conclusion"]
    assert isinstance(conclusion, dict)
    return conclusion
