"""One reader per record type: words in, a value out (RFC 1035 §5.1)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Final

from fake_dns.name import Name
from fake_dns.record import AAAA, CAA, MX, SOA, SRV, TLSA, A, MalformedRecord, Pointer, Record
from fake_dns.service_binding import MalformedParameter, ServiceBinding, parse_parameters
from fake_dns.words import Word


class Unfit(ValueError):
    """Wrong count of words, or a word out of its range."""


def _exactly(words: Sequence[str], count: int) -> Sequence[str]:
    if len(words) != count:
        raise Unfit
    return words


def number(word: str, bits: int) -> int:
    """Read a whole number of so many bits.

    Raises:
        Unfit: It is none.
    """
    if not re.fullmatch(r"[0-9]{1,10}", word, re.ASCII) or int(word) >= 1 << bits:
        raise Unfit
    return int(word)


def hexadecimal(words: Sequence[str]) -> bytes:
    """Read octets from any number of words.

    Raises:
        Unfit: They are none.
    """
    try:
        return bytes.fromhex("".join(words))
    except ValueError as error:
        raise Unfit from error


def _parse_a(words: Sequence[str], _: Name) -> A:
    try:
        return A(ipaddress.IPv4Address(*_exactly(words, 1)))
    except ipaddress.AddressValueError as error:
        raise Unfit from error


def _parse_aaaa(words: Sequence[str], _: Name) -> AAAA:
    try:
        address = ipaddress.IPv6Address(*_exactly(words, 1))
    except ipaddress.AddressValueError as error:
        raise Unfit from error
    if address.scope_id is not None:
        raise Unfit
    return AAAA(address)


def _pointer(type: str) -> Callable[[Sequence[str], Name], Pointer]:
    return lambda words, origin: Pointer(type, Name.parse(_exactly(words, 1)[0], origin))


def _parse_mx(words: Sequence[str], origin: Name) -> MX:
    preference, exchange = _exactly(words, 2)
    return MX(number(preference, 16), Name.parse(exchange, origin))


def _parse_soa(words: Sequence[str], origin: Name) -> SOA:
    primary, contact, *times = _exactly(words, 7)
    return SOA(
        Name.parse(primary, origin),
        Name.parse(contact, origin),
        number(times[0], 32),
        *(_seconds(word) for word in times[1:]),
    )


def _seconds(word: str) -> int:
    seconds = parse_seconds(word)
    if seconds is None or seconds >= 1 << 32:
        raise Unfit
    return seconds


def parse_seconds(word: str) -> int | None:
    """Read a lifetime, `300` or `1h30m`; None when it is none."""
    if re.fullmatch(r"[0-9]{1,10}", word, re.ASCII):
        return int(word)
    if not re.fullmatch(r"(?:[0-9]{1,10}[wdhms])+", word, re.ASCII | re.IGNORECASE):
        return None
    parts = re.findall(r"([0-9]+)([wdhms])", word.lower())
    return sum(int(count) * _UNITS[unit] for count, unit in parts)


def _parse_srv(words: Sequence[str], origin: Name) -> SRV:
    *numbers, target = _exactly(words, 4)
    priority, weight, port = (number(word, 16) for word in numbers)
    return SRV(priority, weight, port, Name.parse(target, origin))


def _parse_tlsa(words: Sequence[str], _: Name) -> TLSA:
    if len(words) < 4:
        raise Unfit
    usage, selector, matching = (number(word, 8) for word in words[:3])
    return TLSA(usage, selector, matching, hexadecimal(words[3:]))


def parse_caa(words: Sequence[Word]) -> CAA:
    """Read a CAA record (RFC 8659 §4.1.1).

    Raises:
        Unfit: The words are none.
    """
    if len(words) < 3:
        raise Unfit
    flags, tag, *rest = words
    # RFC 8659 §4.1: the tag is letters and digits; the value one string, quoted when it has spaces.
    if not re.fullmatch(r"[A-Za-z0-9]{1,255}", tag.raw, re.ASCII):
        raise Unfit
    if len(rest) > 1 and any(word.is_quoted for word in rest):
        raise Unfit
    return CAA(number(flags.raw, 8), tag.raw, b" ".join(word.octets for word in rest))


def parse_service_binding(type: str, words: Sequence[Word], origin: Name) -> ServiceBinding:
    """Read a record of type SVCB or HTTPS (RFC 9460 §2.1).

    Raises:
        MalformedName: The target is no name.
        MalformedRecord: A parameter breaks a rule.
        Unfit: The words are none.
    """
    if len(words) < 2:
        raise Unfit
    priority, target = number(words[0].raw, 16), Name.parse(words[1].raw, origin)
    try:
        parameters = parse_parameters(words[2:])
    except MalformedParameter as error:
        raise MalformedRecord(f"{type}: {error}") from error
    if priority == 0 and parameters:
        # RFC 9460 §2.4.2: an alias has no parameters.
        raise Unfit
    return ServiceBinding(type, priority, target, parameters)


_UNITS: Final = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}

PARSERS: Final[dict[str, Callable[[Sequence[str], Name], Record]]] = {
    "A": _parse_a,
    "AAAA": _parse_aaaa,
    "CNAME": _pointer("CNAME"),
    "DNAME": _pointer("DNAME"),
    "NS": _pointer("NS"),
    "PTR": _pointer("PTR"),
    "MX": _parse_mx,
    "SOA": _parse_soa,
    "SRV": _parse_srv,
    "TLSA": _parse_tlsa,
}
OWN_TYPES: Final = frozenset({*PARSERS, "TXT", "CAA", "SVCB", "HTTPS"})

EXPECTED: Final = {
    "A": 'an IPv4 address such as "127.0.0.1"',
    "AAAA": 'an IPv6 address such as "::1"',
    "CNAME": 'one name such as "www" or "host.example."',
    "DNAME": 'one name such as "www" or "host.example."',
    "NS": 'one name such as "ns1" or "ns.example."',
    "PTR": 'one name such as "host.example."',
    "MX": '"<preference> <exchange>" such as "10 mx1", or "0 ." for the null MX',
    "SOA": '"<primary> <contact> <serial> <refresh> <retry> <expire> <minimum>"',
    "SRV": '"<priority> <weight> <port> <target>"',
    "CAA": '"<flags> <tag> <value>" such as "0 issue ca.example"',
    "TLSA": '"<usage> <selector> <matching> <hexadecimal>"',
    "SVCB": '"<priority> <target> <parameters>" such as "1 . alpn=h2", no parameters at 0',
    "HTTPS": '"<priority> <target> <parameters>" such as "1 . alpn=h2", no parameters at 0',
}
