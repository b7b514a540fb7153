"""Octets to requests and replies to octets: the only module that knows dnslib.

Queries are read here by hand: dnslib follows compression pointers recursively, refuses labels
that are not UTF-8, and takes reserved label types for lengths. Replies are packed by dnslib.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import dnslib

from fake_dns.message import EDNS, Header, Rcode, Reply, Request
from fake_dns.name import MAX_NAME_OCTETS, Key, Name
from fake_dns.record import (
    AAAA,
    CAA,
    MX,
    SOA,
    SRV,
    TLSA,
    TXT,
    A,
    Opaque,
    Pointer,
    Record,
    RecordSet,
    type_code,
    type_name,
)
from fake_dns.service_binding import ServiceBinding
from fake_dns.spoil import spoilt

HEADER_OCTETS: Final = 12  # RFC 1035 §4.1.1
CLASSIC_UDP_OCTETS: Final = 512  # RFC 1035 §2.3.4; also the least an EDNS size can mean
MAX_MESSAGE_OCTETS: Final = 65535  # RFC 1035 §4.2.2: the length prefix is 16 bit
_OPT: Final = 41
_LEAST_RECORD_OCTETS: Final = 11  # RFC 1035 §4.1.3: the root as owner and no RDATA
_LAST_POINTER_TARGET: Final = 0x3FFF  # RFC 1035 §4.1.4: an offset is 14 bit


@dataclass(frozen=True, slots=True)
class Rejected:
    """A packet that is no answerable question, and the code it deserves."""

    header: Header
    rcode: Rcode


class _Malformed(Exception):
    """The packet ends early or breaks the format."""


def decode(packet: bytes) -> Request | Rejected | None:
    """Read one query; never raises.

    Returns:
        The request; what to reply when there is none; or None for what deserves no reply:
        less than a header, or a response (RFC 5625 §4.4: answering those makes loops).
    """
    if len(packet) < HEADER_OCTETS:
        return None
    id, flags, questions, answers, authorities, additionals = struct.unpack_from("!6H", packet)
    if flags & 0x8000:
        return None
    header = Header(
        id,
        (flags >> 11) & 0xF,
        is_recursion_desired=bool(flags & 0x0100),
        is_checking_disabled=bool(flags & 0x0010),
        understands_authentic=bool(flags & 0x0020),
    )
    if header.opcode != 0:
        return Rejected(header, Rcode.NOTIMP)
    if questions != 1:
        return Rejected(header, Rcode.FORMERR)  # RFC 9619: QDCOUNT of a query is one
    try:
        return _decode_body(packet, header, answers + authorities, additionals)
    except _Malformed:
        return Rejected(header, Rcode.FORMERR)


def encode(request: Request, reply: Reply, limit_octets: int, payload_octets: int) -> bytes:
    """Pack a reply, cut to a header, the question and OPT with TC=1 when it does not fit.

    Args:
        request: What is answered: id, question as asked, whether EDNS is spoken.
        reply: What to say.
        limit_octets: The most this transport and client take.
        payload_octets: The UDP size announced in our own OPT.
    """
    is_cut = reply.is_truncated or _least_octets(reply) > limit_octets
    packet = _pack(request, reply, payload_octets, is_cut=is_cut)
    # A set beyond what even TCP carries cannot be told in any other way.
    if not is_cut and len(packet) > limit_octets:
        packet = _pack(request, reply, payload_octets, is_cut=True)
    return spoilt(packet, request, reply.spoil)


def encode_rejection(rejected: Rejected) -> bytes:
    """Pack a bare header: nothing behind it could be trusted."""
    flags = _flags(rejected.header, rejected.rcode)
    return struct.pack("!6H", rejected.header.id, flags, 0, 0, 0, 0)


def _decode_body(packet: bytes, header: Header, others: int, additionals: int) -> Request:
    name, offset = _question_name(packet)
    if offset + 4 > len(packet):
        raise _Malformed
    type, record_class = struct.unpack_from("!2H", packet, offset)
    offset += 4
    edns: EDNS | None = None
    for position in range(others + additionals):
        is_root = packet[offset : offset + 1] == b"\x00"
        offset = _skip_name(packet, offset)
        if offset + 10 > len(packet):
            raise _Malformed
        record_type, size, ttl, length = struct.unpack_from("!HHIH", packet, offset)
        offset += 10 + length
        if record_type == _OPT:
            # RFC 6891 §6.1.1: at most one, owned by the root, among the additional records.
            if edns is not None or not is_root or position < others:
                raise _Malformed
            edns = EDNS(size, (ttl >> 16) & 0xFF, bool(ttl & 0x8000))
    if offset != len(packet):
        raise _Malformed
    return Request(header, name, type_name(type), record_class, edns)


def _question_name(packet: bytes) -> tuple[Name, int]:
    labels: list[bytes] = []
    offset = HEADER_OCTETS
    while True:
        if offset >= len(packet):
            raise _Malformed
        length = packet[offset]
        offset += 1
        if length == 0:
            return Name(tuple(labels)), offset
        # Nothing stands before the first name that a pointer could mean.
        if length > 63 or offset + length + 1 - HEADER_OCTETS > MAX_NAME_OCTETS:
            raise _Malformed
        label = packet[offset : offset + length]
        if len(label) < length:
            raise _Malformed
        labels.append(label)
        offset += length


def _skip_name(packet: bytes, offset: int) -> int:
    """Step over an owner name that nobody reads; a pointer ends it and is not followed."""
    while offset < len(packet):
        length = packet[offset]
        if length == 0:
            return offset + 1
        if length >= 0xC0:
            return offset + 2
        if length > 63:
            break
        offset += 1 + length
    raise _Malformed


class _Pointers(dict[tuple[bytes, ...], int]):
    """Names already written, for compression; one beyond 14 bit cannot be pointed at."""

    def __setitem__(self, name: tuple[bytes, ...], offset: int) -> None:
        if offset <= _LAST_POINTER_TARGET:
            super().__setitem__(name, offset)


def _least_octets(reply: Reply) -> int:
    """What the records take at least: a bound that spares packing the hopeless."""
    sections = (reply.answer, reply.authority, reply.additional)
    records = sum(len(record_set.records) for section in sections for record_set in section)
    return records * _LEAST_RECORD_OCTETS


def _pack(request: Request, reply: Reply, payload_octets: int, *, is_cut: bool) -> bytes:
    empty: tuple[RecordSet, ...] = ()
    sections = (
        (empty, empty, empty) if is_cut else (reply.answer, reply.authority, reply.additional)
    )
    counts = [sum(len(record_set.records) for record_set in section) for section in sections]
    has_edns = request.edns is not None and reply.speaks_edns
    counts[2] += has_edns
    flags = (
        _flags(request.header, reply.rcode)
        | reply.is_authoritative << 10
        | is_cut << 9
        | reply.is_recursion_available << 7
        | reply.is_authentic << 5
    )
    # Header, question and OPT are fixed enough to be written at once: half of dnslib's time.
    head = struct.pack("!6H", request.header.id, flags, 1, *counts)
    question = _octets(request.name) + struct.pack(
        "!2H", type_code(request.type) or 0, request.record_class
    )
    packet = head + question + _pack_sections(sections, request.name, len(question))
    if request.edns is not None and has_edns:
        # RFC 6891 §6.1.2 and §6.1.3: the root, our size, the code's upper bits, version 0, DO.
        extended = (reply.rcode >> 4) << 24 | request.edns.wants_dnssec << 15
        packet += struct.pack("!BHHIH", 0, _OPT, payload_octets, extended, 0)
    return packet


def _pack_sections(
    sections: tuple[tuple[RecordSet, ...], ...], asked: Name, question_octets: int
) -> bytes:
    """Pack what follows the question, its names compressed against it and each other."""
    match sections:
        case ((), (soa,), ()) if asked.is_within(soa.name):
            # Nearly every name that does not exist is asked for once, and its SOA is the same.
            above = asked.labels[len(asked.labels) - len(soa.name.labels) :]
            return _pack_below(soa, above, question_octets)
    buffer = _buffer(asked.labels, question_octets)
    start = len(buffer.data)
    for section in sections:
        for record_set in section:
            _pack_set(record_set, buffer)
    return bytes(buffer.data[start:])


@lru_cache(maxsize=1024)
def _pack_below(record_set: RecordSet, above: Key, question_octets: int) -> bytes:
    """Pack one set behind any question of this size that ends in these labels."""
    buffer = _buffer(above, question_octets)
    start = len(buffer.data)
    _pack_set(record_set, buffer)
    return bytes(buffer.data[start:])


def _buffer(labels: Key, question_octets: int) -> Any:
    """A buffer as it is behind a question that ends in these labels, which can be pointed at."""
    buffer: Any = dnslib.DNSBuffer()
    buffer.data.extend(bytes(HEADER_OCTETS + question_octets))
    buffer.offset = len(buffer.data)
    # Not DNSRecord.pack: its table of names holds offsets that a pointer cannot.
    buffer.names = _Pointers()
    # The root and the two numbers behind the name take five octets.
    offset = HEADER_OCTETS + question_octets - 5
    for start in range(len(labels) - 1, -1, -1):
        offset -= len(labels[start]) + 1
        buffer.names[labels[start:]] = offset
    return buffer


def _pack_set(record_set: RecordSet, buffer: Any) -> None:
    owner = dnslib.DNSLabel(record_set.name.labels)
    code = type_code(record_set.type)
    for record in record_set.records:
        dnslib.RR(owner, code, 1, record_set.ttl, _rdata(record)).pack(buffer)


def _rdata(record: Record) -> Any:
    match record:
        case A() | AAAA():
            return dnslib.RD(record.address.packed)
        case Pointer(target=target):
            # RFC 6672 §2.5: the target of a DNAME is not compressed.
            if record.type == "DNAME":
                return dnslib.RD(_octets(target))
            return dnslib.CNAME(_label(target))
        case MX():
            return dnslib.MX(_label(record.exchange), record.preference)
        case TXT(strings=strings):
            return dnslib.TXT(strings)
        case SOA():
            times = (record.serial, record.refresh, record.retry, record.expire, record.minimum)
            return dnslib.SOA(_label(record.primary), _label(record.contact), times)
        case SRV():
            # RFC 2782 and RFC 9460 §2.2: these names are never compressed.
            head = struct.pack("!3H", record.priority, record.weight, record.port)
            return dnslib.RD(head + _octets(record.target))
        case CAA(flags=flags, tag=tag):
            return dnslib.RD(bytes([flags, len(tag)]) + tag.encode("ascii") + record.value)
        case ServiceBinding(priority=priority, target=target, parameters=parameters):
            written = (struct.pack("!2H", key, len(value)) + value for key, value in parameters)
            return dnslib.RD(struct.pack("!H", priority) + _octets(target) + b"".join(written))
        case TLSA():
            return dnslib.TLSA(record.usage, record.selector, record.matching, record.association)
        case Opaque(octets=octets):
            return dnslib.RD(octets)


def _label(name: Name) -> Any:
    return dnslib.DNSLabel(name.labels)


def _octets(name: Name) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in name.labels) + b"\x00"


def _flags(header: Header, rcode: Rcode) -> int:
    return (
        0x8000
        | header.opcode << 11
        | header.is_recursion_desired << 8
        | header.is_checking_disabled << 4
        | rcode & 0xF
    )
