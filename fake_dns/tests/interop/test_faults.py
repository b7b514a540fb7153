"""Every fault is seen by real clients for what it is: kdig, dnspython and c-ares."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.resolver
import pytest

from fake_dns import (
    Code,
    Delay,
    FakeDNS,
    Fault,
    Flags,
    Garbled,
    HalfAnswer,
    Lame,
    NoEDNS,
    Rcode,
    Refused,
    Reset,
    Rotating,
    ServerFailure,
    Silence,
    Truncated,
    WrongId,
    WrongQuestion,
    Zone,
)
from fake_dns.tests.interop.clients import resolve_pycares
from fake_dns.tests.interop.tools import library, tool
from fake_dns.tests.interop.unbound import stub_zone, unbound

ADDRESSES = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
ZONE = Zone("example.com", {"@": {"A": ADDRESSES}})
# Long enough for a loaded machine to answer in, short enough to wait out in vain.
TIMEOUT_SECONDS = 1.0


@dataclass(frozen=True)
class Sight:
    """How a fault looks: in kdig's output, in dnspython's reply or exception, in c-ares' error."""

    fault: Fault
    kdig: str
    dnspython: type[BaseException] | str
    pycares: str | None
    over_tcp: bool = False

    def __str__(self) -> str:
        return f"{type(self.fault).__name__}-{'tcp' if self.over_tcp else 'udp'}"


SIGHTS = [
    Sight(Silence(), "response timeout", dns.exception.Timeout, "ARES_ETIMEOUT"),
    Sight(Silence(), "response timeout", dns.exception.Timeout, "ARES_ETIMEOUT", over_tcp=True),
    Sight(Delay(3.0), "response timeout", dns.exception.Timeout, "ARES_ETIMEOUT"),
    Sight(Delay(0.1), "status: NOERROR", "NOERROR QR AA RD", None),
    Sight(ServerFailure(), "status: SERVFAIL", "SERVFAIL QR RD", "ARES_ESERVFAIL"),
    Sight(Delay(0.1, then=Refused()), "status: REFUSED", "REFUSED QR RD", "ARES_EREFUSED"),
    Sight(Refused(), "status: REFUSED", "REFUSED QR RD", "ARES_EREFUSED"),
    Sight(Code(Rcode.NXDOMAIN), "status: NXDOMAIN", "NXDOMAIN QR RD", "ARES_ENOTFOUND"),
    Sight(Code(Rcode.FORMERR), "status: FORMERR", "FORMERR QR RD", "ARES_EFORMERR"),
    Sight(NoEDNS(), "status: FORMERR", "FORMERR QR RD", None),
    Sight(Truncated(), "Flags: qr aa tc", "NOERROR QR AA TC RD", None),
    Sight(Garbled(), "malformed reply packet", dns.name.BadLabelType, "ARES_EBADRESP"),
    Sight(Garbled(), "malformed reply packet", dns.name.BadLabelType, "ARES_EBADRESP", True),
    Sight(WrongId(), "reply ID", dns.query.BadResponse, "ARES_ETIMEOUT"),
    Sight(WrongId(), "reply ID", dns.query.BadResponse, "ARES_ETIMEOUT", over_tcp=True),
    Sight(
        WrongQuestion(),
        "query/response question sections are different",
        dns.query.BadResponse,
        "ARES_ETIMEOUT",
    ),
    Sight(HalfAnswer(), "malformed reply packet", dns.exception.FormError, "ARES_EBADRESP"),
    Sight(HalfAnswer(), "can't receive reply", EOFError, "ARES_ETIMEOUT", over_tcp=True),
    Sight(Reset(), "can't receive reply", ConnectionResetError, "ARES_ECONNREFUSED", over_tcp=True),
    Sight(Lame(), "ANSWER: 0; AUTHORITY: 1", "NOERROR QR RD", "ARES_ENODATA"),
    Sight(Flags(authentic=True, recursion_available=True), "qr aa ra ad", "RD RA AD", None),
    Sight(Flags(authoritative=False), "Flags: qr;", "NOERROR QR RD", None),
]


