"""The reply rules, judged over everything the relay under test ever said (RPL-01 … RPL-08).

No check has to ask for it: the transcript of every probe of a run passes here. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import cast

from conformance.reply_rules import (
    ENHANCEMENT,
    REPLY_RULES,
    Violation,
    broken,
    is_utf8_text,
    lacks_enhanced_status,
    miscounted,
    offers_enhancement,
    replies_heard,
)
from conformance.verdict import Verdict
from fixtures.transcript import Transcript

RULE_IDS = ("RPL-01", "RPL-02", "RPL-03", "RPL-04", "RPL-05", "RPL-06", "RPL-07", "RPL-08")


@dataclass(frozen=True, slots=True)
class Examination:
    """What the rules found on one connection, or on several; plain values, ready to be shipped.

    Attributes:
        judged: How often each rule had something to judge.
        violations: What broke a rule.
        offered_in: The phases ("clear", "tls") in which EHLO offered ENHANCEDSTATUSCODES.
        unasked: What breaks RPL-06 in a phase where nobody sent EHLO; it counts only if another
            connection was offered the extension in that phase.
    """

    judged: Mapping[str, int] = field(default_factory=dict)
    violations: tuple[Violation, ...] = ()
    offered_in: frozenset[str] = frozenset()
    unasked: tuple[tuple[str, Violation], ...] = ()

    def to_json(self) -> dict[str, object]:
        """Return plain values; `from_json` is the way back."""
        return {
            "judged": dict(self.judged),
            "violations": [asdict(violation) for violation in self.violations],
            "offered_in": sorted(self.offered_in),
            "unasked": [[phase, asdict(violation)] for phase, violation in self.unasked],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> Examination:
        """Read back what `to_json` wrote."""
        violations = cast("list[dict[str, object]]", document["violations"])
        unasked = cast("list[tuple[str, dict[str, object]]]", document["unasked"])
        return cls(
            judged=cast("Mapping[str, int]", document["judged"]),
            violations=tuple(_violation(each) for each in violations),
            offered_in=frozenset(cast("list[str]", document["offered_in"])),
            unasked=tuple((phase, _violation(each)) for phase, each in unasked),
        )


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """What one rule has to say about a whole run."""

    verdict: Verdict
    judged: int = 0
    violations: tuple[Violation, ...] = ()
    reason: str = ""


def examine(transcript: Transcript) -> Examination:
    """Judge one connection; what our own sink said is not held against the relay."""
    if transcript.side != "probe":
        return Examination()
    heard = list(replies_heard(transcript.events))
    judged: Counter[str] = Counter()
    violations: list[Violation] = []
    for reply in heard:
        for rule, check in REPLY_RULES.items():
            if (expected := check(reply)) is not None:
                judged[rule] += 1
                violations += broken(rule, expected, reply, transcript.name)
    judged["RPL-05"] = len(heard)
    violations += miscounted(transcript)
    if any(b"SMTPUTF8" in reply.sent.upper() for reply in heard):
        # RFC 6531 §3.7.4.2: such a client has asked for UTF-8 in replies.
        violations = [each for each in violations if not is_utf8_text(each)]

    asked = {reply.phase for reply in heard if reply.is_offer}
    offered = {reply.phase for reply in heard if reply.is_offer and offers_enhancement(reply)}
    unasked: list[tuple[str, Violation]] = []
    for reply in heard:
        if (expected := lacks_enhanced_status(reply)) is not None:
            found = broken("RPL-06", expected, reply, transcript.name)
            if reply.phase in offered:
                judged["RPL-06"] += 1
                violations += found
            elif reply.phase not in asked:
                unasked += [(reply.phase, each) for each in found]
    return Examination(+judged, tuple(violations), frozenset(offered), tuple(unasked))


def combined(examinations: Iterable[Examination]) -> Examination:
    """Join the examinations of several connections."""
    judged: Counter[str] = Counter()
    violations: list[Violation] = []
    offered_in: set[str] = set()
    unasked: list[tuple[str, Violation]] = []
    for each in examinations:
        judged.update(each.judged)
        violations += each.violations
        offered_in |= each.offered_in
        unasked += each.unasked
    return Examination(+judged, tuple(violations), frozenset(offered_in), tuple(unasked))


def judge(examination: Examination) -> dict[str, RuleOutcome]:
    """Judge a run from the joined examinations of its connections; one outcome per rule."""
    late = (each for phase, each in examination.unasked if phase in examination.offered_in)
    violations = (*examination.violations, *late)
    outcomes = {}
    for rule in RULE_IDS:
        judged = examination.judged.get(rule, 0)
        if found := tuple(each for each in violations if each.rule == rule):
            outcomes[rule] = RuleOutcome(Verdict.NOT_MET, judged, found)
        elif judged:
            outcomes[rule] = RuleOutcome(Verdict.MET, judged)
        elif rule == "RPL-06" and examination.judged:
            reason = f"the target offers no {ENHANCEMENT}"
            outcomes[rule] = RuleOutcome(Verdict.NOT_CLAIMED, reason=reason)
        else:
            reason = "nothing in the traffic of this run puts the rule to the test"
            outcomes[rule] = RuleOutcome(Verdict.UNCHECKED, reason=reason)
    return outcomes


def _violation(document: Mapping[str, object]) -> Violation:
    return Violation(
        rule=str(document["rule"]),
        expected=str(document["expected"]),
        observed=str(document["observed"]),
        at_seconds=float(cast("float", document["at_seconds"])),
        where=str(document["where"]),
    )
