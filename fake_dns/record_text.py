r"""Reading record values from text, type by type (RFC 1035 §5.1).

In a zone table a TXT value is the string itself; in a master file it is words.
A type without a reader here is read by dnspython, or as octets: `\# 2 abcd` (RFC 3597 §5).
Every error says what was expected.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from typing import Final

from fake_dns import foreign_record
from fake_dns.name import MAX_NAME_OCTETS, Name
from fake_dns.record import (
    AAAA,
    CAA,
    MAX_RDATA_OCTETS,
    MX,
    SOA,
    SRV,
    TLSA,
    TXT,
    A,
    MalformedRecord,
    Opaque,
    Pointer,
    Record,
    text_record,
    type_code,
)
from fake_dns.service_binding import MalformedParameter, ServiceBinding, parse_parameters
from fake_dns.words import MalformedText, Word, split_words

# Where names stand in the words of a value; a SOA's contact names no host and is left out.
NAME_POSITIONS: Final[dict[str, tuple[int, ...]]] = {
    "CNAME": (0,), "DNAME": (0,), "NS": (0,), "PTR": (0,), "MX": (1,), "SRV": (3,),
    "SOA": (0,), "SVCB": (1,), "HTTPS": (1,),
}  # fmt: skip


def parse_record(type: str, text: str, origin: Name) -> Record:
    """Read one value of one type, as a zone table holds it.

    Args:
        type: Upper-case mnemonic, or TYPE123 for a type without one.
        text: Presentation form; for TXT the string itself.
        origin: What relative names end in.

    Raises:
        MalformedName: A name in the value is none.
        MalformedRecord: The value does not fit the type.
    """
    if type == "TXT":
        return text_record(text)
    if len(text) > 4 * MAX_RDATA_OCTETS:
        raise _misfit(type, text)
    try:
        return parse_words(type, split_words(text), origin, text)
    except MalformedText as error:
        raise _unreadable(type, text, error) from error


def parse_words(type: str, words: Sequence[Word], origin: Name, text: str) -> Record:
    """Read one value of one type from its words, as a master file holds them.

    Args:
        type: As for `parse_record`.
        words: The value, cut into words.
        origin: What relative names end in.
        text: The value as written, for messages and for types that are not read here.

    Raises:
        MalformedName: A name in the value is none.
        MalformedRecord: The value does not fit the type.
    """
    if words and words[0].raw == "\\#":
        return _parse_octets(type, words, text)
    if type == "TXT":
        return text_record([word.octets for word in words])
    raws = [word.raw for word in words]
    try:
        match type:
            case "CAA":
                return _fitting(_parse_caa(words))
            case "SVCB" | "HTTPS":
                return _fitting(_parse_service_binding(type, words, origin))
            case _ if type in _PARSERS:
                return _fitting(_PARSERS[type](raws, origin))
            case _:
                octets = foreign_record.octets_of(_code(type), text, origin)
                return _fitting(Opaque(type, octets))
    except foreign_record.NotRead as error:
        raise MalformedRecord(
            f'"{text[:80]}" does not fit {type}; expected its presentation form, or'
            f' "\\# <octets> <hexadecimal>" ({error})'
        ) from error
    except _Unfit as unfit:
        raise _misfit(type, text) from unfit


class _Unfit(ValueError):
    """Wrong count of words, or a word out of its range."""


def _fitting(record: Record) -> Record:
    """Refuse what RDLENGTH cannot count; TXT is looked at where it is split."""
    match record:
        case CAA(tag=tag, value=value):
            size = 2 + len(tag) + len(value)
        case TLSA(association=association):
            size = 3 + len(association)
        case ServiceBinding(parameters=parameters):
            size = 2 + MAX_NAME_OCTETS + sum(4 + len(value) for _, value in parameters)
        case Opaque(octets=octets):
            size = len(octets)
        case _:
            size = 0
    if size > MAX_RDATA_OCTETS:
        raise MalformedRecord(f"takes {size} octets; expected at most {MAX_RDATA_OCTETS}")
    return record


def _misfit(type: str, text: str) -> MalformedRecord:
    expected = _EXPECTED.get(type, "a value of bearable length")
    return MalformedRecord(f'"{text[:80]}" does not fit {type}; expected {expected}')


def _unreadable(type: str, text: str, error: MalformedText) -> MalformedRecord:
    return MalformedRecord(
        f'"{text[:80]}" does not fit {type}; expected words with quotes and escapes whole ({error})'
    )


def _code(type: str) -> int:
    code = type_code(type)
    if code is None:
        raise _Unfit
    return code


def _exactly(words: Sequence[str], count: int) -> Sequence[str]:
    if len(words) != count:
        raise _Unfit
    return words


def _number(word: str, bits: int) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", word, re.ASCII) or int(word) >= 1 << bits:
        raise _Unfit
    return int(word)


def _hexadecimal(words: Sequence[str]) -> bytes:
    try:
        return bytes.fromhex("".join(words))
    except ValueError as error:
        raise _Unfit from error


def _parse_a(words: Sequence[str], _: Name) -> A:
    try:
        return A(ipaddress.IPv4Address(*_exactly(words, 1)))
    except ipaddress.AddressValueError as error:
        raise _Unfit from error


def _parse_aaaa(words: Sequence[str], _: Name) -> AAAA:
    try:
        address = ipaddress.IPv6Address(*_exactly(words, 1))
    except ipaddress.AddressValueError as error:
        raise _Unfit from error
    if address.scope_id is not None:
        raise _Unfit
    return AAAA(address)


def _pointer(type: str) -> Callable[[Sequence[str], Name], Pointer]:
    return lambda words, origin: Pointer(type, Name.parse(_exactly(words, 1)[0], origin))


def _parse_mx(words: Sequence[str], origin: Name) -> MX:
    preference, exchange = _exactly(words, 2)
    return MX(_number(preference, 16), Name.parse(exchange, origin))


def _parse_soa(words: Sequence[str], origin: Name) -> SOA:
    primary, contact, *times = _exactly(words, 7)
    return SOA(
        Name.parse(primary, origin),
        Name.parse(contact, origin),
        _number(times[0], 32),
        *(_seconds(word) for word in times[1:]),
    )


def _seconds(word: str) -> int:
    seconds = parse_seconds(word)
    if seconds is None or seconds >= 1 << 32:
        raise _Unfit
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
    priority, weight, port = (_number(word, 16) for word in numbers)
    return SRV(priority, weight, port, Name.parse(target, origin))


def _parse_tlsa(words: Sequence[str], _: Name) -> TLSA:
    if len(words) < 4:
        raise _Unfit
    usage, selector, matching = (_number(word, 8) for word in words[:3])
    return TLSA(usage, selector, matching, _hexadecimal(words[3:]))


def _parse_caa(words: Sequence[Word]) -> CAA:
    if len(words) < 3:
        raise _Unfit
    flags, tag, *rest = words
    # RFC 8659 §4.1: the tag is letters and digits; the value one string, quoted when it has spaces.
    if not re.fullmatch(r"[A-Za-z0-9]{1,255}", tag.raw, re.ASCII):
        raise _Unfit
    if len(rest) > 1 and any(word.is_quoted for word in rest):
        raise _Unfit
    return CAA(_number(flags.raw, 8), tag.raw, b" ".join(word.octets for word in rest))


def _parse_service_binding(type: str, words: Sequence[Word], origin: Name) -> ServiceBinding:
    if len(words) < 2:
        raise _Unfit
    priority, target = _number(words[0].raw, 16), Name.parse(words[1].raw, origin)
    try:
        parameters = parse_parameters(words[2:])
    except MalformedParameter as error:
        raise MalformedRecord(f"{type}: {error}") from error
    if priority == 0 and parameters:
        # RFC 9460 §2.4.2: an alias has no parameters.
        raise _Unfit
    return ServiceBinding(type, priority, target, parameters)


def parse_generic(type: str, text: str) -> Record:
    """Read one value in the form that fits every type (RFC 3597 §5).

    Raises:
        MalformedRecord: It has another form, or the octets are no record of a type known here.
    """
    try:
        return _parse_octets(type, split_words(text), text)
    except MalformedText as error:
        raise _unreadable(type, text, error) from error


def _parse_octets(type: str, words: Sequence[Word], text: str) -> Record:
    expected = 'the form of RFC 3597, "\\# <octets> <hexadecimal>"'
    try:
        if words[0].raw != "\\#":
            raise _Unfit
        octets = _hexadecimal([word.raw for word in words[2:]])
        if len(octets) != _number(words[1].raw, 16):
            raise _Unfit
    except (_Unfit, IndexError) as error:
        raise MalformedRecord(f'"{text[:80]}" does not fit {type}; expected {expected}') from error
    if type not in OWN_TYPES:
        return Opaque(type, octets)
    try:
        if type == "TXT":
            return TXT(foreign_record.strings_of(octets))
        # Known types are held as values, so that names in them are seen and checked.
        text = foreign_record.text_of(_code(type), octets)
        return parse_words(type, split_words(text), Name(()), text)
    except (foreign_record.NotRead, MalformedText) as error:
        raise MalformedRecord(
            f'"{octets.hex()[:80]}" does not fit {type}; expected octets that are one ({error})'
        ) from error


_UNITS: Final = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}

_PARSERS: Final[dict[str, Callable[[Sequence[str], Name], Record]]] = {
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
OWN_TYPES: Final = frozenset({*_PARSERS, "TXT", "CAA", "SVCB", "HTTPS"})

_EXPECTED: Final = {
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
