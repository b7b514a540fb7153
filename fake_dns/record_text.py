r"""Reading record values from text, type by type (RFC 1035 §5.1).

In a zone table a TXT value is the string itself; in a master file it is words.
A type without a reader here is read by dnspython, or as octets: `\# 2 abcd` (RFC 3597 §5).
Every error says what was expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fake_dns import foreign_record
from fake_dns.name import MAX_NAME_OCTETS, Name
from fake_dns.record import (
    CAA,
    MAX_RDATA_OCTETS,
    TLSA,
    TXT,
    MalformedRecord,
    Opaque,
    Record,
    text_record,
    type_code,
)
from fake_dns.record_reader import (
    EXPECTED,
    OWN_TYPES,
    PARSERS,
    Unfit,
    hexadecimal,
    number,
    parse_caa,
    parse_service_binding,
)
from fake_dns.service_binding import ServiceBinding
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
                return _fitting(parse_caa(words))
            case "SVCB" | "HTTPS":
                return _fitting(parse_service_binding(type, words, origin))
            case _ if type in PARSERS:
                return _fitting(PARSERS[type](raws, origin))
            case _:
                octets = foreign_record.octets_of(_code(type), text, origin)
                return _fitting(Opaque(type, octets))
    except foreign_record.NotRead as error:
        raise MalformedRecord(
            f'"{text[:80]}" does not fit {type}; expected its presentation form, or'
            f' "\\# <octets> <hexadecimal>" ({error})'
        ) from error
    except Unfit as unfit:
        raise _misfit(type, text) from unfit


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
    expected = EXPECTED.get(type, "a value of bearable length")
    return MalformedRecord(f'"{text[:80]}" does not fit {type}; expected {expected}')


def _unreadable(type: str, text: str, error: MalformedText) -> MalformedRecord:
    return MalformedRecord(
        f'"{text[:80]}" does not fit {type}; expected words with quotes and escapes whole ({error})'
    )


def _code(type: str) -> int:
    code = type_code(type)
    if code is None:
        raise Unfit
    return code


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
            raise Unfit
        octets = hexadecimal([word.raw for word in words[2:]])
        if len(octets) != number(words[1].raw, 16):
            raise Unfit
    except (Unfit, IndexError) as error:
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
