"""Standard master files (RFC 1035 §5): reading one into a zone, writing a zone as one.

$ORIGIN, $TTL (RFC 2308 §4) and $INCLUDE are read; $GENERATE is BIND's own and refused.
Every error names file and line. In a file of this form a relative name is relative, whatever
it looks like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from fake_dns import zone_file
from fake_dns.master_line import Line, lines
from fake_dns.name import ROOT, Key, MalformedName, Name, is_absolute
from fake_dns.record import (
    META_TYPES,
    SOA,
    TXT,
    MalformedRecord,
    Record,
    RecordSet,
    canonical_type,
)
from fake_dns.record_reader import parse_seconds
from fake_dns.record_text import NAME_POSITIONS, parse_words
from fake_dns.words import MalformedText, Word, quoted
from fake_dns.zone import Zone
from fake_dns.zone_error import ZoneError
from fake_dns.zone_records import MAX_TTL, Doubt, doubts
from fake_dns.zone_tree import NoSuchName

_Include = Callable[[str, Name | None], None]

# Deep enough for any zone kept by hand, and an end to a file that includes itself.
MAX_INCLUDES: Final = 8
_CLASSES: Final = frozenset({"CH", "HS", "CS", "ANY", "NONE"})


def read_master_file(
    path: str | Path, origin: str | None = None, warn: Callable[[str], None] | None = None
) -> Zone:
    """Read a zone from a standard master file.

    Args:
        path: The file; what it includes is sought beside it.
        origin: What relative names end in before the first $ORIGIN; without it such a name is an
            error. The zone's own origin is the owner of its SOA record.
        warn: Told of names that may have lost their final dot.

    Raises:
        ZoneError: With file and line, and what was expected; also when it cannot be read.
    """
    reading = _Reading()
    start = None
    if origin is not None:
        start = zone_file.read_origin(origin)
    reading.read(Path(path), start, 0)
    zone = reading.zone(str(path))
    if warn is None:
        return zone
    for doubt in reading.doubts:
        outside = not doubt.target.is_within(zone.origin)
        if outside or isinstance(zone.lookup(doubt.target, "ANY"), NoSuchName):
            warn(doubt.message)
    return zone


def read_master_text(text: str, place: str, origin: Name) -> Zone:
    """Read a zone from the text of a master file; it can include no other file.

    Args:
        text: What the file would hold.
        place: What stands for the path in messages.
        origin: What relative names end in before the first $ORIGIN.

    Raises:
        ZoneError: With place and line, and what was expected.
    """
    reading = _Reading()
    reading.read_text(text, place, None, origin)
    return reading.zone(place)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One record as it stands in a file; no lifetime means that of the zone."""

    owner: Name
    type: str
    ttl: int | None
    record: Record
    place: str


