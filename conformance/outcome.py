"""What one check came to, as plain values that travel between processes and into results.json."""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from typing import TypeVar, cast

import pytest

from conformance.judgement import (
    Inconclusive,
    NotClaimed,
    NotMet,
    NotObservable,
    octets_of,
    octets_shown,
    shown,
    unescaped,
)
from conformance.passive import Examination
from conformance.verdict import Verdict
from fixtures.budget import BudgetSpent, BudgetTooSmall
from fixtures.mailbox import NotShown
from fixtures.probe import (
    ConnectionLost,
    HandshakeFailed,
    Refused,
    ReplyMalformed,
    ReplyTimeout,
    Throttled,
)
from fixtures.redaction import Secrets
from fixtures.target import NotAvailable
from fixtures.transcript import Transcript

# The name under which outcomes travel in pytest's reports.
PROPERTY = "conformance"

V = TypeVar("V")

# What the reports keep of one write or read, and of one connection.
_LONGEST_EVENT = 2048
_MOST_EVENTS = 400


@dataclass(frozen=True, slots=True)
class Finding:
    """How one phase of a check ended."""

    verdict: Verdict
    expected: str = ""
    observed: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check, or one parameter of it, with its evidence; secrets are already taken out."""

    check: str
    requirements: tuple[str, ...]
    finding: Finding
    statement: str = ""
    remarks: tuple[str, ...] = ()
    held: tuple[tuple[str, str], ...] = ()
    examples: tuple[Mapping[str, object], ...] = ()
    duration_seconds: float = 0.0
    transcripts: tuple[Mapping[str, object], ...] = ()
    examination: Examination = field(default_factory=Examination)

    def to_json(self) -> str:
        """Return the outcome as JSON text, for `report.user_properties`."""
        return json.dumps(
            {
                "check": self.check,
                "requirements": self.requirements,
                "finding": finding_to_json(self.finding),
                "statement": self.statement,
                "remarks": self.remarks,
                "held": self.held,
                "examples": self.examples,
                "duration_seconds": self.duration_seconds,
                "transcripts": self.transcripts,
                "examination": self.examination.to_json(),
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Read back what `to_json` wrote."""
        document = json.loads(text)
        return cls(
            check=document["check"],
            requirements=tuple(document["requirements"]),
            finding=finding_from_json(document["finding"]),
            statement=document["statement"],
            remarks=tuple(document["remarks"]),
            held=tuple((expected, observed) for expected, observed in document["held"]),
            examples=tuple(document["examples"]),
            duration_seconds=document["duration_seconds"],
            transcripts=tuple(document["transcripts"]),
            examination=Examination.from_json(document["examination"]),
        )


def finding_to_json(finding: Finding) -> dict[str, str]:
    """Return plain values; `finding_from_json` is the way back."""
    return {
        "verdict": finding.verdict.value,
        "expected": finding.expected,
        "observed": finding.observed,
        "reason": finding.reason,
    }


def finding_from_json(document: Mapping[str, str]) -> Finding:
    """Read back what `finding_to_json` wrote."""
    return Finding(
        verdict=Verdict(document["verdict"]),
        expected=document["expected"],
        observed=document["observed"],
        reason=document["reason"],
    )


def finding_of(error: BaseException) -> Finding:
    """Tell what the exception that ended a check means for the requirement."""
    match error:
        case NotMet():
            return Finding(Verdict.NOT_MET, error.expected, error.observed)
        case AssertionError():
            return Finding(Verdict.NOT_MET, observed=str(error) or _line_of(error))
        case NotObservable() | NotAvailable() | BudgetTooSmall() | NotShown():
            return Finding(Verdict.NOT_OBSERVABLE, reason=str(error))
        case NotClaimed():
            return Finding(Verdict.NOT_CLAIMED, reason=str(error))
        case Inconclusive() | Throttled() | BudgetSpent():
            return Finding(Verdict.INCONCLUSIVE, reason=str(error))
        case Refused() if error.reply.is_permanent:
            # A check asks for a whole transaction only where it must be accepted.
            expected = f"{error.stage} is accepted"
            return Finding(Verdict.NOT_MET, expected, shown(error.reply))
        case Refused() | ReplyMalformed() | ReplyTimeout() | HandshakeFailed() | ConnectionLost():
            return Finding(Verdict.INCONCLUSIVE, reason=str(error) or type(error).__name__)
        case ConnectionError() | TimeoutError():
            return Finding(Verdict.INCONCLUSIVE, reason=f"{type(error).__name__}: {error}")
        case pytest.fail.Exception() if str(error).startswith("Timeout"):
            return Finding(Verdict.INCONCLUSIVE, reason=str(error).partition("\n")[0])
        case pytest.skip.Exception():
            reason = f"skipped: {error}; only not_observable() and not_claimed() may end a check"
            return Finding(Verdict.HARNESS_ERROR, reason=reason)
        case _:
            return Finding(Verdict.HARNESS_ERROR, reason=f"{type(error).__name__}: {error}")


