"""The PROXY protocol of HAProxy, versions 1 and 2: who the client behind a balancer is.

Pure: octets in, an address out. https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt; the
sections named here are that text's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

# §2.1: the longest line with its CRLF.
_LONGEST_LINE = 107
_LINE_BEGINS = b"PROXY "
# §2.2: no line of any known protocol begins like this.
_SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = 16
# Ours: the format allows 64 KiB of fields that we skip; the longest in use are certificates' names.
_LONGEST_BLOCK = 4096
# §2.1: no leading zeros.
_PORT = re.compile(r"0|[1-9][0-9]{0,4}")

_LOCAL, _PROXY = 0, 1
_UNSPECIFIED, _TCP4, _TCP6, _UNIX_STREAM = 0x00, 0x11, 0x21, 0x31
# §2.2: the octets of both addresses and ports.
_ADDRESS_OCTETS = {_UNSPECIFIED: 0, _TCP4: 12, _TCP6: 36, _UNIX_STREAM: 216}


class MalformedHeader(Exception):
    """What arrived is no PROXY header; the connection has to end (§2)."""


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A complete header.

    Attributes:
        octets: Its length; what comes behind it is the client's.
        client_address: IPv4 or IPv6; None where the header names none (a connection of the
            balancer's own, or a family without addresses): then the connection's own peer counts.
    """

    octets: int
    client_address: str | None


def read_header(received: bytes) -> ProxyHeader | None:
    """Read the header at the beginning of a connection.

    Args:
        received: Everything that has arrived so far.

    Returns:
        The header, or None if more octets are needed.

    Raises:
        MalformedHeader: No octets that may still come make this a header.
    """
    if received[: len(_SIGNATURE)] == _SIGNATURE[: len(received)]:
        return _read_block(received)
    if received[: len(_LINE_BEGINS)] == _LINE_BEGINS[: len(received)]:
        return _read_line(received)
    raise MalformedHeader("no PROXY header")


def _read_line(received: bytes) -> ProxyHeader | None:
    """Version 1 (§2.1): PROXY SP family SP source SP destination SP port SP port CRLF."""
    end = received.find(b"\r\n", 0, _LONGEST_LINE)
    if end < 0:
        if len(received) >= _LONGEST_LINE:
            raise MalformedHeader(f"more than {_LONGEST_LINE} octets without CRLF")
        return None
    length = end + 2
    try:
        words = received[:end].decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise MalformedHeader("octets beyond ASCII") from None
    family = words[1]
    if family == "UNKNOWN":
        # Whatever follows is to be ignored.
        return ProxyHeader(length, None)
    if family not in ("TCP4", "TCP6") or len(words) != 6:
        raise MalformedHeader("not the words of version 1")
    if not all(_is_port(word) for word in words[4:]):
        raise MalformedHeader("a port that is none")
    source, _destination = (_address(word, family) for word in words[2:4])
    return ProxyHeader(length, source)


def _read_block(received: bytes) -> ProxyHeader | None:
    """Version 2 (§2.2): signature, version and command, family, length, addresses, more fields."""
    if len(received) > 12 and (
        received[12] >> 4 != 2 or received[12] & 0xF not in (_LOCAL, _PROXY)
    ):
        raise MalformedHeader(f"version and command {received[12]:#04x}")
    if len(received) < _FIXED:
        return None
    is_local, family = received[12] & 0xF == _LOCAL, received[13]
    size = int.from_bytes(received[14:_FIXED], "big")
    if size > _LONGEST_BLOCK:
        raise MalformedHeader(f"{size} octets of addresses and fields")
    if not is_local:
        if family not in _ADDRESS_OCTETS:
            raise MalformedHeader(f"family and transport {family:#04x}")
        if size < _ADDRESS_OCTETS[family]:
            raise MalformedHeader(f"{size} octets are too few for the addresses")
    length = _FIXED + size
    if len(received) < length:
        return None
    if is_local:
        return ProxyHeader(length, None)
    if family == _TCP4:
        return ProxyHeader(length, str(IPv4Address(received[_FIXED : _FIXED + 4])))
    if family == _TCP6:
        return ProxyHeader(length, _plain(IPv6Address(received[_FIXED : _FIXED + 16])))
    return ProxyHeader(length, None)


def _is_port(word: str) -> bool:
    return _PORT.fullmatch(word) is not None and int(word) <= 65535


def _address(word: str, family: str) -> str:
    try:
        if family == "TCP4":
            return str(IPv4Address(word))
        address = IPv6Address(word)
    except ValueError:
        raise MalformedHeader(f"an address that is none of {family}") from None
    if address.scope_id is not None:
        raise MalformedHeader("an address with a zone")
    return _plain(address)


def _plain(address: IPv6Address) -> str:
    """Return the IPv4 address that a balancer on a dual socket sees as IPv6, or this one."""
    return str(address.ipv4_mapped or address)
