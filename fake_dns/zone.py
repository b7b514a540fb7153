"""A zone: names to record sets, and what it says about a name (RFC 1034 §4.3.2).

Immutable: a change is a new zone, put in the place of the old one.
Knows nothing of queries, faults or the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fake_dns import zone_file
from fake_dns.name import Key, Name
from fake_dns.record import SOA, Pointer, Record, RecordSet
from fake_dns.zone_file import ZoneError

__all__ = [
    "Alias",
    "Delegated",
    "Found",
    "Lookup",
    "NoSuchName",
    "NoSuchType",
    "Zone",
    "ZoneError",
    "ZoneSet",
]

# Name → type → values; checked when read, so that a literal in a test needs no annotation.
Records = Mapping[str, object]
_Node = dict[str, RecordSet]


@dataclass(frozen=True, slots=True)
class Found:
    """The name has what was asked for; several sets only for ANY."""

    sets: tuple[RecordSet, ...]


@dataclass(frozen=True, slots=True)
class Alias:
    """The name is an alias: start again at its target."""

    record_set: RecordSet
    target: Name


@dataclass(frozen=True, slots=True)
class Delegated:
    """The name lies beyond a zone cut; glue is what this zone knows of the servers."""

    name_servers: RecordSet
    glue: tuple[RecordSet, ...]


@dataclass(frozen=True, slots=True)
class NoSuchType:
    """The name exists without this type (NODATA, RFC 2308 §2.2)."""


@dataclass(frozen=True, slots=True)
class NoSuchName:
    """The name does not exist (NXDOMAIN, RFC 2308 §2.1)."""


Lookup = Found | Alias | Delegated | NoSuchType | NoSuchName


class Zone:
    """One zone of authority, ready to be looked up in."""

    __slots__ = ("_nodes", "negative_soa", "origin", "ttl")

    def __init__(
        self,
        origin: str | Name,
        records: Records,
        *,
        ttl: int = zone_file.DEFAULT_TTL,
        soa: Mapping[str, object] | None = None,
    ) -> None:
        """Build a zone from the same table that a TOML file holds.

        Args:
            origin: Name of the zone.
            records: Name, relative to the origin, to type to a value or a list of values.
            ttl: Lifetime in seconds of every set that gives none.
            soa: Keys of the SOA record that differ from the defaults.

        Raises:
            ZoneError: A name, type or value is wrong, a CNAME stands beside other records, a
                second SOA, a name outside the zone or given twice.
        """
        self.origin: Final = zone_file.read_origin(origin)
        self.ttl: Final = zone_file.read_ttl(ttl)
        sets = zone_file.read_record_sets(records, self.origin, self.ttl)
        own_soa = [record_set for record_set in sets if record_set.type == "SOA"]
        if own_soa and soa is not None:
            raise ZoneError("soa: also given under [records]; expected one SOA (RFC 1035 §5.2)")
        if not own_soa:
            sets.append(zone_file.read_soa(soa or {}, self.origin, self.ttl))
        self._nodes: Final = _nodes(self.origin, sets)
        apex = self._nodes[self.origin.key]
        self.negative_soa: Final = _negative(apex["SOA"])
        # RFC 1034 §4.2.1: a zone names its servers; one that does not is served all the same.
        primary = _soa(apex["SOA"]).primary
        own_name_server = RecordSet(self.origin, "NS", self.ttl, (Pointer("NS", primary),))
        apex.setdefault("NS", own_name_server)

    @classmethod
    def from_table(cls, table: object) -> Zone:
        """Build a zone from a table with the keys origin, ttl, soa and records.

        Raises:
            ZoneError: As the constructor, and for unknown or missing keys.
        """
        return cls(**zone_file.read_zone_keys(table))

    @classmethod
    def from_toml(cls, path: str | Path) -> Zone:
        """Build a zone from a TOML file.

        Raises:
            ZoneError: As `from_table`, with the path in front, also when it cannot be read.
        """
        try:
            return cls.from_table(zone_file.load_table(Path(path)))
        except ZoneError as error:
            raise ZoneError(f"{path}: {error}") from error

    @property
    def record_sets(self) -> tuple[RecordSet, ...]:
        """Every record set, in the order given, the SOA and NS of the apex included."""
        return tuple(record_set for node in self._nodes.values() for record_set in node.values())

    def as_table(self) -> dict[str, object]:
        """Write the zone as the table that `from_table` reads."""
        return {
            "origin": self.origin.text,
            "ttl": self.ttl,
            "records": zone_file.write_records(self.record_sets, self.origin),
        }

    def lookup(self, name: Name, type: str) -> Lookup:
        """Say what the zone knows about a name within it; `ANY` asks for every type."""
        key, depth = name.key, len(self.origin.labels)
        node: _Node | None = self._nodes[self.origin.key]
        for count in range(depth + 1, len(key) + 1):
            encloser = key[len(key) - count + 1 :]
            node = self._nodes.get(key[len(key) - count :])
            if node is None:
                # RFC 4592 §3.3.1: only the wildcard at the closest encloser speaks.
                node = self._nodes.get((b"*", *encloser))
                break
            if "NS" in node:
                return self._delegation(node["NS"])
        if node is None:
            return NoSuchName()
        return _select(node, name, type)

    def _delegation(self, name_servers: RecordSet) -> Delegated:
        glue = [
            node[type]
            for record in name_servers.records
            if isinstance(record, Pointer)
            and (node := self._nodes.get(record.target.key)) is not None
            for type in ("A", "AAAA")
            if type in node
        ]
        return Delegated(name_servers, tuple(glue))

    def __repr__(self) -> str:
        return f"Zone({self.origin.text!r}, {len(self.record_sets)} record sets)"


class ZoneSet:
    """The zones of one server: an immutable choice, swapped whole."""

    __slots__ = ("_by_origin",)

    def __init__(self, zones: Iterable[Zone] = ()) -> None:
        """Hold these zones.

        Raises:
            ZoneError: Two of them have the same origin.
        """
        by_origin: dict[Key, Zone] = {}
        for zone in zones:
            if by_origin.setdefault(zone.origin.key, zone) is not zone:
                raise ZoneError(f"zone {zone.origin.text} is given twice; expected it once")
        self._by_origin: Final = MappingProxyType(by_origin)

    def enclosing(self, name: Name) -> Zone | None:
        """Find the zone with the longest origin that the name lies in."""
        key = name.key
        for start in range(len(key) + 1):
            if (zone := self._by_origin.get(key[start:])) is not None:
                return zone
        return None

    def get(self, origin: Name) -> Zone | None:
        """Find the zone with exactly this origin."""
        return self._by_origin.get(origin.key)

    def added(self, zone: Zone) -> ZoneSet:
        """The same with one more zone.

        Raises:
            ZoneError: There is one with this origin.
        """
        return ZoneSet((*self, zone))

    def replaced(self, zone: Zone) -> ZoneSet:
        """The same with this zone in the place of the one with its origin, if any."""
        return ZoneSet({**self._by_origin, zone.origin.key: zone}.values())

    def removed(self, origin: Name) -> ZoneSet:
        """The same without the zone of this origin."""
        return ZoneSet(zone for key, zone in self._by_origin.items() if key != origin.key)

    def __iter__(self) -> Iterator[Zone]:
        return iter(self._by_origin.values())

    def __len__(self) -> int:
        return len(self._by_origin)


def _select(node: _Node, name: Name, type: str) -> Lookup:
    if type == "ANY" and node:
        return Found(tuple(replace(record_set, name=name) for record_set in node.values()))
    if (record_set := node.get(type)) is not None:
        # The owner is written as it was asked: 0x20 case, and the name a wildcard stands for.
        return Found((replace(record_set, name=name),))
    if (alias := node.get("CNAME")) is not None:
        record = alias.records[0]
        if isinstance(record, Pointer):
            return Alias(replace(alias, name=name), record.target)
    return NoSuchType()


def _nodes(origin: Name, sets: Iterable[RecordSet]) -> dict[Key, _Node]:
    nodes: dict[Key, _Node] = {origin.key: {}}
    for record_set in sets:
        name, type = record_set.name, record_set.type
        place = f'records."{name.relative_text(origin)}".{type}'
        if not name.is_within(origin):
            raise ZoneError(f"{place}: outside the zone; expected a name below {origin.text}")
        key = name.key
        # Empty non-terminals exist (RFC 8020): a name above a record is NODATA, not NXDOMAIN.
        for start in range(1, len(key) - len(origin.labels)):
            nodes.setdefault(key[start:], {})
        node = nodes.setdefault(key, {})
        if type in node:
            raise ZoneError(f"{place}: given twice, in two spellings of one name")
        node[type] = record_set
        if "CNAME" in node and len(node) > 1:
            others = ", ".join(sorted(node.keys() - {"CNAME"}))
            raise ZoneError(f"{place}: a CNAME beside {others}; expected it alone (RFC 2181 §10.1)")
        if type in {"CNAME", "SOA"} and len(record_set.records) > 1:
            raise ZoneError(f"{place}: {len(record_set.records)} records; expected one {type}")
        if type == "SOA" and key != origin.key:
            raise ZoneError(f"{place}: a SOA below the origin; expected it at @ only")
    return nodes


def _soa(record_set: RecordSet) -> SOA:
    record: Record = record_set.records[0]
    if not isinstance(record, SOA):
        raise TypeError(record)
    return record


def _negative(soa: RecordSet) -> RecordSet:
    """The SOA as negative answers carry it: the lesser of its lifetime and its minimum."""
    # RFC 2308 §3 and §5.
    return replace(soa, ttl=min(soa.ttl, _soa(soa).minimum))
