"""What the generator must not cost more than, and whether it does: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from loadtests.client_benchmark.clients import (
    BARE,
    OURS_W1,
    OURS_W2,
    PLANNED,
    SMTPLIB_W1,
    SMTPLIB_W2,
    UVLOOP,
)

# Client, what it is compared with, and the largest ratio.
_RATIOS = ((OURS_W1, SMTPLIB_W1, 0.37), (OURS_W1, UVLOOP, 1.7), (OURS_W2, SMTPLIB_W2, 0.65))
# Of schedule, histograms and ledger together: so many µs, or this share of the user's own cost.
_ADDED_MICROSECONDS, _ADDED_SHARE = 12.0, 0.15
_MERGED_SHARE = 0.001


@dataclass(frozen=True, slots=True)
class Finding:
    """A goal and what was measured.

    Attributes:
        goal: What is compared.
        at_most: In words.
        measured: In words.
        spread: Of the single rounds, lowest to highest.
        is_met: Whether it is reached.
    """

    goal: str
    at_most: str
    measured: str
    spread: str
    is_met: bool


def judged(costs: Mapping[str, Sequence[float]], errors: Sequence[float]) -> list[Finding]:
    """Compare medians with the goals.

    Args:
        costs: CPU per message in µs of each client, round by round.
        errors: Of merged percentiles, round by round.
    """
    found = [_ratio(costs, *row) for row in _RATIOS]
    added = [full - bare for full, bare in zip(costs[PLANNED], costs[BARE], strict=True)]
    least = median(costs[PLANNED]) - median(costs[BARE])
    share = least / median(costs[BARE])
    found.append(
        Finding(
            "schedule, histograms and ledger together",
            f"{_ADDED_MICROSECONDS:g} µs or {_ADDED_SHARE:.0%}",
            f"{least:.1f} µs, {share:.0%}",
            f"{min(added):.1f} to {max(added):.1f} µs",
            least <= _ADDED_MICROSECONDS or share <= _ADDED_SHARE,
        )
    )
    worst = max(errors)
    found.append(
        Finding(
            "merged percentiles against the raw data's",
            f"{_MERGED_SHARE:.1%}",
            f"{worst:.3%}",
            f"{min(errors):.3%} to {worst:.3%}",
            worst <= _MERGED_SHARE,
        )
    )
    return found


def _ratio(costs: Mapping[str, Sequence[float]], ours: str, theirs: str, most: float) -> Finding:
    ratio = median(costs[ours]) / median(costs[theirs])
    single = [one / other for one, other in zip(costs[ours], costs[theirs], strict=True)]
    return Finding(
        f"{ours} against {theirs}", f"{most:.2f}", f"{ratio:.2f}",
        f"{min(single):.2f} to {max(single):.2f}", ratio <= most,
    )  # fmt: skip
