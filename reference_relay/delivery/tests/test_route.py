"""Routes (RFC 5321 §5.1, RFC 7505) and what may be reached (PATH-12)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

import pytest

from reference_relay.delivery.route import Route, Router
from reference_relay.lookup.resolver import (
    LookupFailedError,
    MailExchange,
    NoSuchDomainError,
)
from reference_relay.queue.queued_message import Deferred, Failed


@dataclass
class StubResolver:
    """Answers from two tables; an exception in a table is raised."""

    mx: dict[str, list[tuple[int, str]] | Exception] = field(default_factory=dict)
    hosts: dict[str, list[str] | Exception] = field(default_factory=dict)

    async def mail_exchanges(self, domain: str) -> Sequence[MailExchange]:
        found = self.mx.get(domain, NoSuchDomainError(f"{domain} does not exist"))
        if isinstance(found, Exception):
            raise found
        return [MailExchange(*each) for each in found]

    async def addresses(self, host: str) -> Sequence[str]:
        found = self.hosts.get(host, NoSuchDomainError(f"{host} does not exist"))
        if isinstance(found, Exception):
            raise found
        return found


def router(resolver: StubResolver, *reachable: str) -> Router:
    networks = [ip_network(each) for each in reachable]
    return Router(resolver, "relay.example.net", networks, shuffle=list.reverse)


def route(mx: list[tuple[int, str]] | Exception) -> object:
    return asyncio.run(router(StubResolver(mx={"d.example": mx})).route("d.example"))


def addresses(host: str, found: list[str] | Exception | None = None, *reachable: str) -> object:
    hosts = {} if found is None else {host: found}
    result = asyncio.run(router(StubResolver(hosts=hosts), *reachable).addresses(host))
    return [str(each) for each in result] if isinstance(result, tuple) else result


def test_lowest_preference_first_and_equal_ones_spread() -> None:
    """Preferences are compared as numbers; equal ones are shuffled among themselves."""
    found = route([(100, "d"), (20, "b1"), (20, "b2"), (3, "a")])
    assert found == Route(("a", "b2", "b1", "d"))


def test_implicit_mx() -> None:
    """A domain without MX records is its own host."""
    assert route([]) == Route(("d.example",))


def test_null_mx() -> None:
    """A null MX fails at once with 5.1.10."""
    found = route([(0, "")])
    assert isinstance(found, Failed)
    assert found.reason.startswith("5.1.10 ")


def test_no_such_domain() -> None:
    """NXDOMAIN fails, SERVFAIL and timeouts defer."""
    assert isinstance(route(NoSuchDomainError("x")), Failed)
    assert isinstance(route(LookupFailedError("x")), Deferred)


def test_we_are_the_best_host() -> None:
    """Hosts no better than ourselves are left out; if none is left the mail would loop."""
    ours = "relay.example.net"
    assert route([(10, "a"), (20, ours), (20, "b"), (30, "c")]) == Route(("a",))
    found = route([(10, ours), (20, "b")])
    assert isinstance(found, Failed)
    assert found.reason.startswith("5.4.6 ")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254",
        "0.0.0.1", "100.64.0.1", "192.0.2.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "fe80::1", "fc00::1", "ff02::1",
        "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_internal_addresses_are_not_reached(address: str) -> None:
    """No spelling of an address inside is reached, through an MX host or a literal."""
    refused = addresses("mx.example", [address])
    assert isinstance(refused, Failed)
    tag = "IPv6:" if ":" in address else ""
    assert isinstance(addresses(f"[{tag}{address}]"), Failed)


def test_public_addresses_are_reached() -> None:
    """Public addresses are, and an internal one among them is left out."""
    found = addresses("mx.example", ["2606:4700::1", "10.0.0.1", "8.8.8.8"])
    assert found == ["2606:4700::1", "8.8.8.8"]


def test_listed_networks_are_reached() -> None:
    """A lab reaches the networks that it lists, and no others."""
    assert addresses("mx.example", ["127.0.3.1"], "127.0.0.0/8") == ["127.0.3.1"]
    assert addresses("[127.0.3.1]", None, "127.0.0.0/8") == ["127.0.3.1"]
    assert addresses("[ipv6:::1]", None, "::1/128") == ["::1"]
    assert isinstance(addresses("mx.example", ["10.0.0.1"], "127.0.0.0/8"), Failed)


@pytest.mark.parametrize("literal", ["[]", "[example]", "[IPv6:1.2.3.4]", "[999.1.1.1]", "[::1]"])
def test_literal_without_address(literal: str) -> None:
    """A literal that holds no address fails."""
    assert isinstance(addresses(literal), Failed)


def test_hosts_without_addresses() -> None:
    """A host that does not exist or has no address fails; no answer defers."""
    assert isinstance(addresses("mx.example"), Failed)
    assert isinstance(addresses("mx.example", []), Failed)
    assert isinstance(addresses("mx.example", LookupFailedError("timeout")), Deferred)


def test_stub_addresses_are_addresses() -> None:
    """What routing returns are address values, ready to be compared."""
    result = asyncio.run(router(StubResolver(hosts={"h": ["8.8.8.8"]})).addresses("h"))
    assert result == (ip_address("8.8.8.8"),)
