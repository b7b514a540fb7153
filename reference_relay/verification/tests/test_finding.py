"""How a verification stands after a look at DNS (D-15, D-18)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reference_relay.service.verification import (
    Verification,
    VerificationState,
    VerificationType,
)
from reference_relay.verification.finding import (
    INTERVAL_SECONDS,
    Absent,
    Finding,
    Proven,
    Unknown,
    Wrong,
    after,
    is_due,
)

PENDING, VERIFIED, FAILED = VerificationState
FRESH = Verification(VerificationType.SPF)
GOOD = Verification(VerificationType.SPF, VERIFIED, "", 0.0, INTERVAL_SECONDS)


@pytest.mark.parametrize(
    ("before", "finding", "state"),
    [
        (PENDING, Proven(), VERIFIED),
        (PENDING, Absent("gone"), PENDING),
        (PENDING, Wrong("bad"), FAILED),
        (PENDING, Unknown("silence"), PENDING),
        (VERIFIED, Proven(), VERIFIED),
        (VERIFIED, Absent("gone"), FAILED),
        (VERIFIED, Wrong("bad"), FAILED),
        (VERIFIED, Unknown("silence"), VERIFIED),
        (FAILED, Proven(), VERIFIED),
        (FAILED, Absent("gone"), FAILED),
        (FAILED, Unknown("silence"), FAILED),
    ],
)
def test_what_was_found_decides(
    before: VerificationState, finding: Finding, state: VerificationState
) -> None:
    """Absent and wrong records suspend at once, silence does not, and repair needs nobody."""
    found = after(replace(GOOD, state=before), finding, INTERVAL_SECONDS)
    assert found.state is state
    assert found.last_checked == INTERVAL_SECONDS
    assert found.next_check == 2 * INTERVAL_SECONDS


def test_the_fourth_silence_in_a_row_suspends() -> None:
    """Three turns without an answer are borne, the fourth is not, and an answer ends the row."""
    standing = GOOD
    states = []
    for _ in range(4):
        assert standing.next_check is not None
        standing = after(standing, Unknown("silence"), standing.next_check)
        states.append(standing.state)
    assert states == [VERIFIED, VERIFIED, VERIFIED, FAILED]
    assert standing.temporary_failures == 4
    assert standing.next_check is not None
    assert after(standing, Proven(), standing.next_check).temporary_failures == 0


def test_asking_out_of_turn_does_not_suspend() -> None:
    """Somebody who asks ten times while DNS is silent has not made ten turns pass."""
    standing = GOOD
    for moment in range(10):
        standing = after(standing, Unknown("silence"), float(moment))
    assert standing.state is VERIFIED
    assert standing.temporary_failures == 0
    assert standing.reason == "silence"
    assert standing.next_check == GOOD.next_check


def test_nothing_is_due_that_was_never_looked_at() -> None:
    """A first look is asked for; from then on looks come by themselves."""
    assert not is_due(FRESH, 1e12)
    first = after(FRESH, Absent("not yet"), 10.0)
    assert not is_due(first, 10.0 + INTERVAL_SECONDS - 1)
    assert is_due(first, 10.0 + INTERVAL_SECONDS)
