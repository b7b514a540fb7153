"""docs/findings.md: every *not met* of the peers, with clause, octets, and why it is theirs.

The octets come from the run; the argument is written by hand in `findings.toml`, once for each
requirement. A finding without an argument is named as undefended, and the session is red: what
cannot be defended is a mistake of the check.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.comparison import Column
from conformance.verdict import Verdict

ARGUMENTS = Path(__file__).with_name("findings.toml")
_CHECKS_SHOWN = 3
_LONGEST = 300


def undefended(columns: Sequence[Column]) -> list[str]:
    """Name the requirements that some peer has not met and no argument stands for."""
    arguments = _arguments()
    return [name for name, _ in _not_met(columns) if name not in arguments]


def render(columns: Sequence[Column]) -> str:
    """Return the page."""
    arguments = _arguments()
    lines = [
        "# What the suite holds against the peers, and why",
        "",
        "Written by `nox -s peers`; the octets are those of its last run. Each paragraph names the",
        "clause, what was sent and answered, and why the deviation is the server's and no mistake",
        "of the check. Where the profile needs nothing else the servers run with their defaults:",
        "a finding says what this configuration does, not what another could be made to do.",
        "",
    ]
    for name, targets in _not_met(columns):
        row = targets[0].rows[name]
        who = ", ".join(target.title for target in targets)
        lines += [f"## {name}: {who}", "", f"{row['wording']}", ""]
        lines += [f"*{row['level']}, {row['source']}.* {arguments.get(name, 'UNDEFENDED')}", ""]
        for target in targets:
            lines += list(_evidence(target, name))
        lines.append("")
    return "\n".join(lines)


def _arguments() -> dict[str, str]:
    return {
        name: " ".join(str(text).split())
        for name, text in tomllib.loads(ARGUMENTS.read_text(encoding="utf-8")).items()
    }


def _not_met(columns: Sequence[Column]) -> Iterator[tuple[str, list[Column]]]:
    names = dict.fromkeys(name for column in columns for name in column.rows)
    for name in names:
        found = [column for column in columns if column.verdict(name) is Verdict.NOT_MET]
        if found:
            yield name, found


def _evidence(target: Column, name: str) -> Iterator[str]:
    checks = [one for one in target.rows[name]["checks"] if one["verdict"] == "not met"]
    yield f"- **{target.title}** ({len(checks)} of {len(target.rows[name]['checks'])} checks)"
    for check in checks[:_CHECKS_SHOWN]:
        case = check["check"].rpartition("::")[2] or check["check"]
        yield f"  - `{_code(case)}`"
        if sent := _last_sent(check):
            yield f"    - sent: `{_code(sent)}`"
        if check["expected"]:
            yield f"    - expected: {check['expected']}"
        yield f"    - observed: `{_code(check['observed'])}`"


def _last_sent(check: Mapping[str, Any]) -> str:
    """Return what the client said last before its QUIT, on the last of its connections."""
    for transcript in reversed(check["transcripts"]):
        if transcript["side"] == "probe":
            said = [event["octets"] for event in transcript["events"] if event["direction"] == "C"]
            said = [octets for octets in said if not octets.startswith("QUIT")]
            return said[-1] if said else ""
    return ""


def _code(text: str) -> str:
    shown = " ".join(text.replace("`", "'").split())
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
