"""The trial by crashes: several relays share the rounds, and an order for none is refused."""

from __future__ import annotations

import contextlib

import pytest

from conformance.durability import breakable, hold, main
from fixtures.profile import DEFAULT_PROFILE, load_profile

SEED = 6


def test_two_relays_share_the_rounds() -> None:
    """Every round is held once, and the books of both relays are added up."""
    profile = load_profile(DEFAULT_PROFILE)
    with contextlib.ExitStack() as stack:
        relays = [stack.enter_context(breakable(profile, "relay")) for _ in range(2)]
        tally = hold(relays, SEED, 3, senders=1)
    assert tally.rounds == 3
    assert tally.balance.accepted >= 3
    assert tally.is_kept


@pytest.mark.parametrize("order", [["--rounds", "0"], ["--relays", "none"], ["--senders", "-1"]])
def test_a_trial_without_rounds_proves_nothing(
    order: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A count of none is an error of usage, not a trial that nothing was lost in."""
    with pytest.raises(SystemExit) as caught:
        main(order)
    assert caught.value.code == 2
    assert "give 1 or more" in capsys.readouterr().err
