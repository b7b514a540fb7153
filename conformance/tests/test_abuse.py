"""The abuse that `nox -s abuse` runs for long, in short: what abusers hear."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from conformance.robustness.abuse import (
    KINDS,
    MEMORY_OCTETS,
    HonestClient,
    Place,
    connection_flood,
)
from fixtures.profile import load_profile
from fixtures.scarcity import resident_octets
from fixtures.target import Target
from fixtures.world import open_target


@pytest.fixture(scope="module")
def target() -> Iterator[Target]:
    with open_target(load_profile("seed-2025")) as opened:
        yield opened


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: kind.__name__)
def test_abusers_hear_what_the_catalogue_says(
    kind: Callable[[Place], Counter[str]], target: Target
) -> None:
    """An abuser gets its refusal, memory stays bounded, and an honest client is served after it."""
    assert target.relay is not None
    before = resident_octets(target.relay)
    source = target.client_address("primary-only")
    place = Place(target.endpoint(), target.account("second"), source, 20, 0.5)
    with HonestClient(target) as honest:
        heard = kind(place)
        due, allowed = KINDS[kind]
        # So small a flood finds a place for everybody.
        assert due in heard or kind is connection_flood
        assert set(heard) <= allowed
        assert honest.rate(0.1) > 0
    assert resident_octets(target.relay) - before < MEMORY_OCTETS
