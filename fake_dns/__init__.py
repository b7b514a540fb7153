"""A scripted, authoritative name server for tests.

name · record · visibility          values: what is named, what is said of it, when and where
zone_file · zone_records · master_file    the written forms; record_text reads what they hold
zone · zone_tree · zone_set         names to record sets, and what they were before
fault · fault_book · misbehaviour   what may go wrong, which query it meets, what it makes of it
message · answer · answer_cache     question and zones to a reply; pure
wire · spoil                        octets; wire is the only module that knows dnslib
responder                           one packet in, at most one out
query_log · evidence · expectation  what was asked, to read, to wait for, to fail a test by
connection · server · serving       asyncio: UDP, TCP and TLS
fleet · workers                     the processes of one name server
name_server                         FakeDNS: all of it, for tests
pytest_plugin · control · cli       fixtures; HTTP control port; the program `fake-dns`
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
