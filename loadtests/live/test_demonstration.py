from __future__ import annotations

from loadtests.demonstration import stall
from loadtests.site import Site


def test_a_stall_moves_our_percentile_by_seconds_and_a_closed_loops_hardly(site: Site) -> None:
    """Five seconds of silence: those who meant to send then felt it, whoever waited did not ask."""
    seen = stall(site)
    assert seen.ours[-1] > 3000
    assert seen.theirs[-1] < 500
    assert seen.planned.measurement.accepted == seen.planned.measurement.planned
    assert seen.planned.ledger is not None
    assert seen.planned.ledger.is_balanced
