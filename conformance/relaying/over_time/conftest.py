"""What takes days of the relay's clock is seen at a relay whose clock nobody else goes by."""

import pytest

from fixtures.target import Target


@pytest.fixture
def target(rehearsal: Target) -> Target:
    """The relay under test; if it is ours, one of its own, so that no other check sees the jump."""
    return rehearsal
