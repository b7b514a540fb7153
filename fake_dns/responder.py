"""One packet in, at most one packet out: decode, choose the fault, answer, log, encode.

No sockets: the edge in `server` sends what comes out, when and how it says. The clock is handed in.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, Protocol

from fake_dns import wire
from fake_dns.answer import answer
from fake_dns.answer_cache import AnswerCache
from fake_dns.fault import staleness
from fake_dns.fault_book import FaultBook, Origin
from fake_dns.message import EDNS, Delivery, Reply, Request, Transport
from fake_dns.misbehaviour import misbehave
from fake_dns.packed_answers import PackedAnswers
from fake_dns.query_log import Entry
from fake_dns.wire import Rejected
from fake_dns.zone_set import Publication, ZoneSet

# DNS Flag Day 2020: fits every path MTU without fragments.
DEFAULT_UDP_OCTETS: Final = 1232


@dataclass(frozen=True, slots=True)
class Response:
    """Octets to send, after some seconds, whole or not."""

    packet: bytes
    delay_seconds: float = 0.0
    delivery: Delivery = Delivery.WHOLE


class Recorder(Protocol):
    """Where queries are written: the log, or the way to it from another process."""

    def record(self, entry: Entry) -> None:
        """Write one query."""


# To the edge: what to do with one packet from one client; plain octets are the common case.
Respond = Callable[[bytes, tuple[str, int]], bytes | Response | None]


@dataclass(frozen=True, slots=True)
class _View:
    """The zones as one server shows them, until when, and the answers packed from them."""

    publication: Publication
    zones: ZoneSet
    start: float
    end: float
    packed: PackedAnswers


class Responder:
    """Answers packets from zones; called by one thread, its zones swapped by any."""

    def __init__(
        self,
        publication: Publication,
        faults: FaultBook,
        log: Recorder,
        *,
        udp_octets: int = DEFAULT_UDP_OCTETS,
        now: Callable[[], float] = time.time,
        resolvers: Collection[str] = (),
    ) -> None:
        """Answer for every server of one FakeDNS.

        Args:
            publication: The zones in force, swapped whole by assignment.
            faults: What goes wrong.
            log: Where every query is written.
            udp_octets: Most that is sent over UDP, whatever the client offers.
            now: The server's clock, in seconds.
            resolvers: Servers that remember what they said.
        """
        self.publication = publication
        self._faults: Final = faults
        self._log: Final = log
        self.udp_octets: Final = udp_octets
        self._now: Final = now
        self._caches: Final = {name: AnswerCache() for name in resolvers}
        self._views: Final[dict[str, _View]] = {}
        self.counters: Final[Counter[str]] = Counter()

    def channel(self, server: str, transport: Transport) -> Respond:
        """Give what answers the packets of one server over one transport."""

        def respond(packet: bytes, client: tuple[str, int]) -> bytes | Response | None:
            return self.respond(packet, transport, client, server)

        return respond

    def respond(
        self, packet: bytes, transport: Transport, client: tuple[str, int], server: str = ""
    ) -> bytes | Response | None:
        """Answer one packet, whatever it holds; None when it deserves or gets no reply."""
        now = self._now()
        view = self._view(server, now)
        if not self._faults and (found := view.packed.find(packet, transport)) is not None:
            octets, (name, type, rcode, edns_octets, is_in_zone) = found
            self.counters["answered"] += 1
            asked = (name, type, transport, server, client)
            self._log.record((*asked, rcode, edns_octets, is_in_zone, now))
            return octets
        match wire.decode(packet):
            case None:
                self.counters["dropped"] += 1
                return None
            case Rejected() as rejected:
                self.counters["rejected"] += 1
                return wire.encode_rejection(rejected)
            case Request() as request:
                self.counters["answered"] += 1
                return self._answer(request, Origin(transport, client, server), packet, now)

    def forget_answers(self) -> None:
        """Make every server that remembers forget."""
        for cache in self._caches.values():
            cache.forget()

    def _view(self, server: str, now: float) -> _View:
        publication = self.publication
        view = self._views.get(server)
        if view is None or view.publication is not publication or not view.start <= now < view.end:
            zones = publication.zones.at(server, now)
            span = publication.zones.unchanged_around(now)
            view = _View(publication, zones, *span, PackedAnswers(zones))
            self._views[server] = view
        return view

    def _answer(
        self, request: Request, origin: Origin, packet: bytes, now: float
    ) -> bytes | Response | None:
        view = self._view(origin.server, now)
        fault = self._faults.take(request, origin)
        if seconds := staleness(fault):
            true = answer(request, view.publication.at(origin.server, now - seconds))
        else:
            true = self._true_reply(request, origin.server, view, now)
        reply = misbehave(request, true, origin.transport, fault)
        is_in_zone = view.zones.enclosing(request.name) is not None
        name = request.name.text
        asked = (name, request.type, origin.transport, origin.server, origin.client)
        rcode = reply.rcode.name if reply is not None else None
        self._log.record((*asked, rcode, _payload(request.edns), is_in_zone, now))
        if reply is None:
            return None
        octets = self._encode(request, reply, origin.transport)
        if reply.delay_seconds > 0 or reply.delivery is not Delivery.WHOLE:
            return Response(octets, reply.delay_seconds, reply.delivery)
        if fault is None and origin.server not in self._caches:
            said = (name, request.type, reply.rcode.name, _payload(request.edns), is_in_zone)
            view.packed.keep(packet, origin.transport, request, reply, octets, said)
        return octets

    def _true_reply(self, request: Request, server: str, view: _View, now: float) -> Reply:
        if (cache := self._caches.get(server)) is None:
            return answer(request, view.zones)
        kept = cache.get(request, now)
        return kept or cache.put(request, answer(request, view.zones), now)

    def _encode(self, request: Request, reply: Reply, transport: Transport) -> bytes:
        match transport:
            case Transport.TCP | Transport.TLS:
                limit = wire.MAX_MESSAGE_OCTETS
            case Transport.UDP:
                # RFC 6891 §6.2.3: sizes under 512 mean 512, no EDNS means 512.
                asked = _payload(request.edns) or 0
                limit = min(self.udp_octets, max(wire.CLASSIC_UDP_OCTETS, asked))
        return wire.encode(request, reply, limit, self.udp_octets)


def _payload(edns: EDNS | None) -> int | None:
    return edns.payload_octets if edns is not None else None
