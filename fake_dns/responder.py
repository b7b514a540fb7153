"""One packet in, at most one packet out: decode, choose the fault, answer, log, encode.

No sockets and no time: the edge in `server` sends what comes out, when it says so.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from fake_dns import wire
from fake_dns.answer import answer
from fake_dns.fault import FaultBook
from fake_dns.message import EDNS, Reply, Request, Transport
from fake_dns.query_log import QueryLog
from fake_dns.wire import Rejected
from fake_dns.zone import ZoneSet

# DNS Flag Day 2020: fits every path MTU without fragments.
DEFAULT_UDP_OCTETS: Final = 1232
# Some 4 MB of packed answers; clients with changing bits (cookies, 0x20) would fill any size.
MAX_CACHED: Final = 8192
MAX_CACHED_QUERY_OCTETS: Final = 512


@dataclass(frozen=True, slots=True)
class Response:
    """Octets to send, after some seconds."""

    packet: bytes
    delay_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Packed:
    """A true reply without its id, and the facts of its question that the log keeps."""

    tail: bytes
    name: str
    type: str
    rcode: str
    edns_octets: int | None


@dataclass(frozen=True, slots=True)
class _Generation:
    """Zones and the answers packed from them: they are swapped together, so none is stale."""

    zones: ZoneSet
    packed: dict[tuple[Transport, bytes], _Packed] = field(default_factory=dict)


class Responder:
    """Answers packets from zones; called by one thread, its zones swapped by any."""

    def __init__(
        self, zones: ZoneSet, faults: FaultBook, log: QueryLog, udp_octets: int = DEFAULT_UDP_OCTETS
    ) -> None:
        self._generation = _Generation(zones)
        self._faults: Final = faults
        self._log: Final = log
        self._udp_octets: Final = udp_octets
        self.counters: Final[Counter[str]] = Counter()

    @property
    def zones(self) -> ZoneSet:
        """The zones in force."""
        return self._generation.zones

    @zones.setter
    def zones(self, zones: ZoneSet) -> None:
        self._generation = _Generation(zones)

    def respond(
        self, packet: bytes, transport: Transport, client: tuple[str, int]
    ) -> Response | None:
        """Answer one packet, whatever it holds; None when it deserves or gets no reply."""
        generation = self._generation
        question = (transport, packet[2:])
        if not self._faults and (packed := generation.packed.get(question)) is not None:
            self.counters["answered"] += 1
            self._log.record(
                packed.name, packed.type, transport, client, packed.rcode, packed.edns_octets
            )
            return Response(packet[:2] + packed.tail)
        match wire.decode(packet):
            case None:
                self.counters["dropped"] += 1
                return None
            case Rejected() as rejected:
                self.counters["rejected"] += 1
                return Response(wire.encode_rejection(rejected))
            case Request() as request:
                self.counters["answered"] += 1
                return self._answer(request, generation, question, client)

    def _answer(
        self,
        request: Request,
        generation: _Generation,
        question: tuple[Transport, bytes],
        client: tuple[str, int],
    ) -> Response | None:
        transport = question[0]
        fault = self._faults.take(request, transport)
        reply = answer(request, generation.zones, transport, fault)
        name, edns_octets = request.name.text, _payload(request.edns)
        rcode = reply.rcode.name if reply is not None else None
        self._log.record(name, request.type, transport, client, rcode, edns_octets)
        if reply is None:
            return None
        packet = self._encode(request, reply, transport)
        if fault is None and len(question[1]) <= MAX_CACHED_QUERY_OCTETS:
            if len(generation.packed) >= MAX_CACHED:
                generation.packed.clear()
            generation.packed[question] = _Packed(
                packet[2:], name, request.type, reply.rcode.name, edns_octets
            )
        return Response(packet, reply.delay_seconds)

    def _encode(self, request: Request, reply: Reply, transport: Transport) -> bytes:
        match transport:
            case Transport.TCP:
                limit = wire.MAX_MESSAGE_OCTETS
            case Transport.UDP:
                # RFC 6891 §6.2.3: sizes under 512 mean 512, no EDNS means 512.
                asked = _payload(request.edns) or 0
                limit = min(self._udp_octets, max(wire.CLASSIC_UDP_OCTETS, asked))
        return wire.encode(request, reply, limit, self._udp_octets)


def _payload(edns: EDNS | None) -> int | None:
    return edns.payload_octets if edns is not None else None
