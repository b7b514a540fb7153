from __future__ import annotations

from loadtests.demonstration import CLOSED_USERS, RATE, STALL_SECONDS, stall
from loadtests.site import Site


def test_a_stall_moves_our_percentile_by_seconds_and_a_closed_loops_hardly(site: Site) -> None:
    """Five seconds of silence: those who meant to send then felt it, whoever waited did not ask."""
    seen = stall(site)
    assert seen.ours[-1] > 3000
    ours, theirs = seen.felt
    # Who planned to send in the first half of the stall; of the others, one message each at most.
    assert ours > 0.8 * RATE * STALL_SECONDS / 2
    assert theirs <= CLOSED_USERS
    assert seen.planned.measurement.accepted == seen.planned.measurement.planned
    assert seen.planned.ledger is not None
    assert seen.planned.ledger.is_balanced
