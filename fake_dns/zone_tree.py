"""Names to record sets, and what they say about a name (RFC 1034 §4.3.2).

Immutable once built. Knows nothing of time, servers, queries or the wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from fake_dns.name import MAX_NAME_OCTETS, ROOT, Key, Name
from fake_dns.record import Pointer, RecordSet
from fake_dns.zone_error import ZoneError

_Node = dict[str, RecordSet]
Places = Mapping[tuple[Key, str], str]
# RFC 2181 §10.1 and RFC 6672 §2.4: what may stand at a name once, and alone or at the origin.
_SINGLE: Final = frozenset({"CNAME", "SOA", "DNAME"})


@dataclass(frozen=True, slots=True)
class Found:
    """The name has what was asked for; several sets only for ANY.

    `addresses` are what this zone knows of the name servers, when those were asked for.
    """

    sets: tuple[RecordSet, ...]
    addresses: tuple[RecordSet, ...] = ()


@dataclass(frozen=True, slots=True)
class Alias:
    """The name is an alias: start again at its target.

    `sets` are what says so: a CNAME, or a DNAME and the CNAME made from it. No target means that
    the name with the DNAME's target in it would be too long (RFC 6672 §2.2).
    """

    sets: tuple[RecordSet, ...]
    target: Name | None


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


class ZoneTree:
    """The record sets of one zone by name, ready to be looked up in."""

    __slots__ = ("_nodes", "_origin")

    def __init__(self, origin: Name, sets: Iterable[RecordSet], places: Places) -> None:
        """Sort the sets by name; of sets with one name and type the last is taken.

        Args:
            origin: Name of the zone.
            sets: What it holds.
            places: Where a set was written, by key and type, for messages.

        Raises:
            ZoneError: A CNAME beside other records, a second SOA, a name outside the zone.
        """
        self._origin: Final = origin
        self._nodes: Final[dict[Key, _Node]] = {origin.key: {}}
        for record_set in sets:
            self._put(record_set, place_of(record_set, origin, places))

    def _put(self, record_set: RecordSet, place: str) -> None:
        origin, key, type = self._origin, record_set.name.key, record_set.type
        if not record_set.name.is_within(origin):
            raise ZoneError(f"{place}: outside the zone; expected a name below {origin.text}")
        # Empty non-terminals exist (RFC 8020): a name above a record is NODATA, not NXDOMAIN.
        for start in range(1, len(key) - len(origin.labels)):
            self._nodes.setdefault(key[start:], {})
        node = self._nodes.setdefault(key, {})
        if type in _SINGLE and len(record_set.records) > 1:
            raise ZoneError(f"{place}: {len(record_set.records)} records; expected one {type}")
        if type == "SOA" and key != origin.key:
            raise ZoneError(f"{place}: a SOA below the origin; expected it at @ only")
        node[type] = record_set

    @property
    def apex(self) -> Mapping[str, RecordSet]:
        """The sets at the origin, by type."""
        return self._nodes[self._origin.key]

    def has(self, key: Key) -> bool:
        """Whether there is a node of this name."""
        return key in self._nodes

    def lookup(self, name: Name, type: str) -> Lookup:
        """Say what the zone knows about a name within it; `ANY` asks for every type."""
        key, depth = name.key, len(self._origin.labels)
        node: _Node | None = self._nodes[self._origin.key]
        for count in range(depth, len(key) + 1):
            node = self._nodes.get(key[len(key) - count :])
            if node is None:
                # RFC 4592 §3.3.1: only the wildcard at the closest encloser speaks.
                node = self._nodes.get((b"*", *key[len(key) - count + 1 :]))
                break
            is_here = count == len(key)
            # RFC 4035 §3.1.4.1: the parent answers for DS, at the cut itself.
            if count > depth and "NS" in node and not (is_here and type == "DS"):
                # RFC 9471 §2: the servers below the cut are found in no other way.
                return Delegated(node["NS"], self._addresses(node["NS"], node["NS"].name))
            # RFC 6672 §3.2: a DNAME speaks for what is below it, not for its own name.
            if not is_here and (dname := node.get("DNAME")) is not None:
                return _substituted(dname, name, type, count)
        if node is None:
            return NoSuchName()
        if type == "NS" and (record_set := node.get("NS")) is not None:
            # RFC 1035 §3.3.11: asked for itself, with the addresses that are here.
            return Found((replace(record_set, name=name),), self._addresses(record_set, ROOT))
        return _select(node, name, type)

    def _addresses(self, name_servers: RecordSet, within: Name) -> tuple[RecordSet, ...]:
        """What this zone knows of the name servers that lie within a name."""
        return tuple(
            node[type]
            for record in name_servers.records
            if isinstance(record, Pointer)
            and record.target.is_within(within)
            and (node := self._nodes.get(record.target.key)) is not None
            for type in ("A", "AAAA")
            if type in node
        )


def place_of(record_set: RecordSet, origin: Name, places: Places) -> str:
    """Say where a set was written, as well as it is known."""
    default = f'records."{record_set.name.relative_text(origin)}".{record_set.type}'
    return places.get((record_set.name.key, record_set.type), default)


def check_together(sets: Iterable[RecordSet], origin: Name, places: Places) -> None:
    """Check what may stand at one name at one time.

    Raises:
        ZoneError: A CNAME that can be seen beside other records (RFC 2181 §10.1).
    """
    by_name: dict[Key, list[RecordSet]] = {}
    for record_set in sets:
        by_name.setdefault(record_set.name.key, []).append(record_set)
    for here in by_name.values():
        for one, other in combinations(here, 2):
            if "CNAME" not in {one.type, other.type} or one.type == other.type:
                continue
            if one.visibility.overlaps(other.visibility):
                beside = other.type if one.type == "CNAME" else one.type
                raise ZoneError(
                    f"{place_of(other, origin, places)}: a CNAME beside {beside};"
                    " expected it alone (RFC 2181 §10.1)"
                )


def _select(node: _Node, name: Name, type: str) -> Lookup:
    if type == "ANY" and node:
        return Found(tuple(replace(record_set, name=name) for record_set in node.values()))
    if (record_set := node.get(type)) is not None:
        # The owner is written as it was asked: 0x20 case, and the name a wildcard stands for.
        return Found((replace(record_set, name=name),))
    if (alias := node.get("CNAME")) is not None:
        record = alias.records[0]
        if isinstance(record, Pointer):
            return Alias((replace(alias, name=name),), record.target)
    return NoSuchType()


def _substituted(dname: RecordSet, name: Name, type: str, count: int) -> Lookup:
    """Put the target of a DNAME in the place of its owner, the last `count` labels."""
    record = dname.records[0]
    if not isinstance(record, Pointer):
        return NoSuchType()
    target = Name((*name.labels[: len(name.labels) - count], *record.target.labels))
    if target.size_octets > MAX_NAME_OCTETS:
        return Alias((dname,), None)
    # RFC 6672 §3.1: the CNAME lives as long as the DNAME it is made from.
    made = RecordSet(name, "CNAME", dname.ttl, (Pointer("CNAME", target),))
    return Found((dname, made)) if type in {"CNAME", "ANY"} else Alias((dname, made), target)
