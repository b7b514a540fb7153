"""The pytest plugin: `-p fake_dns.pytest_plugin` gives the fixture `fake_dns`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fake_dns.name_server import FakeDNS


@pytest.fixture
def fake_dns() -> Iterator[FakeDNS]:
    """A running name server without zones, on a port of its own; stopped after the test."""
    with FakeDNS() as dns:
        yield dns
