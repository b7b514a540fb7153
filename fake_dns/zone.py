"""A zone: its written form made into record sets, and how it looks at one moment on one server.

Immutable: a change is a new zone, put in the place of the old one.
Knows nothing of queries, faults or the wire.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

from fake_dns import zone_file
from fake_dns.name import Key, Name
from fake_dns.record import SOA, Pointer, RecordSet
from fake_dns.visibility import ALWAYS, boundaries
from fake_dns.zone_error import ZoneError
from fake_dns.zone_tree import (
    Lookup,
    NoSuchName,
    Places,
    ZoneTree,
    check_together,
)

# Name → type → values; checked when read, so that a literal in a test needs no annotation.
Records = Mapping[str, object]


class Zone:
    """One zone of authority, ready to be looked up in."""

    __slots__ = ("_given", "_tree", "is_authentic", "negative_soa", "origin", "ttl")

    def __init__(
        self,
        origin: str | Name,
        records: Records | Iterable[RecordSet],
        *,
        ttl: int = zone_file.DEFAULT_TTL,
        soa: Mapping[str, object] | None = None,
        authentic: bool = False,
        places: Places | None = None,
    ) -> None:
        """Build a zone from the same table that a TOML file holds, or from record sets.

        Args:
            origin: Name of the zone.
            records: Name, relative to the origin, to type to a value or a list of values.
            ttl: Lifetime in seconds of every set that gives none.
            soa: Keys of the SOA record that differ from the defaults.
            authentic: Whether its answers carry AD=1 for those who ask for it (RFC 6840 §5.7).
            places: Where record sets were written, by key and type, for messages.

        Raises:
            ZoneError: A name, type or value is wrong, a CNAME stands beside other records, a
                second SOA, a name outside the zone or given twice.
        """
        self.origin: Final = zone_file.read_origin(origin)
        self.ttl: Final = zone_file.read_ttl(ttl)
        self.is_authentic: Final = zone_file.read_switch(authentic, "authentic")
        written = zone_file.read_records(records, self.origin, self.ttl)
        sets, known = list(written.sets), places or {}
        has_own_soa = any(one.type == "SOA" for one in sets)
        if has_own_soa and soa is not None:
            raise ZoneError("soa: also given under [records]; expected one SOA (RFC 1035 §5.2)")
        if not has_own_soa:
            sets.append(zone_file.read_soa(soa or {}, self.origin, self.ttl))
        self._given: Final = tuple(sets)
        check_together(sets, self.origin, known)
        tree = ZoneTree(self.origin, sets, known)
        if "NS" not in tree.apex:
            # RFC 1034 §4.2.1: a zone names its servers; one that does not is served all the same.
            primary = Pointer("NS", _soa(tree.apex["SOA"]).primary)
            sets.append(RecordSet(self.origin, "NS", self.ttl, (primary,)))
            check_together(sets, self.origin, known)
            tree = ZoneTree(self.origin, sets, known)
        self._tree: Final = tree
        self.negative_soa: Final = _negative(tree.apex["SOA"])
        for doubt in written.doubts:
            if isinstance(self.lookup(doubt.target, "ANY"), NoSuchName):
                raise ZoneError(doubt.message)

    @classmethod
    def from_table(cls, table: object) -> Self:
        """Build a zone from a table with the keys origin, ttl, authentic, soa and records.

        Raises:
            ZoneError: As the constructor, and for unknown or missing keys.
        """
        return cls(**zone_file.read_zone_keys(table))

    @classmethod
    def from_toml(cls, path: str | Path) -> Self:
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
        """Every record set and version, in the order given; the SOA and NS of the apex included."""
        name_servers = self._tree.apex["NS"]
        return self._given if name_servers in self._given else (*self._given, name_servers)

    @property
    def is_timed(self) -> bool:
        """Whether something in it depends on time or server."""
        return any(one.visibility != ALWAYS for one in self._given)

    def as_table(self) -> dict[str, object]:
        """Write the zone as the table that `from_table` reads."""
        table: dict[str, Any] = {"origin": self.origin.text, "ttl": self.ttl}
        if self.is_authentic:
            table["authentic"] = True
        return {**table, "records": zone_file.write_records(self.record_sets, self.origin)}

    def has(self, key: Key) -> bool:
        """Whether something is written at this very name or below it."""
        return self._tree.has(key)

    def lookup(self, name: Name, type: str) -> Lookup:
        """Say what the zone knows about a name within it; `ANY` asks for every type."""
        return self._tree.lookup(name, type)

    def in_service(self, now: float) -> Zone:
        """The same zone with every "+90" counted from now."""
        if not any(one.visibility.is_relative for one in self._given):
            return self
        sets = (replace(one, visibility=one.visibility.after(now)) for one in self._given)
        return self._with(sets)

    def at(self, server: str, now: float) -> Zone:
        """The zone as this server shows it now, without anything that depends on time."""
        if not self.is_timed:
            return self
        return self._with(
            replace(one, visibility=ALWAYS)
            for one in self._given
            if one.visibility.includes(server, now)
        )

    def unchanged_around(self, now: float) -> tuple[float, float]:
        """From when, and before when, the zone looks as it does now."""
        edges = boundaries(one.visibility for one in self._given)
        start = max((edge for edge in edges if edge <= now), default=-math.inf)
        end = min((edge for edge in edges if edge > now), default=math.inf)
        return start, end

    def _with(self, sets: Iterable[RecordSet]) -> Zone:
        return Zone(self.origin, sets, ttl=self.ttl, authentic=self.is_authentic)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Zone) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash((self.origin.key, self.ttl))

    def _identity(self) -> tuple[object, ...]:
        versions: dict[tuple[Key, str], list[RecordSet]] = {}
        for one in self.record_sets:
            versions.setdefault((one.name.key, one.type), []).append(one)
        return self.origin.key, self.ttl, self.is_authentic, versions

    def __repr__(self) -> str:
        return f"Zone({self.origin.text!r}, {len(self.record_sets)} record sets)"


def _soa(record_set: RecordSet) -> SOA:
    record = record_set.records[0]
    if not isinstance(record, SOA):
        raise TypeError(record)
    return record


def _negative(soa: RecordSet) -> RecordSet:
    """The SOA as negative answers carry it: the lesser of its lifetime and its minimum."""
    # RFC 2308 §3 and §5.
    return replace(soa, ttl=min(soa.ttl, _soa(soa).minimum))
