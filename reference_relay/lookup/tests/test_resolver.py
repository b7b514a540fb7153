"""Look-ups against a name server of dnspython's own making."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar, cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from reference_relay.lookup.resolver import (
    DNSResolver,
    LookupFailedError,
    MailExchange,
    NoSuchDomainError,
)

T = TypeVar("T")
SOA = ("example.", 300, "IN", "SOA", "ns.example. admin.example. 1 2 3 4 60")


class Clock:
    """A clock that stands until it is moved."""

    time = 1000.0

    def __call__(self) -> float:
        return self.time


class NameServer(asyncio.DatagramProtocol):
    """Answers from a table of record lists; an integer is a response code, None silence."""

    def __init__(self, table: dict[tuple[str, str], list[tuple[str, ...]] | int | None]) -> None:
        self.table = table
        self.queries: list[tuple[str, str]] = []
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, octets: bytes, address: tuple[str, int]) -> None:
        query = dns.message.from_wire(octets)
        question = query.question[0]
        key = (question.name.to_text(), question.rdtype.name)
        self.queries.append(key)
        found = self.table.get(key, [])
        if found is None:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA | dns.flags.AA
        if isinstance(found, int):
            response.set_rcode(dns.rcode.Rcode(found))
        else:
            for name, kind, *values in found:
                response.answer.append(dns.rrset.from_text(name, 60, "IN", kind, *values))
        if not response.answer:
            response.authority.append(dns.rrset.from_text(*SOA))
        assert self.transport is not None
        self.transport.sendto(response.to_wire(), address)


@asynccontextmanager
async def asking(server: NameServer, clock: Clock | None = None) -> AsyncIterator[DNSResolver]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        yield DNSResolver([("127.0.0.1", port)], clock or Clock(), timeout_seconds=0.4)
    finally:
        transport.close()


def ask(server: NameServer, question: Callable[[DNSResolver, str], Awaitable[T]], name: str) -> T:
    async def run() -> T:
        async with asking(server) as resolver:
            return await question(resolver, name)

    return asyncio.run(run())


def test_mail_exchanges() -> None:
    """MX records come with number and host; a null MX has no host."""
    server = NameServer(
        {
            ("d.example.", "MX"): [("d.example.", "MX", "10 MX1.d.example.", "9 mx2.d.example.")],
            ("null.example.", "MX"): [("null.example.", "MX", "0 .")],
            ("xn--bcher-kva.example.", "MX"): [("xn--bcher-kva.example.", "MX", "1 mx.example.")],
        }
    )
    assert sorted(ask(server, DNSResolver.mail_exchanges, "d.example")) == [
        MailExchange(9, "mx2.d.example"),
        MailExchange(10, "mx1.d.example"),
    ]
    assert ask(server, DNSResolver.mail_exchanges, "null.example") == [MailExchange(0, "")]
    assert ask(server, DNSResolver.mail_exchanges, "none.example") == []
    assert ask(server, DNSResolver.mail_exchanges, "bücher.example")[0].host == "mx.example"


def test_addresses() -> None:
    """A host's IPv6 and IPv4 addresses are found, through aliases that the server leaves to us."""
    server = NameServer(
        {
            ("mx.example.", "A"): [("mx.example.", "A", "192.0.2.1", "192.0.2.2")],
            ("mx.example.", "AAAA"): [("mx.example.", "AAAA", "2001:db8::1")],
            ("alias.example.", "A"): [("alias.example.", "CNAME", "mx.example.")],
            ("alias.example.", "AAAA"): [("alias.example.", "CNAME", "mx.example.")],
        }
    )
    for host in ("mx.example", "alias.example"):
        found = ask(server, DNSResolver.addresses, host)
        assert found[0] == "2001:db8::1"
        assert sorted(found[1:]) == ["192.0.2.1", "192.0.2.2"]


def test_failures() -> None:
    """NXDOMAIN and impossible names do not exist; SERVFAIL, silence and loops are for later."""
    server = NameServer(
        {
            ("gone.example.", "MX"): 3,
            ("broken.example.", "MX"): 2,
            ("silent.example.", "MX"): None,
            ("loop1.example.", "MX"): [("loop1.example.", "CNAME", "loop2.example.")],
            ("loop2.example.", "MX"): [("loop2.example.", "CNAME", "loop1.example.")],
        }
    )
    for domain in ("gone.example", "a" * 64 + ".example", "a..example"):
        with pytest.raises(NoSuchDomainError):
            ask(server, DNSResolver.mail_exchanges, domain)
    for domain in ("broken.example", "silent.example", "loop1.example"):
        with pytest.raises(LookupFailedError):
            ask(server, DNSResolver.mail_exchanges, domain)


def test_half_an_answer_is_enough() -> None:
    """A host whose IPv6 look-up breaks is reached over IPv4."""
    server = NameServer(
        {("mx.example.", "AAAA"): 2, ("mx.example.", "A"): [("mx.example.", "A", "192.0.2.1")]}
    )
    assert ask(server, DNSResolver.addresses, "mx.example") == ["192.0.2.1"]


def test_cache_grows_old_by_the_clock() -> None:
    """An answer, "there is none" too, is asked for again when its TTL is over, not before."""

    async def run() -> None:
        clock = Clock()
        server = NameServer({("d.example.", "MX"): [("d.example.", "MX", "1 mx.example.")]})
        async with asking(server, clock) as resolver:
            for expected in (1, 1, 2):
                await resolver.mail_exchanges("d.example")
                await resolver.mail_exchanges("none.example")
                assert server.queries.count(("d.example.", "MX")) == expected
                assert server.queries.count(("none.example.", "MX")) == expected
                clock.time += 59.5

    asyncio.run(run())
