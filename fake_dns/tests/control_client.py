"""Asking a control port and the server behind it, for the tests of both."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import dns.message
import dns.query

from fake_dns import FakeDNS
from fake_dns.control import Control


def call(
    control: Control,
    method: str,
    path: str,
    body: bytes | str | Iterator[bytes] | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """One request: its status and the JSON of its body."""
    connection = http.client.HTTPConnection(control.address, control.port, timeout=10)
    try:
        given = headers or ({"Content-Type": "application/json"} if body is not None else {})
        connection.request(method, path, body, given)
        response = connection.getresponse()
        octets = response.read()
        return response.status, json.loads(octets) if octets else None
    finally:
        connection.close()


def ask(server: FakeDNS, name: str) -> dns.message.Message:
    """Ask for an address over UDP."""
    query = dns.message.make_query(name, "A")
    return dns.query.udp(query, server.address, port=server.port, timeout=5)
