"""The written form of a zone: a table, from TOML, JSON or Python, read into record sets.

    origin = "example.com"
    ttl = 300
    [soa]                                   # optional, every key has a default
    minimum = 60
    [records]
    "@" = { A = "127.0.0.1", MX = ["10 mx1", "20 mx2"], TXT = "v=spf1 -all" }
    www = { CNAME = "@" }
    slow = { ttl = 5, A = { values = ["127.0.0.2"], ttl = 1 } }

Every error names the key and what was expected. Knows nothing of looking up or of the wire.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from fake_dns.name import MalformedName, Name
from fake_dns.record import (
    META_TYPES,
    SOA,
    TXT,
    TYPE_CODES,
    MalformedRecord,
    Record,
    RecordSet,
    split_strings,
    text_record,
    type_code,
)
from fake_dns.record_text import parse_record

DEFAULT_TTL: Final = 300
MAX_TTL: Final = 2**31 - 1  # RFC 2181 §8
# Out of zone and never resolvable (RFC 6761 §6.4): nobody mistakes it for a real server,
# and a checker asks for no address of it.
DEFAULT_PRIMARY: Final = "fake-dns.invalid."
DEFAULT_CONTACT: Final = "hostmaster.invalid."
# RFC 1912 §2.2 gives the orders of magnitude; nothing here transfers zones.
DEFAULT_TIMES: Final = {"serial": 1, "refresh": 3600, "retry": 600, "expire": 86400}

_ZONE_KEYS: Final = ("origin", "ttl", "soa", "records")
_SOA_KEYS: Final = ("primary", "contact", "serial", "refresh", "retry", "expire", "minimum", "ttl")
_SET_KEYS: Final = ("values", "ttl")
_OWN_TYPES: Final = "A, AAAA, CNAME, MX, TXT, NS, PTR, SRV, CAA, TLSA, SOA"


class ZoneError(ValueError):
    """A zone that cannot be served; the message names the place and what was expected."""


def load_table(path: Path) -> dict[str, Any]:
    """Read a TOML file as a zone table, unchecked.

    Raises:
        ZoneError: The file cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ZoneError(f"{error.strerror or error}; expected a readable zone file") from error
    except UnicodeDecodeError as error:
        raise ZoneError(f"not UTF-8 at octet {error.start}; expected a TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise ZoneError(f"not TOML: {error}") from error


def read_zone_keys(table: object) -> dict[str, Any]:
    """Check the outermost keys of a zone table and return it as keyword arguments for `Zone`.

    Raises:
        ZoneError: Not a table, an unknown key, or no origin or records.
    """
    keys = _table(table, "zone", _ZONE_KEYS)
    for key in ("origin", "records"):
        if key not in keys:
            raise ZoneError(f"{key}: missing; expected {_EXAMPLES[key]}")
    return dict(keys)


def read_origin(value: object) -> Name:
    """Read the origin; a final dot is allowed and changes nothing."""
    if isinstance(value, Name):
        return value
    if not isinstance(value, str):
        raise _wrong_type("origin", value, _EXAMPLES["origin"])
    try:
        return Name.parse(value)
    except MalformedName as error:
        raise ZoneError(f"origin: {error}") from error


def read_ttl(value: object, place: str = "ttl") -> int:
    """Read a lifetime in seconds."""
    return _integer(value, place, MAX_TTL)


def read_soa(value: object, origin: Name, ttl: int) -> RecordSet:
    """Read the [soa] table over its defaults; `minimum` is the negative lifetime (RFC 2308 §4)."""
    keys = _table(value, "soa", _SOA_KEYS)
    soa = SOA(
        _soa_name(keys.get("primary", DEFAULT_PRIMARY), origin, "soa.primary"),
        _soa_name(keys.get("contact", DEFAULT_CONTACT), origin, "soa.contact"),
        **{
            key: _integer(keys.get(key, default), f"soa.{key}", 2**32 - 1)
            for key, default in {**DEFAULT_TIMES, "minimum": ttl}.items()
        },
    )
    return RecordSet(origin, "SOA", read_ttl(keys.get("ttl", ttl), "soa.ttl"), (soa,))


def read_record_sets(value: object, origin: Name, ttl: int) -> list[RecordSet]:
    """Read the [records] table: name → type → values.

    Raises:
        ZoneError: With the key of the offending name, type or value.
    """
    sets: list[RecordSet] = []
    for owner, types in _table(value, "records", None).items():
        place = f'records."{owner}"'
        try:
            name = Name.parse(owner, origin)
        except MalformedName as error:
            raise ZoneError(f"{place}: {error}") from error
        types = _table(types, place, None)
        owner_ttl = read_ttl(types.get("ttl", ttl), f"{place}.ttl")
        sets += [
            _read_set(name, type, values, origin, owner_ttl, f"{place}.{type}")
            for type, values in types.items()
            if type != "ttl"
        ]
    return sets


def write_records(sets: Iterable[RecordSet], origin: Name) -> dict[str, dict[str, object]]:
    """Write record sets as the [records] table that reads back into them."""
    records: dict[str, dict[str, object]] = {}
    for record_set in sets:
        values = [_written(record) for record in record_set.records]
        owner = records.setdefault(record_set.name.relative_text(origin), {})
        owner[record_set.type] = {"values": values, "ttl": record_set.ttl}
    return records


def _read_set(
    name: Name, type: str, values: object, origin: Name, ttl: int, place: str
) -> RecordSet:
    if type in META_TYPES or type_code(type) is None:
        raise _unknown_type(name, type, values, origin, place)
    if isinstance(values, Mapping):
        keys = _table(values, place, _SET_KEYS)
        ttl = read_ttl(keys.get("ttl", ttl), f"{place}.ttl")
        if "values" not in keys:
            raise ZoneError(f"{place}.values: missing; expected a value or a list of values")
        values = keys["values"]
    items = list(values) if isinstance(values, list | tuple) else [values]
    if not items:
        raise ZoneError(f"{place}: an empty list; expected at least one value")
    records: list[Record] = []
    for item in items:
        record = _read_record(type, item, origin, place)
        if record in records:
            raise ZoneError(f"{place}: {item!r} twice; expected each value once (RFC 2181 §5)")
        records.append(record)
    return RecordSet(name, type, ttl, tuple(records))


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
        ' or another type in RFC 3597 form, such as TYPE65280 = "\\# 1 00"'
    )


