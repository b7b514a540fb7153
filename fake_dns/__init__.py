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

from fake_dns.fault import Delay, Garbled, Refused, ServerFailure, Silence, Truncated
from fake_dns.message import Transport
from fake_dns.name_server import FakeDNS
from fake_dns.query_log import NotAsked, Query
from fake_dns.server import CannotListen
from fake_dns.zone import Zone, ZoneError

__all__ = [
    "CannotListen",
    "Delay",
    "FakeDNS",
    "Garbled",
    "NotAsked",
    "Query",
    "Refused",
    "ServerFailure",
    "Silence",
    "Transport",
    "Truncated",
    "Zone",
    "ZoneError",
]
