"""Name look-ups for the checks of the relay path."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator, Sequence

import pytest

from conformance.judgement import not_observable
from conformance.relaying.look_up import LookUp, look_up_for
from conformance.relaying.next_hop import NextHop, OpenNextHop, open_next_hop
from fake_dns import FakeDNS
from fixtures.certificates import Certificate, CertificateAuthority
from fixtures.sink import EXTENSIONS, SinkMX
from fixtures.target import Target


@pytest.fixture
def look_up(target: Target) -> LookUp:
    """Look TXT records up."""
    return look_up_for(target)


_numbers = itertools.cycle(range(1, 255))


@pytest.fixture
def next_hop(target: Target, dns: FakeDNS, sink: SinkMX, token: str) -> Iterator[OpenNextHop]:
    """Open mail servers of the check's own; the relay under test delivers to them by DNS."""
    with contextlib.ExitStack() as opened:

        def opener(
            extensions: Sequence[str] = EXTENSIONS,
            *,
            is_encrypting: bool = False,
            more_addresses: Sequence[str] = (),
            label: str = "hop",
        ) -> NextHop:
            tls = _host_certificate().server_context() if is_encrypting else None
            hop = open_next_hop(
                dns, sink.port, next(_numbers), token, extensions, tls, more_addresses, label
            )
            opened.callback(hop.sink.stop)
            return hop

        yield opener


@functools.cache
def _host_certificate() -> Certificate:
    return CertificateAuthority.create().issue(["mx.hop.example"])


@pytest.fixture
def advance(target: Target) -> Callable[[float], None]:
    """Move the relay's clock on by seconds."""
    if target.advance is None:
        not_observable("the relay's clock cannot be moved")
    return target.advance
