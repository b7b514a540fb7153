"""Two capacity.json files: what changed, and whether chance explains it."""

from __future__ import annotations

import argparse
import json
import math
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from loadtests.__main__ import ExitCode
from loadtests.capacity.objectives import BadObjectives
from loadtests.capacity.search import Interval
from loadtests.percentiles import Histogram

# Two-sided, 1 %: with a handful of comparisons a build is not red by chance every week.
_CRITICAL_Z = 2.576


@dataclass(frozen=True, slots=True)
class Change:
    """One service before and after.

    Attributes:
        statement: What can be said, and with what certainty.
        is_worse: Whether it is worse beyond chance.
    """

    service: str
    statement: str
    is_worse: bool


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Compare the services that both files have."""
    old = {one["service"]: one for one in before["sessions"]}
    return [_change(old[one["service"]], one) for one in after["sessions"] if one["service"] in old]


def _change(before: Mapping[str, Any], after: Mapping[str, Any]) -> Change:
    first, second = (Interval(one["low"], one["high"]) for one in (before, after))
    ratio = second.low / first.low if first.low else math.inf
    text = f"{first} before, {second} now ({ratio - 1:+.0%})"
    if first.overlaps(second):
        text += ": the intervals overlap, so this is no change"
        is_worse = False
    else:
        is_worse = second.low < first.low
        text += ": the intervals are apart, so this is a change"
    z, shares = _slower(before, after)
    if z is None:
        return Change(after["service"], text, is_worse)
    text += f"; slower than 100 ms at the claim: {shares[0]:.2%} before, {shares[1]:.2%} now, "
    text += f"z = {z:+.1f}, " + (
        "beyond chance at 1 %" if abs(z) > _CRITICAL_Z else "within chance at 1 %"
    )
    return Change(after["service"], text, is_worse)


def _slower(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[float | None, tuple[float, float]]:
    """Two shares of slow messages, and the z of their difference (pooled, two proportions)."""
    found = []
    for one in (before, after):
        hold = next((hold for hold in one["holds"] if hold["kind"] == "hold 100%"), None)
        if hold is None:
            return None, (0.0, 0.0)
        histogram = Histogram.from_json(hold["measurement"]["phases"]["response"])
        found.append((histogram.above(100_000), histogram.count))
    (slow1, n1), (slow2, n2) = found
    if not n1 or not n2:
        return None, (0.0, 0.0)
    shares = (slow1 / n1, slow2 / n2)
    pooled = (slow1 + slow2) / (n1 + n2)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n1 + 1 / n2))
    return ((shares[1] - shares[0]) / spread if spread else 0.0), shares


def load_budgets(path: Path) -> dict[str, float]:
    """Read `"service" = least messages a second`.

    Raises:
        BadObjectives: The file is none.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadObjectives(f"{path}: {error}") from None
    budgets = table.get("messages_per_second", {})
    if not isinstance(budgets, dict) or not budgets:
        raise BadObjectives(f"{path}: a table [messages_per_second]")
    for name, least in budgets.items():
        if isinstance(least, bool) or not isinstance(least, int | float) or least <= 0:
            raise BadObjectives(f"{path}: {name}: a number above 0, not {least!r}")
    return {name: float(least) for name, least in budgets.items()}


def problems(
    current: Path, baseline: Path | None, budgets: Mapping[str, float], console: Console
) -> int:
    """Print what is worse than the baseline or below its budget; returns how many are.

    Raises:
        BadObjectives: The baseline cannot be read, or a budget names no service of the run.
    """
    after = _read(current)
    worse = 0
    for change in changes(_read(baseline), after) if baseline else []:
        worse += change.is_worse
        console.print(f"{change.service}: {change.statement}")
    known = {one["service"]: one["low"] for one in after["sessions"]}
    for name, least in budgets.items():
        if name not in known:
            raise BadObjectives(f"the budget of {name!r} names no service of this run")
        if known[name] < least:
            worse += 1
            console.print(f"{name}: {known[name]:,.0f} a second, below its budget {least:,.0f}")
    return worse


def _read(path: Path) -> dict[str, Any]:
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        _ = table["sessions"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadObjectives(f"{path}: no capacity.json: {error}") from None
    return dict(table)


def main(arguments: Sequence[str]) -> int:
    """`compare BEFORE AFTER`; 1 if anything is worse."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.capacity compare")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args(arguments)
    try:
        worse = problems(options.after, options.before, {}, Console(highlight=False))
    except BadObjectives as error:
        sys.stderr.write(f"capacity: {error}\n")
        return ExitCode.USAGE
    return ExitCode.NOT_GOOD if worse else ExitCode.GOOD