def _line_of(error: BaseException) -> str:
    """The source line that raised, for an `assert` without words."""
    frames = traceback.extract_tb(error.__traceback__)
    return frames[-1].line or "" if frames else ""


def worst_finding(findings: Iterable[Finding]) -> Finding:
    """Return the finding with the worst verdict, the first of several."""
    return max(
        findings,
        key=lambda finding: finding.verdict.severity,
        default=Finding(Verdict.UNCHECKED),
    )


def transcript_to_json(transcript: Transcript, secrets: Secrets) -> dict[str, object]:
    """Return a transcript as plain values without its secrets.

    Octets become the lossless text of `octets_shown`: readable, and a search for a secret
    would find it, which base64 would prevent. Of very long events and dialogues the front part
    is kept.
    """
    events = [
        # A secret across the cut is still whole here, and gone before the cut is made.
        replace(event, octets=event.octets[: 2 * _LONGEST_EVENT])
        for event in transcript.events[:_MOST_EVENTS]
    ]
    excerpt = Transcript(transcript.name, transcript.side, events)
    return {
        "name": redacted(transcript.name, secrets),
        "side": transcript.side,
        "started_at": transcript.started_at.isoformat(timespec="milliseconds"),
        "events": [
            {
                "at_seconds": round(event.time, 6),
                "direction": event.direction,
                "is_tls": event.is_tls,
                "octets": octets_shown(event.octets[:_LONGEST_EVENT]),
                "omitted_octets": max(0, len(whole.octets) - _LONGEST_EVENT),
                "label": visible(event.label),
            }
            for whole, event in zip(
                transcript.events, excerpt.redacted_events(secrets), strict=False
            )
        ],
        "omitted_events": max(0, len(transcript.events) - _MOST_EVENTS),
    }


def redacted(text: str, secrets: Secrets) -> str:
    r"""Take the secrets out of a text, also those that `octets_shown` wrote as `\xNN`."""
    clean = secrets.redact_text(text)
    if "\\" in clean and secrets.spans(octets := octets_of(clean)):
        clean = octets_shown(secrets.redact(octets))
    return visible(clean)


def redacted_node(node: str, secrets: Secrets) -> str:
    """Take the secrets out of a check's parameters; its name stands in our own source code."""
    name, bracket, parameters = node.partition("[")
    return name + redacted(bracket + parameters, secrets)


def visible(text: str) -> str:
    """Write what cannot be seen, or would turn the text around, as an escape."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def redacted_values(values: V, secrets: Secrets) -> V:
    """Take the secrets out of every text inside plain values and dataclasses."""
    # Looking through all texts at once is far cheaper than one by one, and finds nothing as a rule.
    together = "\n".join(_texts_in(values)).encode("utf-8", "surrogateescape")
    if not secrets.spans(together) and not secrets.spans(unescaped(together)):
        return values
    return cast("V", _redacted_values(values, secrets))


def _texts_in(values: object) -> Iterator[str]:
    match values:
        case str():
            yield values
        case Mapping():
            for value in values.values():
                yield from _texts_in(value)
        case list() | tuple():
            for value in values:
                yield from _texts_in(value)
        case _ if is_dataclass(values) and not isinstance(values, type):
            for each in fields(values):
                yield from _texts_in(getattr(values, each.name))
        case _:
            pass


def _redacted_values(values: object, secrets: Secrets) -> object:
    match values:
        case str() if not isinstance(values, Enum):
            return redacted(values, secrets)
        case Mapping():
            return {key: _redacted_values(value, secrets) for key, value in values.items()}
        case list():
            return [_redacted_values(value, secrets) for value in values]
        case tuple():
            return tuple(_redacted_values(value, secrets) for value in values)
        case _ if is_dataclass(values) and not isinstance(values, type):
            fresh = {
                each.name: _redacted_values(getattr(values, each.name), secrets)
                for each in fields(values)
                if each.init
            }
            return replace(values, **fresh)
        case _:
            return values
