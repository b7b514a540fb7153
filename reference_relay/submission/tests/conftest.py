"""What several tests of the inbound edge need."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_relay.submission.tests.client import throw_away_certificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate in one PEM file."""
    return throw_away_certificate(tmp_path_factory.mktemp("certificate"))
