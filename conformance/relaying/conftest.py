"""Name look-ups for the checks of the relay path."""

from __future__ import annotations

import pytest

from conformance.relaying.look_up import LookUp, look_up_for
from fixtures.target import Target


@pytest.fixture
def look_up(target: Target) -> LookUp:
    """Look TXT records up."""
    return look_up_for(target)
