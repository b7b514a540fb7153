"""A scripted, authoritative name server for tests.

name · record        values: what is named and what is said of it
zone_file · zone     the written form; names to record sets
message · fault      what is asked and answered; what is planned to go wrong
answer               question, zones, fault → reply; pure
wire                 octets; the only module that knows dnslib
responder            one packet in, at most one out
query_log            what was asked, to wait for
server               asyncio: UDP and TCP on one port number
name_server          FakeDNS: all of it in a thread, for tests
control · cli        HTTP control port; the program `fake-dns`
"""

from fake_dns.certificate import Certificate
from fake_dns.clock import Clock
from fake_dns.expectation import UnexpectedQuery
from fake_dns.fault import (
    Code,
    Delay,
    Fault,
    Flags,
    Garbled,
    HalfAnswer,
    Lame,
    NoEDNS,
    Refused,
    Reset,
    Rotating,
    ServerFailure,
    Silence,
    Stale,
    Truncated,
    WrongId,
    WrongQuestion,
)
from fake_dns.message import Rcode, Transport
from fake_dns.name_server import FakeDNS, Snapshot
from fake_dns.options import Options
from fake_dns.query_log import NotAsked, Query
from fake_dns.serving import Endpoint, EventLoop
from fake_dns.sockets import CannotListen
from fake_dns.zone import Zone
from fake_dns.zone_error import ZoneError

__all__ = [
    "CannotListen",
    "Certificate",
    "Clock",
    "Code",
    "Delay",
    "Endpoint",
    "EventLoop",
    "FakeDNS",
    "Fault",
    "Flags",
    "Garbled",
    "HalfAnswer",
    "Lame",
    "NoEDNS",
    "NotAsked",
    "Options",
    "Query",
    "Rcode",
    "Refused",
    "Reset",
    "Rotating",
    "ServerFailure",
    "Silence",
    "Snapshot",
    "Stale",
    "Transport",
    "Truncated",
    "UnexpectedQuery",
    "WrongId",
    "WrongQuestion",
    "Zone",
    "ZoneError",
]
