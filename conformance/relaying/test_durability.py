"""RLY: 250 is a promise that survives a crash (RFC 5321 §6.1)."""

from __future__ import annotations

import pytest

from conformance.durability import Trial, Unmeasured
from conformance.judgement import inconclusive, must
from conformance.requirement import requirement
from fixtures.target import Target

ROUNDS = 3
SEED = 5321


@requirement("RLY-14")
@pytest.mark.timeout(110)
def test_no_acknowledged_message_is_lost_in_a_crash(target: Target) -> None:
    """Killed at random moments after a 250, the relay delivers all it promised, and all of it."""
    try:
        tally = Trial(target, SEED).run(ROUNDS)
    except Unmeasured as error:
        inconclusive(str(error))
    must(tally.is_kept, expected="none lost and none cut", observed=tally)
