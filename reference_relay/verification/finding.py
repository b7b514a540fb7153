"""What a look at DNS found, and how a verification stands after it (D-15, D-18). Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reference_relay.service.verification import Verification, VerificationState

# D-18
INTERVAL_SECONDS = 6 * 3600.0
_TOLERATED_FAILURES = 3


@dataclass(frozen=True, slots=True)
class Proven:
    """The record is as it should be; there may still be something to say."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no record. Before the first success that is no failure: it may be on its way."""

    reason: str


@dataclass(frozen=True, slots=True)
class Wrong:
    """There is a record, and it does not do."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """DNS did not answer, so nothing is known (RFC 7208 §2.6.6)."""

    reason: str


Finding = Proven | Absent | Wrong | Unknown


def is_due(verification: Verification, now: float) -> bool:
    """Whether it is time to look again by itself."""
    return verification.next_check is not None and verification.next_check <= now


def after(before: Verification, finding: Finding, now: float) -> Verification:
    """Return how a verification stands after a look.

    Args:
        before: How it stood.
        finding: What was found.
        now: When, by the relay's clock.
    """
    if isinstance(finding, Unknown):
        return _without_answer(before, finding.reason, now)
    match finding:
        case Proven(reason):
            state = VerificationState.VERIFIED
        case Absent(reason) if before.state is VerificationState.PENDING:
            state = VerificationState.PENDING
        case Absent(reason) | Wrong(reason):
            state = VerificationState.FAILED
    return Verification(before.type, state, reason, now, now + INTERVAL_SECONDS)


def _without_answer(before: Verification, reason: str, now: float) -> Verification:
    if before.next_check is not None and not is_due(before, now):
        # Somebody asked out of turn. However often he does that, only the turns count in a row.
        return replace(before, reason=reason, last_checked=now)
    failures = before.temporary_failures + 1
    is_too_much = failures > _TOLERATED_FAILURES and before.state is VerificationState.VERIFIED
    return replace(
        before,
        state=VerificationState.FAILED if is_too_much else before.state,
        reason=f"{reason} ({failures} in a row)" if failures > 1 else reason,
        last_checked=now,
        next_check=now + INTERVAL_SECONDS,
        temporary_failures=failures,
    )
