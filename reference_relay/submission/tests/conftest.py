"""What several tests of the inbound edge need."""

from __future__ import annotations

from pathlib import Path

import pytest

from reference_relay.submission.tests.client import throw_away_certificate


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate in one PEM file."""
    return throw_away_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def tls_sessions(request: pytest.FixtureRequest) -> int:
    """How many sessions a race is run in; `--tls-sessions 500` is the long form."""
    return int(request.config.getoption("--tls-sessions"))
