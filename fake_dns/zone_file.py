"""The written form of a zone: a table, from TOML, JSON or Python.

    origin = "example.com"
    ttl = 300
    authentic = true                        # AD=1 for those who ask for it
    [soa]                                   # optional, every key has a default
    minimum = 60
    [records]                               # see zone_records
    "@" = { A = "127.0.0.1" }

Every error names the key and what was expected. Knows nothing of looking up or of the wire.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from fake_dns import zone_records
from fake_dns.name import MalformedName, Name
from fake_dns.record import SOA, RecordSet
from fake_dns.zone_error import ZoneError
from fake_dns.zone_value import as_switch, as_table, as_whole_number, wrong_type

DEFAULT_TTL: Final = 300
# Out of zone and never resolvable (RFC 6761 §6.4): nobody mistakes it for a real server,
# and a checker asks for no address of it.
DEFAULT_PRIMARY: Final = "fake-dns.invalid."
DEFAULT_CONTACT: Final = "hostmaster.invalid."
# RFC 1912 §2.2 gives the orders of magnitude; nothing here transfers zones.
DEFAULT_TIMES: Final = {"serial": 1, "refresh": 3600, "retry": 600, "expire": 86400}

_ZONE_KEYS: Final = ("origin", "ttl", "authentic", "soa", "records")
_SOA_KEYS: Final = ("primary", "contact", "serial", "refresh", "retry", "expire", "minimum", "ttl")


def load_table(path: Path) -> dict[str, Any]:
    """Read a TOML file as a zone table, unchecked.

    Raises:
        ZoneError: The file cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(load_text(path))
    # A number of thousands of digits is a ValueError of its own; arrays may be too deep.
    except (ValueError, RecursionError) as error:
        if isinstance(error, ZoneError):
            raise
        raise ZoneError(f"not TOML: {error}") from error


def load_text(path: Path) -> str:
    """Read a zone file of any kind.

    Raises:
        ZoneError: It cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ZoneError(f"{error.strerror or error}; expected a readable zone file") from error
    except UnicodeDecodeError as error:
        raise ZoneError(f"not UTF-8 at octet {error.start}; expected a text file") from error


def read_zone_keys(table: object) -> dict[str, Any]:
    """Check the outermost keys of a zone table and return it as keyword arguments for `Zone`.

    Raises:
        ZoneError: Not a table, an unknown key, or no origin or records.
    """
    keys = as_table(table, "zone", _ZONE_KEYS)
    for key in ("origin", "records"):
        if key not in keys:
            raise ZoneError(f"{key}: missing; expected {_EXAMPLES[key]}")
    if not isinstance(keys["records"], Mapping):
        raise wrong_type("records", keys["records"], "a table")
    return dict(keys)


def read_origin(value: object) -> Name:
    """Read the origin; a final dot is allowed and changes nothing."""
    if isinstance(value, Name):
        return value
    if not isinstance(value, str):
        raise wrong_type("origin", value, _EXAMPLES["origin"])
    try:
        return Name.parse(value)
    except MalformedName as error:
        raise ZoneError(f"origin: {error}") from error


def read_ttl(value: object, place: str = "ttl") -> int:
    """Read a lifetime in seconds."""
    return as_whole_number(value, place, zone_records.MAX_TTL)


def read_switch(value: object, place: str) -> bool:
    """Read true or false."""
    return as_switch(value, place)


def read_soa(value: object, origin: Name, ttl: int) -> RecordSet:
    """Read the [soa] table over its defaults; `minimum` is the negative lifetime (RFC 2308 §4)."""
    keys = as_table(value, "soa", _SOA_KEYS)
    soa = SOA(
        _soa_name(keys.get("primary", DEFAULT_PRIMARY), origin, "soa.primary"),
        _soa_name(keys.get("contact", DEFAULT_CONTACT), origin, "soa.contact"),
        **{
            key: as_whole_number(keys.get(key, default), f"soa.{key}", 2**32 - 1)
            for key, default in {**DEFAULT_TIMES, "minimum": ttl}.items()
        },
    )
    return RecordSet(origin, "SOA", read_ttl(keys.get("ttl", ttl), "soa.ttl"), (soa,))


def read_records(value: object, origin: Name, ttl: int) -> zone_records.Written:
    """Read the [records] table; record sets that were read already stay as they are.

    Raises:
        ZoneError: With the key of the offending name, type or value.
    """
    if isinstance(value, Mapping) or not isinstance(value, Iterable) or isinstance(value, str):
        return zone_records.read(value, origin, ttl)
    sets = tuple(value)
    if not all(isinstance(one, RecordSet) for one in sets):
        raise wrong_type("records", value, "a table, or record sets")
    return zone_records.Written(sets, ())


write_records = zone_records.write


def _soa_name(value: object, origin: Name, place: str) -> Name:
    if not isinstance(value, str):
        raise wrong_type(place, value, "a name in quotes")
    try:
        return Name.parse_carefully(value, origin)
    except MalformedName as error:
        raise ZoneError(f"{place}: {error}") from error


_EXAMPLES: Final = {
    "origin": 'the name of the zone, such as origin = "example.com"',
    "records": 'a table, such as [records] with "@" = { A = "127.0.0.1" }',
}
