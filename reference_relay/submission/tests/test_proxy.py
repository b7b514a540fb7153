"""Connections that come through a balancer: who is believed, and what the address is used for."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from reference_relay.service.address_set import AddressSet
from reference_relay.submission.settings import Limits
from reference_relay.submission.tests.client import Client
from reference_relay.submission.tests.serving import Served, begin, served, sign_in
from reference_relay.submission.tests.test_limits import is_closed
from reference_relay.submission.tests.test_proxy_header import addressed, block, line

INSIDE, OUTSIDE, BALANCER = map(IPv4Address, ("192.0.2.7", "198.51.100.7", "203.0.113.1"))


def trust(serving: Served, peers: str = "127.0.0.1") -> None:
    """Take these peers for balancers from now on."""
    listener = serving.listener

    async def adopt() -> None:
        context = (listener.endpoint, listener.tls_context, listener.context)
        listener.adopt(*context, AddressSet.parse(peers))

    serving.run(adopt())


def header_of(version: int, client: IPv4Address) -> bytes:
    """The header of a balancer that had a connection of this client."""
    pair, ports = (client, BALANCER), (40000, 587)
    return line(pair, ports) if version == 1 else addressed(pair, ports, b"\x04\x00\x01x")


@pytest.mark.parametrize("version", [1, 2])
def test_the_named_client_is_judged(certificate: Path, version: int) -> None:
    """CBR, limits, rates and the trace field have the address that the header names."""
    with served(certificate, zone="192.0.2.0/24") as serving:
        trust(serving)
        with serving.connect() as denied:
            assert denied.clear(header_of(version, OUTSIDE)).startswith(b"554 ")
        with serving.connect() as client:
            assert client.clear(header_of(version, INSIDE)).startswith(b"220 ")
            assert serving.listener.context.guard._by_address == {str(INSIDE): 1}
            client.clear(b"EHLO client.example\r\n")
            client.clear(b"STARTTLS\r\n")
            client.handshake()
            client.say(b"EHLO client.example\r\n")
            assert sign_in(client).startswith(b"235 ")
            begin(client)
            reply = client.say(b"From: a@example.com\r\nSubject: x\r\n\r\ntext\r\n.\r\n")
            assert reply.startswith(b"250 ")
        (message,) = serving.spool.messages
        assert b"[192.0.2.7]" in message.content.split(b"\r\n\tby ")[0]


@pytest.mark.parametrize("version", [1, 2])
def test_a_header_in_pieces_with_the_handshake_behind_it(certificate: Path, version: int) -> None:
    """With implicit TLS the header comes first, in clear, and may come octet by octet."""
    with served(certificate, zone="192.0.2.0/24") as serving:
        trust(serving)
        with Client(serving.encrypted_port) as client:
            for octet in header_of(version, INSIDE):
                client.socket.sendall(bytes([octet]))
            client.handshake()
            assert client.read().startswith(b"220 ")


def test_a_connection_of_the_balancer_itself(certificate: Path) -> None:
    """LOCAL: the peer's own address counts."""
    with served(certificate, zone="127.0.0.1") as serving:
        trust(serving)
        with serving.connect() as client:
            assert client.clear(block(0x20, 0, b"")).startswith(b"220 ")


@pytest.mark.parametrize("version", [1, 2])
def test_nobody_else_is_believed(certificate: Path, version: int) -> None:
    """From a peer that is not trusted a header is SMTP that makes no sense."""
    with served(certificate, zone="127.0.0.1") as serving:
        trust(serving, "127.0.0.2")
        with serving.connect() as client:
            assert client.read_clear().startswith(b"220 ")
            assert client.clear(header_of(version, INSIDE) + b"\r\n")[:1] == b"5"
            assert serving.listener.context.guard._by_address == {"127.0.0.1": 1}


@pytest.mark.parametrize(
    "octets",
    [b"EHLO client.example\r\n", b"PROXY UNKNOWN " + b"x" * 100, b"PROXY TCP4 1 2 3 4\r\n"],
)
def test_a_balancer_without_a_header_is_left(certificate: Path, octets: bytes) -> None:
    """What a trusted peer sends instead of a header ends the connection without a word."""
    with served(certificate) as serving:
        trust(serving)
        with serving.connect() as client:
            client.socket.sendall(octets)
            assert is_closed(client)
        counters = serving.listener.context.counters
        assert counters.refused_sessions == {"proxy-header": 1}


def test_a_header_has_its_time(certificate: Path) -> None:
    """A trusted peer that says nothing, or half of it, does not stay."""
    with served(certificate, limits=Limits(proxy_header_seconds=0.2)) as serving:
        trust(serving)
        with serving.connect() as silent, serving.connect() as slow:
            slow.socket.sendall(b"PROXY TCP4 ")
            assert is_closed(silent)
            assert is_closed(slow)


def test_a_stop_does_not_wait_for_headers(certificate: Path) -> None:
    """Connections without a header end at once when the relay stops."""
    with served(certificate) as serving:
        trust(serving)
        with serving.connect() as client, serving.connect() as later:
            client.socket.sendall(b"PROXY ")
            # Accepted in turn, so the first is in by now.
            assert later.clear(b"PROXY UNKNOWN\r\n").startswith(b"220 ")
            serving.run(asyncio.wait_for(serving.listener.stop(), 5))
            assert is_closed(client)
