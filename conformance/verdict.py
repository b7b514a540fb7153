"""Verdicts, and what a run concludes from them; pure.

Worst verdict wins inside a requirement, so no met parameter hides an unmet one.
Evidence against the relay outranks trouble of ours: a fault in one check does not undo
what another has shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum


class Level(Enum):
    """How binding a requirement is; SERVICE binds like MUST, but no RFC demands it."""

    MUST = "MUST"
    SHOULD = "SHOULD"
    MAY = "MAY"
    SERVICE = "SERVICE"

    @property
    def is_binding(self) -> bool:
        """Whether missing this requirement makes a relay non-conformant."""
        return self in (Level.MUST, Level.SERVICE)


class Verdict(Enum):
    """What the run can say about one requirement; in order, best first."""

    UNCHECKED = "unchecked"
    MET = "met"
    NOT_CLAIMED = "not claimed"
    NOT_OBSERVABLE = "not observable"
    WARNING = "warning"
    INCONCLUSIVE = "inconclusive"
    HARNESS_ERROR = "harness error"
    NOT_MET = "not met"

    @property
    def severity(self) -> int:
        """The place in the worst-of order; a higher one wins."""
        return _SEVERITY[self]

    @property
    def is_judged(self) -> bool:
        """Whether the relay's behaviour was really seen and judged."""
        return self in (Verdict.MET, Verdict.WARNING, Verdict.NOT_MET)


_SEVERITY = {verdict: place for place, verdict in enumerate(Verdict)}


def worst_of(verdicts: Iterable[Verdict]) -> Verdict:
    """Fold the verdicts of several checks into one; of none, it is `UNCHECKED`."""
    return max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.UNCHECKED)


def unmet(level: Level) -> Verdict:
    """Return the verdict for a requirement of this level that the relay misses."""
    return Verdict.NOT_MET if level.is_binding else Verdict.WARNING


class ExitCode(IntEnum):
    """What `python -m conformance` promises to callers; the numbers never change."""

    CONFORMANT = 0
    NOT_CONFORMANT = 1
    USAGE = 2
    INCONCLUSIVE = 3
    HARNESS_FAULT = 4


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The run in one exit code and one sentence."""

    exit_code: ExitCode
    headline: str
    counts: Mapping[Verdict, int]


def conclude(
    verdicts: Iterable[Verdict], *, trouble: str = "", harness_fault: str = ""
) -> Conclusion:
    """Conclude a run from one verdict per requirement of the catalogue.

    Args:
        verdicts: One verdict for every requirement, the unchecked ones included.
        trouble: Why the target could not be measured properly, if it could not.
        harness_fault: What went wrong on our side outside any check, if anything did.
    """
    counted = Counter(verdicts)
    counts = {verdict: counted[verdict] for verdict in Verdict}
    total = sum(counts.values())
    judged = sum(counts[verdict] for verdict in Verdict if verdict.is_judged)

    if failed := counts[Verdict.NOT_MET]:
        sentence = f"not conformant: {_requirements(failed)} not met ({judged} of {total} checked)"
        return Conclusion(ExitCode.NOT_CONFORMANT, sentence, counts)
    if harness_fault:
        return Conclusion(ExitCode.HARNESS_FAULT, f"harness fault: {harness_fault}", counts)
    if broken := counts[Verdict.HARNESS_ERROR]:
        sentence = f"harness fault: the checks of {_requirements(broken)} broke down"
        return Conclusion(ExitCode.HARNESS_FAULT, sentence, counts)
    if trouble:
        return Conclusion(ExitCode.INCONCLUSIVE, f"inconclusive: {trouble}", counts)
    if unsure := counts[Verdict.INCONCLUSIVE]:
        sentence = f"inconclusive: {_requirements(unsure)} could not be judged"
        return Conclusion(ExitCode.INCONCLUSIVE, sentence, counts)
    if judged == 0:
        # Everything not claimed or not observable: a hollow run is never green.
        sentence = "inconclusive: no requirement could be judged on this target"
        return Conclusion(ExitCode.INCONCLUSIVE, sentence, counts)
    sentence = f"conformant in the {judged} of {total} requirements checked"
    return Conclusion(ExitCode.CONFORMANT, sentence, counts)


def nothing_run(total: int, exit_code: ExitCode, sentence: str) -> Conclusion:
    """Conclude a run that ended before its first check."""
    counts = dict.fromkeys(Verdict, 0) | {Verdict.UNCHECKED: total}
    return Conclusion(exit_code, sentence, counts)


def _requirements(number: int) -> str:
    return "1 requirement" if number == 1 else f"{number} requirements"
