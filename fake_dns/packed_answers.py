"""Answers that are packed once: for the same question again, and for names that are not there.

Pure, and as lasting as the zones they were packed from. A query is served from here if it differs
from one that was answered in what a reply merely repeats: id, RD and CD; and, if that one's name
does not exist, its first label too. Of all names below one parent that do not exist the answers
are alike to the octet, for whatever lies above them is the same (RFC 1034 §4.3.2, RFC 8020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fake_dns.message import Rcode, Reply, Request, Transport
from fake_dns.name import Key, label_text
from fake_dns.zone import Zone
from fake_dns.zone_set import ZoneSet

# Some 4 MB of packed answers; clients with changing bits (cookies, 0x20) would fill any size.
MAX_KEPT: Final = 8192
MAX_QUERY_OCTETS: Final = 512
_HEADER_OCTETS: Final = 12  # RFC 1035 §4.1.1
_LABEL: Final = _HEADER_OCTETS + 1  # the first label, behind its length

# name, type, rcode, edns_octets, is_in_zone: what the log keeps of a query besides who asked.
Said = tuple[str, str, str, int | None, bool]


@dataclass(frozen=True, slots=True)
class _Packed:
    """A reply without id and flags, and its flags for every RD and CD."""

    flags: tuple[bytes, bytes, bytes, bytes]
    tail: bytes
    said: Said


@dataclass(frozen=True, slots=True)
class _Missing:
    """A reply about a name that does not exist, without id, flags and the name's first label."""

    flags: tuple[bytes, bytes, bytes, bytes]
    counts: bytes
    tail: bytes
    zone: Zone
    parent: Key
    parent_text: str
    said: Said


class PackedAnswers:
    """The answers that were packed from one choice of zones, all of one server."""

    def __init__(self, zones: ZoneSet) -> None:
        self._zones: Final = zones
        # By transport and AD, then by the question behind id and flags.
        self._exact: Final[dict[tuple[Transport, int], dict[bytes, _Packed]]] = {}
        self._missing: Final[dict[tuple[Transport, int], dict[bytes, _Missing]]] = {}
        self._count = 0

    @property
    def count(self) -> int:
        """How many are kept."""
        return self._count

    def find(self, packet: bytes, transport: Transport) -> tuple[bytes, Said] | None:
        """Answer a packet, whatever it holds, if its answer is here.

        Returns:
            The reply and what to log of the query, or None.
        """
        if len(packet) <= _LABEL or packet[2] & 0xF8:
            return None
        kind = (transport, packet[3] & 0x20)
        exact = self._exact.get(kind)
        if exact is not None and (packed := exact.get(packet[4:])) is not None:
            return packet[:2] + packed.flags[_repeated(packet)] + packed.tail, packed.said
        missing = self._missing.get(kind)
        return None if missing is None else self._find_missing(packet, missing)

    def _find_missing(
        self, packet: bytes, missing: dict[bytes, _Missing]
    ) -> tuple[bytes, Said] | None:
        # Where the rest is that of a well-formed query, so is the whole: the label has its length.
        end = _LABEL + packet[_HEADER_OCTETS]
        packed = missing.get(packet[4:_LABEL] + packet[end:])
        if packed is None:
            return None
        label = packet[_LABEL:end]
        key = (label.lower(), *packed.parent)
        if packed.zone.has(key) or self._zones.has_origin(key):
            return None
        reply = b"".join(
            (
                packet[:2],
                packed.flags[_repeated(packet)],
                packed.counts,
                packet[_HEADER_OCTETS:end],
                packed.tail,
            )
        )
        return reply, (label_text(label) + packed.parent_text, *packed.said[1:])

    def keep(
        self,
        packet: bytes,
        transport: Transport,
        request: Request,
        reply: Reply,
        octets: bytes,
        said: Said,
    ) -> None:
        """Keep a true reply.

        Args:
            packet: The query as it came.
            transport: How.
            request: The query.
            reply: What is answered.
            octets: The same, packed.
            said: What the log keeps of it.
        """
        if len(packet) > MAX_QUERY_OCTETS:
            return
        if self._count >= MAX_KEPT:
            self._exact.clear()
            self._missing.clear()
            self._count = 0
        self._count += 1
        kind, flags = (transport, packet[3] & 0x20), _all_flags(octets)
        self._exact.setdefault(kind, {})[packet[4:]] = _Packed(flags, octets[4:], said)
        zone = self._zones.enclosing(request.name, request.type)
        # Not for an alias whose target is missing: the answer is about another name.
        if zone is None or reply.rcode is not Rcode.NXDOMAIN or reply.answer:
            return
        self._count += 1
        end = _LABEL + packet[_HEADER_OCTETS]
        parent = request.name.labels[1:]
        self._missing.setdefault(kind, {})[packet[4:_LABEL] + packet[end:]] = _Missing(
            flags,
            octets[4:_HEADER_OCTETS],
            octets[end:],
            zone,
            request.name.key[1:],
            "".join(f".{label_text(label)}" for label in parent),
            said,
        )


def _repeated(packet: bytes) -> int:
    """RD and CD as a number."""
    return packet[2] & 1 | (packet[3] & 0x10) >> 3


def _all_flags(octets: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """The flags of a reply for every RD and CD, in the order of `_repeated`."""
    high, low = octets[2] & 0xFE, octets[3] & 0xEF
    return (
        bytes((high, low)),
        bytes((high | 1, low)),
        bytes((high, low | 0x10)),
        bytes((high | 1, low | 0x10)),
    )
