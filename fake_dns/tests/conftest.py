"""The fixtures that the plugin ships, without loading it for the whole run, and two of our own."""

from collections.abc import Iterator

import pytest

from fake_dns import EventLoop, FakeDNS, Options, Zone
from fake_dns.control import Control
from fake_dns.pytest_plugin import dns_zone, fake_dns, fake_dns_server
from fake_dns.tests.asking import RECORDS

__all__ = ["control", "dns_server", "dns_zone", "fake_dns", "fake_dns_server"]


@pytest.fixture(params=[EventLoop.ASYNCIO, EventLoop.UVLOOP], ids=str)
def dns_server(request: pytest.FixtureRequest) -> Iterator[FakeDNS]:
    """A running server with one zone, on each of the loops that are here."""
    if request.param is EventLoop.UVLOOP:
        pytest.importorskip("uvloop")
    options = Options(event_loop=request.param)
    with FakeDNS([Zone("example.com", RECORDS)], tls=True, options=options) as server:
        yield server


@pytest.fixture
def control(fake_dns: FakeDNS) -> Iterator[Control]:
    """The control port of a server with one zone."""
    fake_dns.add(Zone("example.com", {"@": {"A": "127.0.0.1"}}))
    with Control(fake_dns) as port:
        yield port
