"""RLY: 250 is a promise that survives a crash (RFC 5321 §6.1)."""

from __future__ import annotations

import pytest

from conformance.crash_trial import Trial, Unmeasured
from conformance.durability import breakable
from conformance.judgement import inconclusive, must, not_observable
from conformance.requirement import requirement, takes_seconds
from fixtures.relay_process import RelayNotReady
from fixtures.target import NotAvailable, Target

ROUNDS = 3
SEED = 5321


@requirement("RLY-14")
@takes_seconds(5)
@pytest.mark.timeout(110)
def test_no_acknowledged_message_is_lost_in_a_crash(target: Target) -> None:
    """Killed at random moments after a 250, the relay delivers all it promised, and all of it."""
    try:
        tally = Trial(target, SEED).run(ROUNDS)
    except Unmeasured as error:
        inconclusive(str(error))
    must(tally.is_kept, expected="none lost, none cut, no copy but by a crash", observed=tally)


@requirement("RLY-14")
@takes_seconds(8)
@pytest.mark.timeout(110)
def test_no_acknowledged_message_is_lost_in_a_power_cut(
    target: Target, pytestconfig: pytest.Config
) -> None:
    """When the disk forgets what was not synced, all that a 250 was said for is still there."""
    command = pytestconfig.getoption("--relay-command")
    try:
        with breakable(target.profile, "power", command) as (own, crash):
            tally = Trial(own, SEED, crash=crash).run(ROUNDS)
    except NotAvailable as error:
        not_observable(str(error))
    except (Unmeasured, RelayNotReady) as error:
        inconclusive(str(error))
    must(tally.is_kept, expected="none lost, none cut, no copy but by a cut", observed=tally)