class _Reading:
    """What has been read so far."""

    def __init__(self) -> None:
        self.doubts: Final[list[Doubt]] = []
        self._entries: Final[list[_Entry]] = []
        self._default_ttl: int | None = None
        self._last_ttl: int | None = None
        self._owner: Name | None = None

    def read(self, path: Path, origin: Name | None, depth: int) -> None:
        """Read one file, and those it includes."""
        try:
            text = zone_file.load_text(path)
        except ZoneError as error:
            raise ZoneError(f"{path}: {error}") from error

        def include(name: str, inner: Name | None) -> None:
            if depth == MAX_INCLUDES:
                raise MalformedText(f"$INCLUDE {MAX_INCLUDES} files deep; expected an end")
            self.read(path.parent / name, inner, depth + 1)

        self.read_text(text, str(path), include, origin)

    def read_text(
        self, text: str, path: str, include: _Include | None, origin: Name | None
    ) -> None:
        """Read the entries of one text."""
        for line in _lines_of(path, text):
            place = f"{path}:{line.number}"
            try:
                if line.words[0].raw.startswith("$"):
                    origin = self._direct(line, place, include, origin)
                else:
                    self._entries.append(self._entry(line, origin, place))
            except (MalformedName, MalformedRecord, MalformedText) as error:
                raise ZoneError(f"{place}: {error}") from error

    def _direct(
        self, line: Line, place: str, include: _Include | None, origin: Name | None
    ) -> Name | None:
        words = [word.raw for word in line.words]
        match [words[0].upper(), *words[1:]]:
            case ["$ORIGIN", name]:
                return _name(name, origin)
            case ["$TTL", lifetime] if (ttl := parse_seconds(lifetime)) is not None:
                self._default_ttl = _bounded(ttl, place)
            case ["$INCLUDE", _, *inner] if include is not None and len(inner) < 2:
                owner = self._owner
                file_name = line.words[1].octets.decode("utf-8", "replace")
                include(file_name, _name(inner[0], origin) if inner else origin)
                # RFC 1035 §5.1: the including file goes on as if nothing had been there.
                self._owner = owner
            case _:
                raise MalformedText(
                    f"{' '.join(words)}; expected $ORIGIN <name>, $TTL <seconds> or"
                    " $INCLUDE <file> [<origin>] ($GENERATE has to be expanded before)"
                )
        return origin

    def _entry(self, line: Line, origin: Name | None, place: str) -> _Entry:
        words = list(line.words)
        if not line.begins_blank:
            self._owner = _name(words.pop(0).raw, origin)
        owner = self._owner
        if owner is None:
            raise ZoneError(f"{place}: no owner yet; expected a name at the beginning of the line")
        ttl = self._lifetime_and_class(words, place)
        if not words:
            raise ZoneError(f"{place}: no record type; expected one such as A or MX")
        written = words.pop(0).raw
        type = canonical_type(written.upper())
        if type is None or type in META_TYPES:
            raise ZoneError(f"{place}: {written!r} is no record type; expected one such as A or MX")
        if origin is None and (word := _relative(type, words)):
            raise _no_origin(word)
        text = " ".join(word.raw for word in words)
        record = parse_words(type, words, origin or ROOT, text)
        self.doubts.extend(doubts(type, [word.raw for word in words], origin or ROOT, place))
        return _Entry(owner, type, ttl, record, place)

    def _lifetime_and_class(self, words: list[Word], place: str) -> int | None:
        """Take lifetime and class off the front, in either order (RFC 1035 §5.1)."""
        ttl: int | None = None
        has_class = False
        while words:
            raw = words[0].raw.upper()
            if raw in _CLASSES:
                raise ZoneError(f"{place}: class {raw}; expected IN")
            if raw == "IN" and not has_class:
                has_class = True
            elif ttl is None and (seconds := parse_seconds(raw)) is not None:
                ttl = self._last_ttl = _bounded(seconds, place)
            else:
                break
            words.pop(0)
        if ttl is not None:
            return ttl
        # RFC 2308 §4: $TTL; RFC 1035 §5.1 without one: the last that was given.
        return self._default_ttl if self._default_ttl is not None else self._last_ttl

    def zone(self, path: str) -> Zone:
        """Make a zone of what was read."""
        soas = [entry for entry in self._entries if isinstance(entry.record, SOA)]
        if not soas:
            raise ZoneError(f"{path}: no SOA record; expected one, at the origin (RFC 1035 §5.2)")
        if len(soas) > 1:
            raise ZoneError(f"{soas[1].place}: a second SOA; expected one (also {soas[0].place})")
        soa = soas[0]
        default = soa.ttl
        if default is None and isinstance(soa.record, SOA):
            default = min(soa.record.minimum, MAX_TTL)  # as BIND does
        sets: dict[tuple[Key, str], RecordSet] = {}
        places: dict[tuple[Key, str], str] = {}
        for entry in self._entries:
            at = entry.owner.key, entry.type
            ttl = entry.ttl if entry.ttl is not None else default or 0
            places.setdefault(at, entry.place)
            # RFC 2181 §5.2: one lifetime per set, that of its first record here.
            known = sets.get(at, RecordSet(entry.owner, entry.type, ttl, ()))
            if entry.record not in known.records:
                known = replace(known, records=(*known.records, entry.record))
            sets[at] = known
        return Zone(soa.owner, sets.values(), ttl=default or 0, places=places)


def write_master_file(zone: Zone) -> str:
    """Write a zone as a standard master file, without what depends on time or server.

    Raises:
        ZoneError: A record set has versions; a master file cannot say when.
    """
    if zone.is_timed:
        raise ZoneError(
            f"{zone.origin.text}: record sets that come and go; expected none, a master file"
            " cannot say when"
        )
    soa, *rest = sorted(zone.record_sets, key=lambda one: (one.type != "SOA", one.type != "NS"))
    written = [f"$ORIGIN {zone.origin.absolute_text}", f"$TTL {zone.ttl}"]
    for one in (soa, *rest):
        owner = one.name.relative_text(zone.origin)
        written += [f"{owner} {one.ttl} IN {one.type} {_master_text(r)}" for r in one.records]
    return "\n".join(written) + "\n"


def _master_text(record: Record) -> str:
    if isinstance(record, TXT):
        return " ".join(quoted(string) for string in record.strings)
    return record.text


def _lines_of(path: str, text: str) -> Iterator[Line]:
    try:
        yield from lines(text)
    except MalformedText as error:
        raise ZoneError(f"{path}:{error}") from error


def _name(text: str, origin: Name | None) -> Name:
    if origin is None and not is_absolute(text):
        raise _no_origin(text)
    return Name.parse(text, origin)


def _relative(type: str, words: list[Word]) -> str | None:
    positions = NAME_POSITIONS.get(type, ())
    found = (words[at].raw for at in positions if at < len(words))
    return next((word for word in found if not is_absolute(word)), None)


def _no_origin(word: str) -> MalformedName:
    return MalformedName(f'"{word}" is relative to nothing; expected $ORIGIN before it')


def _bounded(seconds: int, place: str) -> int:
    if seconds > MAX_TTL:
        raise ZoneError(f"{place}: a lifetime of {seconds}; expected at most {MAX_TTL}")
    return seconds
