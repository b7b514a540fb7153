"""The inputs that the fuzzer kept, and those that once made the engine raise."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_relay.policy.tests.any_octets import CORPUS, take


@pytest.mark.parametrize("kept", sorted(CORPUS.iterdir()), ids=lambda path: path.name[:12])
def test_kept_inputs_are_taken(kept: Path) -> None:
    """No octets make the engine raise or say what is no reply, however they are cut."""
    octets = kept.read_bytes()
    for size in (0, 1, 6, 63):
        take(octets[:1] + bytes([size]) + octets[2:])
