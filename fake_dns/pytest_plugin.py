"""The pytest plugin: fixtures `fake_dns` and `dns_zone`, marker and option `fake_dns_strict`.

The wheel registers it by itself; from a checkout it is `-p fake_dns.pytest_plugin`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Protocol

import pytest

from fake_dns.name_server import FakeDNS
from fake_dns.zone import Zone

_MARKER = "fake_dns_strict"


class PutZone(Protocol):
    """Serves a zone, in the place of the one with its origin, if any."""

    def __call__(
        self,
        origin: str,
        records: Mapping[str, object],
        *,
        ttl: int = 300,
        soa: Mapping[str, object] | None = None,
        authentic: bool = False,
    ) -> Zone:
        """Serve it; the arguments are those of `Zone`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option."""
    parser.addini(_MARKER, "fail a test in which somebody asks fake_dns beyond its zones", "bool")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(*expected): fail when fake_dns is asked for anything but these"
        ' ("NAME", "NAME TYPE", "*.NAME"), or, without any, beyond its zones',
    )


@pytest.fixture(scope="session")
def fake_dns_server() -> Iterator[FakeDNS]:
    """One running name server for all tests, on one port; override it to start another kind."""
    with FakeDNS() as dns:
        yield dns


@pytest.fixture
def fake_dns(fake_dns_server: FakeDNS) -> Iterator[FakeDNS]:
    """The name server, for one test: what the test changes is put back after it."""
    snapshot = fake_dns_server.snapshot()
    fake_dns_server.forget_queries()
    yield fake_dns_server
    fake_dns_server.rollback(snapshot)


@pytest.fixture
def dns_zone(fake_dns: FakeDNS) -> PutZone:
    """Put a zone in place for this test: `dns_zone("example.com", {"@": {"A": "127.0.0.1"}})`."""

    def put(
        origin: str,
        records: Mapping[str, object],
        *,
        ttl: int = 300,
        soa: Mapping[str, object] | None = None,
        authentic: bool = False,
    ) -> Zone:
        zone = Zone(origin, records, ttl=ttl, soa=soa, authentic=authentic)
        fake_dns.replace(zone)
        return zone

    return put


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """After a test that passed: nothing was asked that should not have been."""
    outcome = yield
    marker = pyfuncitem.get_closest_marker(_MARKER)
    dns = pyfuncitem.funcargs.get("fake_dns")
    if isinstance(dns, FakeDNS) and (marker is not None or pyfuncitem.config.getini(_MARKER)):
        dns.must_be_expected(*(marker.args if marker is not None else ()))
    return outcome
