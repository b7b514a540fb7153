"""The [records] table of a zone: name → type → value, values, or versions with a time.

    "@" = { A = "127.0.0.1", MX = ["10 mx1", "20 mx2"], TXT = "v=spf1 -all" }
    slow = { ttl = 5, A = { values = ["127.0.0.2"], ttl = 1, from = "+60" } }
    moved = { A = [{ values = "127.0.0.1" }, { values = "127.0.0.2", from = "+60" }] }

Every error names the key and what was expected.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fake_dns.name import Key, MalformedName, Name, is_absolute
from fake_dns.record import (
    META_TYPES,
    TXT,
    TYPE_CODES,
    MalformedRecord,
    Record,
    RecordSet,
    canonical_type,
    generic_text,
    split_strings,
    text_record,
    type_code,
)
from fake_dns.record_text import NAME_POSITIONS, parse_generic, parse_record
from fake_dns.visibility import ALWAYS, BEGINNING, END, Instant, MalformedInstant, Visibility
from fake_dns.zone_error import ZoneError
from fake_dns.zone_value import as_table, as_whole_number, wrong_type

MAX_TTL: Final = 2**31 - 1  # RFC 2181 §8

_SET_KEYS: Final = ("values", "ttl", "from", "until", "servers")
_OWN_TYPES: Final = "A, AAAA, CNAME, MX, TXT, NS, PTR, SRV, CAA, TLSA, SVCB, HTTPS, DNAME, SOA"


@dataclass(frozen=True, slots=True)
class Doubt:
    """A relative name with dots in it: an error unless the zone knows the name it makes."""

    target: Name
    message: str


def doubts(type: str, words: Sequence[str], origin: Name, place: str) -> Iterator[Doubt]:
    """Find the names in a value that have dots in them and none at the end."""
    for position in NAME_POSITIONS.get(type, ()):
        word = words[position] if position < len(words) else "."
        if "." not in word.replace("\\.", "") or is_absolute(word):
            continue
        target = Name.parse(word, origin)
        yield Doubt(
            target,
            f'{place}: "{word}" has no final dot and stands for "{target.absolute_text}",'
            f' which is not in the zone; expected "{word}." if it is a whole name,'
            f' "{target.absolute_text}" if it is meant to lead nowhere',
        )


@dataclass(frozen=True, slots=True)
class Written:
    """What a table holds, and the names in it that may have lost their final dot."""

    sets: tuple[RecordSet, ...]
    doubts: tuple[Doubt, ...]


def read(value: object, origin: Name, ttl: int) -> Written:
    """Read the table.

    Raises:
        ZoneError: With the key of the offending name, type or value.
    """
    reading = _Reading(origin)
    places: dict[tuple[Key, str], str] = {}
    for owner, types in as_table(value, "records", None).items():
        place = f'records."{owner}"'
        try:
            name = Name.parse_carefully(owner, origin)
        except MalformedName as error:
            raise ZoneError(f"{place}: {error}") from error
        types = as_table(types, place, None)
        owner_ttl = _ttl(types.get("ttl", ttl), f"{place}.ttl")
        for type, values in types.items():
            if type == "ttl":
                continue
            at = f"{place}.{type}"
            known = canonical_type(type)
            if known is None or known in META_TYPES:
                raise _unknown_type(name, type, values, origin, at)
            if (other := places.setdefault((name.key, known), at)) != at:
                raise ZoneError(f"{at}: given twice, in two spellings; expected it once ({other})")
            reading.versions(_Heading(name, known, type.startswith("TYPE"), owner_ttl), values, at)
    return Written(tuple(reading.sets), tuple(reading.doubts))


def write(sets: Iterable[RecordSet], origin: Name) -> dict[str, dict[str, object]]:
    """Write record sets as the table that reads back into them."""
    records: dict[str, dict[str, object]] = {}
    for one in sets:
        type, values = _written_values(one)
        version: dict[str, object] = {"values": values, "ttl": one.ttl}
        if one.visibility.start != BEGINNING:
            version["from"] = one.visibility.start.written
        if one.visibility.end != END:
            version["until"] = one.visibility.end.written
        if one.visibility.servers:
            version["servers"] = sorted(one.visibility.servers)
        owner = records.setdefault(one.name.relative_text(origin), {})
        match owner.get(type):
            case None:
                owner[type] = version
            case list(versions):
                versions.append(version)
            case first:
                owner[type] = [first, version]
    return records


@dataclass(frozen=True, slots=True)
class _Heading:
    """What stands above a value; generic types are written as octets."""

    name: Name
    type: str
    is_generic: bool
    ttl: int


class _Reading:
    """What has been read of one table."""

    def __init__(self, origin: Name) -> None:
        self._origin: Final = origin
        self.sets: Final[list[RecordSet]] = []
        self.doubts: Final[list[Doubt]] = []

    def versions(self, heading: _Heading, values: object, place: str) -> None:
        items = values if isinstance(values, list | tuple) else (values,)
        if items and all(isinstance(item, Mapping) for item in items):
            for number, item in enumerate(items, 1):
                self._version(heading, item, place if len(items) == 1 else f"{place}[{number}]")
        else:
            self._set(heading, values, ALWAYS, place)

    def _version(self, heading: _Heading, version: object, place: str) -> None:
        keys = as_table(version, place, _SET_KEYS)
        if "values" not in keys:
            raise ZoneError(f"{place}.values: missing; expected a value or a list of values")
        visibility = Visibility(
            _instant(keys["from"], f"{place}.from") if "from" in keys else BEGINNING,
            _instant(keys["until"], f"{place}.until") if "until" in keys else END,
            _servers(keys.get("servers", ()), f"{place}.servers"),
        )
        own = replace(heading, ttl=_ttl(keys.get("ttl", heading.ttl), f"{place}.ttl"))
        self._set(own, keys["values"], visibility, place)

    def _set(self, heading: _Heading, values: object, visibility: Visibility, place: str) -> None:
        items = list(values) if isinstance(values, list | tuple) else [values]
        if not items:
            raise ZoneError(f"{place}: an empty list; expected at least one value")
        records: list[Record] = []
        for item in items:
            record = _record(heading, item, self._origin, place)
            if record in records:
                raise ZoneError(f"{place}: {item!r} twice; expected each value once (RFC 2181 §5)")
            records.append(record)
            if isinstance(item, str) and not heading.is_generic:
                self.doubts.extend(doubts(heading.type, item.split(), self._origin, place))
        self.sets.append(
            RecordSet(heading.name, heading.type, heading.ttl, tuple(records), visibility)
        )


def _unknown_type(name: Name, type: str, values: object, origin: Name, place: str) -> ZoneError:
    near = difflib.get_close_matches(type.upper(), TYPE_CODES.keys() - META_TYPES, 1)
    hint = ""
    if near:
        hint = f' (did you mean "{near[0]}"?)'
    elif isinstance(values, Mapping):
        # In TOML a bare a.b is a table in a table.
        owner = f"{name.relative_text(origin)}.{type}"
        hint = f' (a name with dots stands in quotes: "{owner}")'
    return ZoneError(
        f"{place}: unknown record type or key{hint}; expected ttl, {_OWN_TYPES},"
        ' or another type, in RFC 3597 form if need be, such as TYPE65280 = "\\# 1 00"'
    )


def _record(heading: _Heading, item: object, origin: Name, place: str) -> Record:
    try:
        if heading.is_generic and isinstance(item, str):
            return parse_generic(heading.type, item)
        if heading.type == "TXT" and isinstance(item, bytes | str):
            return text_record(item)
        if heading.type == "TXT" and isinstance(item, list | tuple):
            if not all(isinstance(part, str | bytes) for part in item):
                raise wrong_type(place, item, "strings inside the inner list")
            return text_record(item)
        if isinstance(item, str):
            return parse_record(heading.type, item, origin)
    except (MalformedName, MalformedRecord) as error:
        raise ZoneError(f"{place}: {error}") from error
    raise wrong_type(place, item, "a string, or a list of strings for several records")


def _written_values(record_set: RecordSet) -> tuple[str, list[object]]:
    values = [_written_value(record) for record in record_set.records]
    if None not in values:
        return record_set.type, values
    # TOML and JSON hold no octets: such a set is written as RFC 3597 writes any type.
    texts = [record for record in record_set.records if isinstance(record, TXT)]
    octets = (b"".join(bytes([len(part)]) + part for part in one.strings) for one in texts)
    return f"TYPE{type_code(record_set.type)}", [generic_text(one) for one in octets]


def _written_value(record: Record) -> object:
    if not isinstance(record, TXT):
        return record.text
    octets = b"".join(record.strings)
    try:
        octets.decode("utf-8")
        if record.strings == split_strings(octets):
            return record.text
        return [string.decode("utf-8") for string in record.strings]
    except UnicodeDecodeError:
        return None


def _instant(value: object, place: str) -> Instant:
    try:
        return Instant.parse(value)
    except MalformedInstant as error:
        raise ZoneError(f"{place}: {error}") from error


def _servers(value: Any, place: str) -> frozenset[str]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(n, str) and n for n in names):
        raise wrong_type(place, value, "the name of a server, or a list of names")
    return frozenset(names)


def _ttl(value: object, place: str) -> int:
    return as_whole_number(value, place, MAX_TTL)
