"""Limits and corners that the openspf suite leaves open."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from reference_relay.spf.evaluation import check_host
from reference_relay.spf.outcome import Result
from reference_relay.spf.tests.published import Published

_ADDRESS = "192.0.2.1"
Zone = Mapping[str, Sequence[Any]]


def _result(zone: Zone, address: str = _ADDRESS) -> Result:
    return asyncio.run(check_host(Published(zone), address, "a.test", "me@a.test")).result


def test_ten_terms_are_allowed() -> None:
    """Ten terms that ask, nested ones counted, are within the limit (§4.6.4)."""
    zone = {
        "a.test": [{"TXT": "v=spf1 include:b.test -all"}],
        "b.test": [{"TXT": "v=spf1 " + "a:other.test " * 9 + f"ip4:{_ADDRESS}"}],
        "other.test": [{"A": "192.0.2.99"}],
    }
    assert _result(zone) is Result.PASS


def test_the_eleventh_term_is_too_much() -> None:
    """One more, in the included record, is a permanent error: the count is one for all (§4.6.4)."""
    zone = {
        "a.test": [{"TXT": "v=spf1 include:b.test -all"}],
        "b.test": [{"TXT": "v=spf1 " + "a:other.test " * 10 + f"ip4:{_ADDRESS}"}],
        "other.test": [{"A": "192.0.2.99"}],
    }
    assert _result(zone) is Result.PERMERROR


@pytest.mark.parametrize(("voids", "expected"), [(2, Result.PASS), (3, Result.PERMERROR)])
def test_void_lookups_are_counted(voids: int, expected: Result) -> None:
    """Two look-ups without a result are allowed, a third is a permanent error (§4.6.4)."""
    terms = " ".join(f"a:nothing{number}.test" for number in range(voids))
    assert _result({"a.test": [{"TXT": f"v=spf1 {terms} ip4:{_ADDRESS}"}]}) is expected


def test_a_loop_of_includes_ends() -> None:
    """Records that include each other are a permanent error, and come to an end."""
    zone = {
        "a.test": [{"TXT": "v=spf1 include:b.test -all"}],
        "b.test": [{"TXT": "v=spf1 include:a.test -all"}],
    }
    assert _result(zone) is Result.PERMERROR


def test_a_loop_of_redirects_ends() -> None:
    """A record that redirects to itself is a permanent error."""
    assert _result({"a.test": [{"TXT": "v=spf1 redirect=a.test"}]}) is Result.PERMERROR


def test_a_mapped_address_counts_as_ipv4() -> None:
    """An IPv4-mapped IPv6 address is judged as the IPv4 address it carries (§5)."""
    zone = {"a.test": [{"TXT": f"v=spf1 ip4:{_ADDRESS} -all"}]}
    assert _result(zone, f"::ffff:{_ADDRESS}") is Result.PASS


@pytest.mark.parametrize("term", ["ip6:fe80::1%lo", "ip4:192.0.2.1/+8", "a//", "a/33", "ip4:1.2.3"])
def test_malformed_networks_are_permanent_errors(term: str) -> None:
    """What Python's own parsers would take or drop is still a mistake (§5.6)."""
    assert _result({"a.test": [{"TXT": f"v=spf1 {term} +all"}]}) is Result.PERMERROR


def test_silence_in_an_include_is_temporary() -> None:
    """No answer for an included record makes the whole a temporary error (§5.2)."""
    zone: Zone = {"a.test": [{"TXT": "v=spf1 include:b.test -all"}], "b.test": ["TIMEOUT"]}
    assert _result(zone) is Result.TEMPERROR
