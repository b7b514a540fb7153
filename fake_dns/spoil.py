"""Replies spoilt on purpose, after they are packed: octets in, octets out."""

from __future__ import annotations

import struct
from typing import Final

from fake_dns.message import Request, Spoil

_HEADER_OCTETS: Final = 12
# A label type that was never assigned (RFC 6891 §5).
_UNREADABLE: Final = b"\xbf"


def spoilt(packet: bytes, request: Request, spoil: Spoil) -> bytes:
    """Spoil one packed reply in the way that was planned."""
    match spoil:
        case Spoil.NONE:
            return packet
        case Spoil.GARBLED:
            return _garbled(packet, request)
        case Spoil.WRONG_ID:
            return struct.pack("!H", request.header.id ^ 0xFFFF) + packet[2:]
        case Spoil.WRONG_QUESTION:
            return _asked_otherwise(packet, request)


def _garbled(packet: bytes, request: Request) -> bytes:
    """Keep the header and question, promise one answer, and follow with what is none."""
    end = _HEADER_OCTETS + request.name.size_octets + 4
    head = bytearray(packet[:end])
    struct.pack_into("!3H", head, 6, 1, 0, 0)
    return bytes(head) + _UNREADABLE * max(16, len(packet) - end)


def _asked_otherwise(packet: bytes, request: Request) -> bytes:
    """Change the first octet of the question's name; of the root, its type."""
    changed = bytearray(packet)
    at = _HEADER_OCTETS + 1 if request.name.labels else _HEADER_OCTETS + 2
    changed[at] = ord("y") if changed[at] in b"xX" else ord("x")
    return bytes(changed)
