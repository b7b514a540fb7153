"""Packets through the whole way of a query, without a socket."""

from __future__ import annotations

import struct

import dns.message

from fake_dns.fault import Fault
from fake_dns.fault_book import FaultBook, plan
from fake_dns.message import Transport
from fake_dns.query_log import QueryLog
from fake_dns.responder import Responder, Response
from fake_dns.zone import Zone
from fake_dns.zone_set import Publication, ZoneSet

CLIENT = ("127.0.0.1", 5300)
KEY = "v=DKIM1; k=rsa; p=" + "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" * 14
ZONE = Zone(
    "example.com",
    {
        "@": {
            "A": ["127.0.0.1", "127.0.0.2"],
            "AAAA": "2001:db8::1",
            "MX": ["10 mx1", "20 mx2"],
            "TXT": ["v=spf1 -all", KEY],
            "CAA": '0 issue "ca.example"',
        },
        "nomail": {"MX": "0 ."},
        "_submission._tcp": {"SRV": "0 5 587 smtp"},
        "_25._tcp": {"TLSA": "3 0 0 00ff"},
        "odd": {"TYPE65280": r"\# 2 abcd"},
        "ptr": {"PTR": "Host.Example.NET."},
        "www": {"CNAME": "@"},
        "big": {"TXT": ["x" * 1500]},
        "huge": {"TXT": [f"{i:04d}" + "x" * 1000 for i in range(70)]},
        "many": {"A": [f"127.{i // 250}.{i % 250}.1" for i in range(7000)]},
        "far": {"MX": [f"{i} host{i}.{'pad' * 18}.example.net." for i in range(900)]},
    },
)


def responder(*faults: Fault, log: QueryLog | None = None) -> Responder:
    """The whole way of a packet, without a socket."""
    rules = [plan([fault]) for fault in faults]
    return Responder(Publication(ZoneSet([ZONE])), FaultBook(rules), log or QueryLog())


def octets_of(response: bytes | Response | None) -> bytes:
    """What goes out."""
    assert response is not None
    return response.packet if isinstance(response, Response) else response


def ask(
    query: dns.message.QueryMessage, transport: Transport = Transport.UDP, *faults: Fault
) -> dns.message.Message:
    """Answer a dnspython query and read the reply with dnspython."""
    response = responder(*faults).respond(query.to_wire(), transport, CLIENT)
    reply = dns.message.from_wire(octets_of(response))
    assert query.is_response(reply)
    return reply


def texts(reply: dns.message.Message) -> set[str]:
    """The answer section, one text per record."""
    return {rdata.to_text() for rrset in reply.answer for rdata in rrset}


QUESTION = b"\x07example\x03com\x00\x00\x01\x00\x01"
OPT = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00"


def packet(
    body: bytes, *, flags: int = 0, counts: tuple[int, int, int, int] = (1, 0, 0, 0)
) -> bytes:
    """A packet with this header and body."""
    return struct.pack("!6H", 0xABCD, flags, *counts) + body
