"""Five independent clients, one corpus: every one finds what the zone says."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import pytest

from fake_dns import FakeDNS, Options
from fake_dns.certificate import NAME
from fake_dns.tests.interop import clients
from fake_dns.tests.interop.clients import Ask, Found, records
from fake_dns.tests.interop.corpus import CASES, ZONE, Case
from fake_dns.tests.interop.unbound import forward_over_tls, stub_zone, unbound

TRUNCATED = "s._domainkey.example.com"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeDNS]:
    """The corpus, served over UDP, TCP and TLS."""
    with FakeDNS([ZONE], tls=True, options=Options(tls_port=0)) as running:
        yield running


@pytest.fixture(scope="module")
def resolver(server: FakeDNS, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Unbound in front of it."""
    with unbound(tmp_path_factory.mktemp("unbound"), stub_zone("example.com", server.port)) as port:
        yield port


CLIENTS: dict[str, Ask] = {
    "dig": clients.ask_dig,
    "kdig": clients.ask_kdig,
    "dnspython": clients.ask_dnspython,
    "pycares": clients.ask_pycares,
    "unbound": clients.ask_recursively,
}


def port_for(client: str, server: FakeDNS, request: pytest.FixtureRequest) -> int:
    """Where this client asks: the resolver in front for one, the server itself for the others."""
    return request.getfixturevalue("resolver") if client == "unbound" else server.port


@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_finds_what_the_zone_says(
    client: str, case: Case, server: FakeDNS, request: pytest.FixtureRequest
) -> None:
    """Status, answer and authority are those expected, whoever asks."""
    found = CLIENTS[client](port_for(client, server, request), case.name, case.type)
    expected = records(case.answer)
    if client == "pycares":
        # c-ares does not know the type and shows what it does know.
        expected = frozenset(one for one in expected if " DNAME " not in one)
    assert found.status == case.status
    if found.answer is not None:
        assert in_any_case(found.answer) == in_any_case(expected)
    if found.authority is not None:
        assert found.authority == records(case.authority)


def in_any_case(given: frozenset[str]) -> frozenset[str]:
    """A DNAME carries the case of the question over into the value; unbound asks in any."""
    return frozenset(one.lower() if " CNAME " in one else one for one in given)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_comes_back_over_tcp(
    client: str, server: FakeDNS, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A key that UDP cannot carry is asked for over UDP, truncated, and fetched over TCP."""
    server.forget_queries()
    if client == "unbound":
        # A cache of its own, so that it has to ask.
        with unbound(tmp_path, stub_zone("example.com", server.port)) as port:
            CLIENTS[client](port, TRUNCATED, "TXT")
    else:
        CLIENTS[client](server.port, TRUNCATED, "TXT")
    asked = [query.transport for query in server.queries(TRUNCATED, "TXT")]
    assert asked[-2:] == ["udp", "tcp"]


def ask_dnspython_over_tls(server: FakeDNS, name: str, type: str) -> Found:
    """dnspython, trusting the certificate made for the server."""
    assert server.certificate is not None
    assert server.tls_port is not None
    context = ssl.create_default_context(cadata=server.certificate.pem.decode())
    reply = dns.query.tls(
        dns.message.make_query(name, type),
        server.address,
        timeout=clients.TIMEOUT_SECONDS,
        port=server.tls_port,
        ssl_context=context,
        server_hostname=NAME,
    )
    return clients._found(reply)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_client_that_can_asks_over_tls(client: str, server: FakeDNS, tmp_path: Path) -> None:
    """The certificate is believed, the answer is the same, the log says `tls`."""
    if client == "pycares":
        pytest.skip("not observable: c-ares has no DNS over TLS")
    assert server.certificate is not None
    assert server.tls_port is not None
    trusted = tmp_path / "certificate.pem"
    trusted.write_bytes(server.certificate.pem)
    server.forget_queries()
    case = CASES[2]
    tls: dict[str, tuple[str, ...]] = {
        "dig": (f"+tls-ca={trusted}", f"+tls-hostname={NAME}"),
        "kdig": (f"+tls-ca={trusted}", f"+tls-hostname={NAME}"),
    }
    match client:
        case "dig":
            found = clients.ask_dig(server.tls_port, case.name, case.type, *tls[client])
        case "kdig":
            found = clients.ask_kdig(server.tls_port, case.name, case.type, *tls[client])
        case "dnspython":
            found = ask_dnspython_over_tls(server, case.name, case.type)
        case _:
            zones = forward_over_tls("example.com", server.tls_port, NAME)
            with unbound(tmp_path, zones, f'tls-cert-bundle: "{trusted}"') as port:
                found = clients.ask_recursively(port, case.name, case.type)
    assert found.answer == records(case.answer)
    assert {query.transport for query in server.queries(case.name, case.type)} == {"tls"}
