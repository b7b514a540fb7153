"""The results of a run: what all four report files are made from, and results.json itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from conformance import SUITE_VERSION, effects
from conformance.catalogue import Catalogue, Group, Requirement
from conformance.outcome import Finding, Outcome
from conformance.passive import Examination, RuleOutcome, judge
from conformance.sanity import Sanity
from conformance.verdict import Conclusion, Verdict, unmet, worst_of

# Raised only when a field changes its meaning or goes away; a new field changes nothing.
SCHEMA = "2"

_VIOLATIONS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check as evidence for one requirement; the verdict has the requirement's level in it."""

    check: str
    verdict: Verdict
    finding: Finding
    statement: str = ""
    remarks: tuple[str, ...] = ()
    held: tuple[tuple[str, str], ...] = ()
    examples: tuple[Mapping[str, object], ...] = ()
    duration_seconds: float = 0.0
    transcripts: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class RequirementResult:
    """A requirement, its verdict, and why."""

    requirement: Requirement
    verdict: Verdict
    reason: str = ""
    checks: tuple[CheckResult, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the checks remarked, each text once."""
        return tuple(dict.fromkeys(text for check in self.checks for text in check.remarks))


@dataclass(frozen=True, slots=True)
class Ordered:
    """What a run was asked to do, so that it can be asked again.

    Attributes:
        command: "certify" or "check".
        target: The profile, "" for the relay that comes along.
        relay_command: What started the relay in the place of the embedded one, or "".
        loop: The event loop of the embedded relay, "" left it to the profile.
        patience_seconds: None left it to the profile.
        arguments: What went to pytest, seeds among it.
    """

    command: str = "certify"
    target: str = ""
    relay_command: str = ""
    loop: str = ""
    patience_seconds: float | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """The circumstances of a run.

    Attributes:
        token: The mark in everything that the run sent.
        to_waive: The entries that a list of waivers lacks, to be signed and pasted.
    """

    started_at: datetime
    duration_seconds: float
    target: str
    selection: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    dialogues: tuple[Sanity, ...] = ()
    sanity_transcripts: tuple[Mapping[str, object], ...] = ()
    token: str = ""
    order: Ordered = Ordered()
    to_waive: str = ""

    @property
    def caveat(self) -> str:
        """Why this is no certification, however it ended; "" if it is one."""
        if self.selection:
            return f"a part of the catalogue ({', '.join(self.selection)}), no certification"
        return (
            "" if self.order.command == "certify" else f"a {self.order.command}, no certification"
        )


@dataclass(frozen=True, slots=True)
class Results:
    """Everything there is to report."""

    run: Run
    conclusion: Conclusion
    groups: tuple[Group, ...]
    requirements: tuple[RequirementResult, ...]
    fingerprint: str = ""
    schema: str = field(default=SCHEMA, init=False)

    def of(self, group: Group) -> tuple[RequirementResult, ...]:
        """Return the results of one group."""
        return tuple(each for each in self.requirements if each.requirement.group == group.id)

    def with_verdict(self, *verdicts: Verdict) -> tuple[RequirementResult, ...]:
        """Return the results that have one of these verdicts."""
        return tuple(each for each in self.requirements if each.verdict in verdicts)

    def slowest(self, number: int) -> tuple[tuple[str, float], ...]:
        """Return the checks that took longest, with their seconds; the slowest first."""
        seconds = {
            check.check: check.duration_seconds
            for each in self.requirements
            for check in each.checks
        }
        return tuple(sorted(seconds.items(), key=lambda item: item[1], reverse=True)[:number])


def judged(
    catalogue: Catalogue,
    chosen: frozenset[str] | None,
    outcomes: Iterable[Outcome],
    examination: Examination,
    with_check: Iterable[str] = (),
) -> tuple[RequirementResult, ...]:
    """Judge every requirement of the catalogue by the outcomes of its checks.

    Args:
        catalogue: All requirements; each gets a result.
        chosen: The selection; None is everything.
        outcomes: What the checks came to.
        examination: What the passive rules found over the whole run.
        with_check: The requirements that have a check, whether it was chosen or not.
    """
    by_id: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        for name in outcome.requirements:
            by_id.setdefault(name, []).append(outcome)
    rules = {**judge(examination), **effects.outcome(examination)}
    known = {*with_check, *rules}
    results = []
    for row in catalogue:
        if chosen is not None and row.id not in chosen:
            reason = "not selected in this run" if row.id in known else "no check yet"
            results.append(RequirementResult(row, Verdict.UNCHECKED, reason))
            continue
        checks = [_as_evidence(row, outcome) for outcome in by_id.get(row.id, ())]
        if rule := rules.get(row.id):
            checks += _passive_evidence(row, rule)
        verdict = worst_of(check.verdict for check in checks)
        reason = _reason(verdict, checks, "no check yet" if row.id not in known else "did not run")
        results.append(RequirementResult(row, verdict, reason, tuple(checks)))
    return tuple(results)


def _as_evidence(row: Requirement, outcome: Outcome) -> CheckResult:
    verdict = outcome.finding.verdict
    return CheckResult(
        check=outcome.check,
        verdict=unmet(row.level) if verdict is Verdict.NOT_MET else verdict,
        finding=outcome.finding,
        statement=outcome.statement,
        remarks=outcome.remarks,
        held=outcome.held,
        examples=outcome.examples,
        duration_seconds=outcome.duration_seconds,
        transcripts=outcome.transcripts,
    )


def _passive_evidence(row: Requirement, rule: RuleOutcome) -> list[CheckResult]:
    if rule.verdict is Verdict.UNCHECKED:
        return []
    what = "message" if row.id == effects.RULE else "reply"
    statement = f"Watched every {what} of this run; {rule.judged} put the rule to the test."
    if not rule.violations:
        finding = Finding(rule.verdict, reason=rule.reason)
        return [CheckResult("passive", rule.verdict, finding, statement)]
    shown = rule.violations[:_VIOLATIONS_SHOWN]
    more = len(rule.violations) - len(shown)
    remarks = [
        f"{each.where}, {each.at_seconds:.3f} s: expected {each.expected}; {each.observed}"
        for each in shown
    ]
    remarks += [f"and {more} more"] if more else []
    finding = Finding(Verdict.NOT_MET, shown[0].expected, shown[0].observed)
    return [CheckResult("passive", unmet(row.level), finding, statement, tuple(remarks))]


def _reason(verdict: Verdict, checks: list[CheckResult], without_checks: str) -> str:
    if not checks:
        return without_checks
    worst = next(check for check in checks if check.verdict is verdict)
    return worst.finding.reason


def to_json(results: Results) -> dict[str, object]:
    """Return results.json as plain values; `archive` makes the file of it."""
    run, conclusion = results.run, results.conclusion
    return {
        "schema": results.schema,
        "suite": {"version": SUITE_VERSION, "catalogue": results.fingerprint},
        "run": {
            "started_at": run.started_at.isoformat(timespec="seconds"),
            "duration_seconds": round(run.duration_seconds, 3),
            "target": run.target,
            "token": run.token,
            "order": {**asdict(run.order), "arguments": list(run.order.arguments)},
            "selection": list(run.selection),
            "notes": list(run.notes),
            "sanity": [sanity.to_json() for sanity in run.dialogues],
            "sanity_transcripts": list(run.sanity_transcripts),
        },
        "conclusion": {
            "exit_code": int(conclusion.exit_code),
            "headline": conclusion.headline,
            "counts": {verdict.value: count for verdict, count in conclusion.counts.items()},
        },
        "groups": [asdict(group) for group in results.groups],
        "requirements": [_requirement_to_json(each) for each in results.requirements],
    }


def _requirement_to_json(result: RequirementResult) -> dict[str, object]:
    row = result.requirement
    return {
        "id": row.id,
        "group": row.group,
        "level": row.level.value,
        "source": row.source,
        "wording": row.wording,
        "expected": row.expected,
        "needs": list(row.needs),
        "verdict": result.verdict.value,
        "reason": result.reason,
        "checks": [
            {
                "check": check.check,
                "statement": check.statement,
                "verdict": check.verdict.value,
                "expected": check.finding.expected,
                "observed": check.finding.observed,
                "reason": check.finding.reason,
                "remarks": list(check.remarks),
                "held": [
                    {"expected": expected, "observed": observed}
                    for expected, observed in check.held
                ],
                "examples": list(check.examples),
                "duration_seconds": check.duration_seconds,
                "transcripts": list(check.transcripts),
            }
            for check in result.checks
        ],
    }
