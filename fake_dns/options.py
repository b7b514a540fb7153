"""What few tests change about a FakeDNS."""

from __future__ import annotations

from dataclasses import dataclass

from fake_dns.query_log import DEFAULT_CAPACITY
from fake_dns.responder import DEFAULT_UDP_OCTETS
from fake_dns.serving import EventLoop


@dataclass(frozen=True, slots=True)
class Options:
    """What few tests change.

    Attributes:
        udp_octets: Most that is sent over UDP, whatever the client offers.
        tls_port: The number for DNS over TLS; 0 lets the kernel choose.
        keep_queries: How many queries the log looks back on.
        event_loop: What the server runs on.
        workers: How many processes share the ports; with more than one there are no resolvers,
            no faults that count, and no clock but real time.
    """

    udp_octets: int = DEFAULT_UDP_OCTETS
    tls_port: int = 0
    keep_queries: int = DEFAULT_CAPACITY
    event_loop: EventLoop = EventLoop.AUTO
    workers: int = 1
