"""Asking a running server, for the tests of its edge."""

from __future__ import annotations

import socket

import dns.message
import dns.query
import dns.resolver

from fake_dns import FakeDNS

KEY = "v=DKIM1; p=" + "k" * 2000
RECORDS = {
    "@": {"A": "127.0.0.1", "MX": ["10 mx1"], "TXT": "v=spf1 -all"},
    "mx1": {"A": "127.0.3.1"},
    "www": {"CNAME": "@"},
    "s._domainkey": {"TXT": KEY},
}


def udp(server: FakeDNS, name: str, type: str = "A", timeout: float = 5.0) -> dns.message.Message:
    """Ask over UDP."""
    query = dns.message.make_query(name, type)
    return dns.query.udp(query, server.address, port=server.port, timeout=timeout)


def resolver(server: FakeDNS) -> dns.resolver.Resolver:
    """A stub resolver that knows this server alone."""
    own = dns.resolver.Resolver(configure=False)
    own.nameservers = [server.address]
    own.port = server.port
    own.lifetime = 5.0
    return own


def has_ended(connection: socket.socket) -> bool:
    """Whether the server ends the connection, in either way, before the time-out."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True
