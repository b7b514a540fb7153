"""Reading record values from text, type by type (RFC 1035 §5.1).

A TXT value is the string itself. A type without a reader here is octets in the form of
RFC 3597 §5. Every error says what was expected.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Final

from fake_dns.name import Name
from fake_dns.record import (
    AAAA,
    CAA,
    MAX_RDATA_OCTETS,
    MX,
    SOA,
    SRV,
    TLSA,
    A,
    MalformedRecord,
    Opaque,
    Pointer,
    Record,
    text_record,
)


def parse_record(type: str, text: str, origin: Name) -> Record:
    """Read one value of one type.

    Args:
        type: Upper-case mnemonic or TYPE123.
        text: Presentation form; for TXT the string itself.
        origin: What relative names end in.

    Raises:
        MalformedName: A name in the value is none.
        MalformedRecord: The value does not fit the type.
    """
    if type == "TXT":
        return text_record(text)
    words = text.split()
    if type not in _PARSERS:
        return _parse_opaque(type, text, words)
    expected, parse = _PARSERS[type]
    try:
        if len(text) > MAX_RDATA_OCTETS:
            raise _Unfit
        return parse(words, origin)
    except _Unfit as unfit:
        raise MalformedRecord(f'"{text[:80]}" does not fit {type}; expected {expected}') from unfit


class _Unfit(ValueError):
    """Wrong count of words, or a word out of its range."""


def _words(words: list[str], count: int) -> list[str]:
    if len(words) != count:
        raise _Unfit
    return words


def _number(word: str, bits: int) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", word, re.ASCII) or int(word) >= 1 << bits:
        raise _Unfit
    return int(word)


def _hexadecimal(words: list[str]) -> bytes:
    try:
        return bytes.fromhex("".join(words))
    except ValueError as error:
        raise _Unfit from error


def _parse_a(words: list[str], _: Name) -> A:
    try:
        return A(ipaddress.IPv4Address(*_words(words, 1)))
    except ipaddress.AddressValueError as error:
        raise _Unfit from error


def _parse_aaaa(words: list[str], _: Name) -> AAAA:
    try:
        address = ipaddress.IPv6Address(*_words(words, 1))
    except ipaddress.AddressValueError as error:
        raise _Unfit from error
    if address.scope_id is not None:
        raise _Unfit
    return AAAA(address)


def _pointer(type: str) -> Callable[[list[str], Name], Pointer]:
    return lambda words, origin: Pointer(type, Name.parse(_words(words, 1)[0], origin))


def _parse_mx(words: list[str], origin: Name) -> MX:
    preference, exchange = _words(words, 2)
    return MX(_number(preference, 16), Name.parse(exchange, origin))


def _parse_soa(words: list[str], origin: Name) -> SOA:
    primary, contact, *times = _words(words, 7)
    return SOA(
        Name.parse(primary, origin),
        Name.parse(contact, origin),
        *(_number(word, 32) for word in times),
    )


def _parse_srv(words: list[str], origin: Name) -> SRV:
    *numbers, target = _words(words, 4)
    priority, weight, port = (_number(word, 16) for word in numbers)
    return SRV(priority, weight, port, Name.parse(target, origin))


def _parse_caa(words: list[str], _: Name) -> CAA:
    if len(words) < 3 or not all(word.isascii() for word in words):
        raise _Unfit
    flags, tag, *rest = words
    value = " ".join(rest)
    if value[:1] == '"':
        value = value[1:-1] if len(value) > 1 and value.endswith('"') else '"'
    # RFC 8659 §4.1: the tag is letters and digits.
    if not re.fullmatch(r"[A-Za-z0-9]{1,255}", tag, re.ASCII) or '"' in value:
        raise _Unfit
    return CAA(_number(flags, 8), tag, value)


def _parse_tlsa(words: list[str], _: Name) -> TLSA:
    if len(words) < 4:
        raise _Unfit
    usage, selector, matching = (_number(word, 8) for word in words[:3])
    return TLSA(usage, selector, matching, _hexadecimal(words[3:]))


def _parse_opaque(type: str, text: str, words: list[str]) -> Opaque:
    try:
        if len(words) < 2 or words[0] != "\\#":
            raise _Unfit
        octets = _hexadecimal(words[2:])
        if len(octets) != _number(words[1], 16):
            raise _Unfit
    except _Unfit as unfit:
        raise MalformedRecord(
            f'"{text[:80]}" does not fit {type}; expected the form of RFC 3597,'
            ' "\\# <octets> <hexadecimal>"'
        ) from unfit
    return Opaque(type, octets)


_PARSERS: Final[dict[str, tuple[str, Callable[[list[str], Name], Record]]]] = {
    "A": ('an IPv4 address such as "127.0.0.1"', _parse_a),
    "AAAA": ('an IPv6 address such as "::1"', _parse_aaaa),
    "CNAME": ('one name such as "www" or "host.example."', _pointer("CNAME")),
    "NS": ('one name such as "ns1" or "ns.example."', _pointer("NS")),
    "PTR": ('one name such as "host.example."', _pointer("PTR")),
    "MX": ('"<preference> <exchange>" such as "10 mx1", or "0 ." for the null MX', _parse_mx),
    "SOA": ('"<primary> <contact> <serial> <refresh> <retry> <expire> <minimum>"', _parse_soa),
    "SRV": ('"<priority> <weight> <port> <target>"', _parse_srv),
    "CAA": ('"<flags> <tag> <value>" such as "0 issue ca.example"', _parse_caa),
    "TLSA": ('"<usage> <selector> <matching> <hexadecimal>"', _parse_tlsa),
}