@pytest.mark.parametrize("sight", SIGHTS, ids=str)
def test_kdig_sees_it(sight: Sight, fake_dns: FakeDNS) -> None:
    """Status, flags or the complaint that kdig prints."""
    fake_dns.replace(ZONE)
    fake_dns.inject(sight.fault)
    transport = "+tcp" if sight.over_tcp else "+ignore"
    words = [tool("kdig"), f"@{fake_dns.address}", "-p", str(fake_dns.port), transport, "+edns"]
    words += ["+norecurse", "+retry=0", f"+time={TIMEOUT_SECONDS:.0f}", "example.com", "A"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert sight.kdig in done.stdout + done.stderr


@pytest.mark.parametrize("sight", SIGHTS, ids=str)
def test_dnspython_sees_it(sight: Sight, fake_dns: FakeDNS) -> None:
    """Code and flags of the reply, or the exception."""
    fake_dns.replace(ZONE)
    fake_dns.inject(sight.fault)
    query = dns.message.make_query("example.com", "A", use_edns=True)
    ask = dns.query.tcp if sight.over_tcp else dns.query.udp

    def reply() -> dns.message.Message:
        return ask(query, fake_dns.address, port=fake_dns.port, timeout=TIMEOUT_SECONDS)

    if isinstance(sight.dnspython, str):
        given = reply()
        seen = f"{dns.rcode.to_text(given.rcode())} {dns.flags.to_text(given.flags)}"
        assert seen.endswith(sight.dnspython)
    else:
        with pytest.raises(sight.dnspython):
            reply()


@pytest.mark.parametrize("sight", SIGHTS, ids=str)
def test_c_ares_sees_it(sight: Sight, fake_dns: FakeDNS) -> None:
    """The error that pycares hands over, or the answer where c-ares gets around the fault."""
    pycares = library("pycares")
    fake_dns.replace(ZONE)
    fake_dns.inject(sight.fault)
    _, error = resolve_pycares(
        fake_dns.port, "example.com", "A", timeout=TIMEOUT_SECONDS, over_tcp=sight.over_tcp
    )
    assert (pycares.errno.errorcode[error] if error is not None else None) == sight.pycares


def ask(dns_server: FakeDNS) -> list[str]:
    """The addresses, in the order given."""
    query = dns.message.make_query("example.com", "A")
    reply = dns.query.udp(query, dns_server.address, port=dns_server.port, timeout=5)
    return [rdata.to_text() for rdata in reply.answer[0]]


def test_answers_rotate(fake_dns: FakeDNS) -> None:
    """Each query finds another address first, and all of them."""
    fake_dns.replace(ZONE)
    fake_dns.inject(Rotating())
    first, second, third = ADDRESSES
    assert [ask(fake_dns) for _ in range(4)] == [
        [first, second, third],
        [second, third, first],
        [third, first, second],
        [first, second, third],
    ]


def resolving(port: int, lifetime: float = 15.0) -> Callable[[], list[str]]:
    """A stub resolver that asks unbound."""
    own = dns.resolver.Resolver(configure=False)
    own.nameservers, own.port, own.lifetime = ["127.0.0.1"], port, lifetime
    return lambda: sorted(rdata.to_text() for rdata in own.resolve("example.com", "A"))


def test_a_resolver_gets_around_one_bad_server(tmp_path: Path) -> None:
    """Lame, refusing or silent: unbound asks the other server and answers."""
    for fault in (Lame(), Refused(), ServerFailure(), Silence(), Garbled()):
        with FakeDNS([ZONE], servers=["second"]) as servers:
            servers.inject(fault, server="main")
            ports = [one.port for one in servers.servers.values()]
            directory = tmp_path / type(fault).__name__
            directory.mkdir()
            with unbound(directory, stub_zone("example.com", *ports)) as port:
                assert resolving(port)() == ADDRESSES
                assert servers.queries("example.com", "A", server="second")


def test_a_resolver_is_not_fooled(tmp_path: Path) -> None:
    """A lame delegation with no other server, a wrong id, a wrong question: SERVFAIL."""
    for fault in (Lame(), WrongId(), WrongQuestion()):
        with FakeDNS([ZONE]) as server:
            server.inject(fault)
            directory = tmp_path / type(fault).__name__
            directory.mkdir()
            with unbound(directory, stub_zone("example.com", server.port)) as port:
                with pytest.raises((dns.resolver.NoNameservers, dns.resolver.LifetimeTimeout)):
                    resolving(port, 3.0)()
                assert server.queries("example.com", "A")
