"""The zones of one server, and what they were: whole choices, swapped in one step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from fake_dns.name import Key, Name
from fake_dns.zone import Zone
from fake_dns.zone_error import ZoneError

# A stale server looks back over so many changes; a test that makes more looks no further.
MAX_REMEMBERED: Final = 64


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

    def enclosing(self, name: Name, type: str = "ANY") -> Zone | None:
        """Find the zone that speaks for a name: the one with the longest origin around it."""
        key = name.key
        for start in range(len(key) + 1):
            if (zone := self._by_origin.get(key[start:])) is not None:
                # RFC 4035 §3.1.4.1: DS of a zone is held by its parent, if that is here too.
                if type == "DS" and start == 0:
                    parent = self._above(key)
                    return parent if parent is not None else zone
                return zone
        return None

    def _above(self, key: Key) -> Zone | None:
        candidates = (self._by_origin.get(key[start:]) for start in range(1, len(key) + 1))
        return next((zone for zone in candidates if zone is not None), None)

    def has_origin(self, key: Key) -> bool:
        """Whether a zone begins at exactly this name."""
        return key in self._by_origin

    def get(self, origin: Name) -> Zone | None:
        """Find the zone with exactly this origin."""
        return self._by_origin.get(origin.key)

    def added(self, zone: Zone) -> ZoneSet:
        """The same with one more zone.

        Raises:
            ZoneError: There is one with this origin.
        """
        return ZoneSet((*self, zone))

    def replaced(self, *zones: Zone) -> ZoneSet:
        """The same with each of these in the place of the one with its origin, if any."""
        return ZoneSet({**self._by_origin, **{z.origin.key: z for z in zones}}.values())

    def removed(self, *origins: Name) -> ZoneSet:
        """The same without the zones of these origins."""
        keys = {origin.key for origin in origins}
        return ZoneSet(zone for key, zone in self._by_origin.items() if key not in keys)

    def at(self, server: str, now: float) -> ZoneSet:
        """The zones as this server shows them now."""
        return ZoneSet(zone.at(server, now) for zone in self)

    def unchanged_around(self, now: float) -> tuple[float, float]:
        """From when, and before when, every zone looks as it does now."""
        spans = [zone.unchanged_around(now) for zone in self]
        return (
            max((start for start, _ in spans), default=-math.inf),
            min((end for _, end in spans), default=math.inf),
        )

    def __iter__(self) -> Iterator[Zone]:
        return iter(self._by_origin.values())

    def __len__(self) -> int:
        return len(self._by_origin)

    def __reduce__(self) -> tuple[type[ZoneSet], tuple[tuple[Zone, ...]]]:
        return ZoneSet, (tuple(self),)


@dataclass(frozen=True, slots=True)
class Publication:
    """The zones in force now and what was in force before, each with its beginning."""

    zones: ZoneSet
    since: float = -math.inf
    earlier: tuple[tuple[float, ZoneSet], ...] = ()

    def changed(self, zones: ZoneSet, now: float) -> Publication:
        """Put other zones in force from now on."""
        earlier = (*self.earlier, (self.since, self.zones))[-MAX_REMEMBERED:]
        return Publication(zones, now, earlier)

    def at(self, server: str, moment: float) -> ZoneSet:
        """The zones as this server showed them at a moment, now or before."""
        zones = self.zones
        for since, older in reversed((*self.earlier, (self.since, self.zones))):
            zones = older
            if since <= moment:
                break
        return zones.at(server, moment)