def _read_record(type: str, item: object, origin: Name, place: str) -> Record:
    try:
        if type == "TXT" and isinstance(item, bytes):
            return text_record(item)
        if type == "TXT" and isinstance(item, list | tuple):
            if not all(isinstance(part, str | bytes) for part in item):
                raise _wrong_type(place, item, "strings inside the inner list")
            return text_record(item)
        if isinstance(item, str):
            return parse_record(type, item, origin)
    except (MalformedName, MalformedRecord) as error:
        raise ZoneError(f"{place}: {error}") from error
    raise _wrong_type(place, item, "a string, or a list of strings for several records")


def _soa_name(value: object, origin: Name, place: str) -> Name:
    if not isinstance(value, str):
        raise _wrong_type(place, value, "a name in quotes")
    try:
        return Name.parse(value, origin)
    except MalformedName as error:
        raise ZoneError(f"{place}: {error}") from error


def _written(record: Record) -> object:
    if not isinstance(record, TXT):
        return record.text
    octets = b"".join(record.strings)
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return record.text  # TOML and JSON hold no octets: written with replacement characters
    if record.strings == split_strings(octets):
        return record.text
    return [string.decode("utf-8", "replace") for string in record.strings]


def _table(value: object, place: str, allowed: tuple[str, ...] | None) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong_type(place, value, "a table")
    for key in value:
        if not isinstance(key, str):
            raise _wrong_type(place, key, "names as keys")
        if allowed is not None and key not in allowed:
            prefix = "" if place == "zone" else f"{place}."
            raise ZoneError(f"{prefix}{key}: unknown key; expected one of {', '.join(allowed)}")
    return value


def _integer(value: object, place: str, maximum: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= maximum:
        raise _wrong_type(place, value, f"a whole number from 0 to {maximum}")
    return value


def _wrong_type(place: str, value: object, expected: str) -> ZoneError:
    shown = repr(value)
    return ZoneError(
        f"{place}: {shown if len(shown) <= 80 else shown[:60] + '…'}; expected {expected}"
    )


_EXAMPLES: Final = {
    "origin": 'the name of the zone, such as origin = "example.com"',
    "records": 'a table, such as [records] with "@" = { A = "127.0.0.1" }',
}
