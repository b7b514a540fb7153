"""The requirement catalogue: what is asked of a submission service, by id.

`conformance/catalogue/*.toml` is the one place for level, source and wording, a file per
group. Which requirements have a check is computed from the marks and written nowhere.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from conformance.verdict import Level

DIRECTORY = Path(__file__).parent / "catalogue"

# The order of the reports: the dialogue first, then the service, then the way out.
GROUP_ORDER = (
    *("GRT", "CMD", "RPL", "PATH", "CTL", "DATA", "EXT", "SUB", "TLS", "AUTH"),
    *("SND", "ATT", "CBR", "EPT", "USR", "DNS", "RLY", "ROB", "INT"),
)

_ID = re.compile(r"[A-Z0-9]+-\d{2,3}")
_TEXT_KEYS = ("wording", "source")
_OPTIONAL_TEXT_KEYS = ("title", "stimulus", "expected", "bug")
_LIST_KEYS = ("needs", "marks")
_KNOWN_KEYS = {"id", "group", "level", *_TEXT_KEYS, *_OPTIONAL_TEXT_KEYS, *_LIST_KEYS}


class CatalogueError(Exception):
    """A catalogue file is wrong; the message names file, key and what was expected."""


class SelectionError(Exception):
    """A selection names no requirement and no group."""


@dataclass(frozen=True, slots=True)
class Group:
    """A chapter of the catalogue, such as TLS."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """One row of the catalogue; the id never changes its meaning."""

    id: str
    group: str
    level: Level
    source: str
    wording: str
    title: str = ""
    stimulus: str = ""
    expected: str = ""
    bug: str = ""
    needs: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()

    @property
    def prefix(self) -> str:
        """The id without its number."""
        return self.id.rpartition("-")[0]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every requirement by id, in the order of the reports."""

    groups: tuple[Group, ...]
    requirements: Mapping[str, Requirement] = field(repr=False)

    @classmethod
    def load(cls, directory: Path = DIRECTORY) -> Catalogue:
        """Read every group file of a folder.

        Raises:
            CatalogueError: A file is unreadable, misses a key or repeats an id.
        """
        files = sorted(directory.glob("*.toml"))
        if not files:
            raise CatalogueError(f"{directory}: no *.toml file, expected one per group")
        chapters = sorted(
            (_chapter(file) for file in files), key=lambda chapter: _place(chapter[0])
        )
        requirements: dict[str, Requirement] = {}
        for group, rows in chapters:
            for row in rows:
                if row.id in requirements:
                    raise CatalogueError(f"{directory}: id {row.id} (group {group.id}) twice")
                requirements[row.id] = row
        return cls(tuple(group for group, _ in chapters), requirements)

    def __len__(self) -> int:
        return len(self.requirements)

    def __iter__(self) -> Iterator[Requirement]:
        return iter(self.requirements.values())

    def __contains__(self, name: object) -> bool:
        return name in self.requirements

    def __getitem__(self, name: str) -> Requirement:
        return self.requirements[name]

    def of(self, group: str) -> tuple[Requirement, ...]:
        """Return the requirements of one group."""
        return tuple(row for row in self if row.group == group)

    def select(self, names: Iterable[str]) -> frozenset[str]:
        """Return the ids that a selection such as `["TLS", "AUTH-03"]` stands for.

        A name is an id, the front part of ids up to the hyphen, or a group (EXT holds SIZE-01,
        DSN-01 and others). Case does not matter.

        Raises:
            SelectionError: A name selects nothing, or there is no name.
        """
        chosen: set[str] = set()
        for name in names:
            wanted = name.strip().upper()
            found = {row.id for row in self if wanted in (row.id, row.prefix, row.group)}
            if not found:
                raise SelectionError(f"--only {name}: {self._advice(wanted)}")
            chosen |= found
        if not chosen:
            raise SelectionError("--only: expected requirement ids or groups, such as TLS,AUTH-03")
        return frozenset(chosen)

    def fingerprint(self) -> str:
        """Return a hash over ids, levels and wordings: which catalogue a result is about."""
        lines = (f"{row.id}\t{row.level.value}\t{row.wording}\n" for row in self)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def _advice(self, wanted: str) -> str:
        groups = [group.id for group in self.groups]
        near = difflib.get_close_matches(wanted, [*groups, *self.requirements], n=3)
        known = f"the groups are {', '.join(groups)}"
        return (
            f"no such requirement or group; did you mean {', '.join(near)}?"
            if near
            else (f"no such requirement or group; {known}")
        )


def _place(group: Group) -> tuple[int, str]:
    known = group.id in GROUP_ORDER
    return (GROUP_ORDER.index(group.id) if known else len(GROUP_ORDER), group.id)


# A process that certifies many relays reads the same catalogue each time.
_loads = functools.cache(tomllib.loads)


def _chapter(file: Path) -> tuple[Group, tuple[Requirement, ...]]:
    try:
        document = _loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogueError(f"{file}: {error}") from error
    head = document.get("group")
    if not isinstance(head, dict):
        raise CatalogueError(f"{file}: expected a [group] table with id and title")
    group = Group(_text(file, "group", head, "id"), _text(file, "group", head, "title"))
    rows = document.get("requirement", [])
    if not isinstance(rows, list):
        raise CatalogueError(f"{file}: requirement: expected [[requirement]] tables")
    return group, tuple(_requirement(file, group, row) for row in rows)


def _requirement(file: Path, group: Group, row: dict[str, object]) -> Requirement:
    name = _text(file, "requirement", row, "id")
    if not _ID.fullmatch(name):
        raise CatalogueError(f"{file}: id {name}: expected the form {group.id}-01")
    if unknown := sorted(set(row) - _KNOWN_KEYS):
        raise CatalogueError(f"{file}: {name}: unknown key {', '.join(unknown)}")
    if row.get("group", group.id) != group.id:
        raise CatalogueError(f"{file}: {name}: group: expected {group.id}")
    level = _text(file, name, row, "level")
    if level not in Level.__members__:
        expected = ", ".join(Level.__members__)
        raise CatalogueError(f"{file}: {name}: level: {level!r}, expected one of {expected}")
    optional = {key: _text(file, name, row, key) for key in _OPTIONAL_TEXT_KEYS if key in row}
    lists = {key: _words(file, name, row, key) for key in _LIST_KEYS if key in row}
    return Requirement(
        id=name,
        group=group.id,
        level=Level[level],
        source=_text(file, name, row, "source"),
        wording=_text(file, name, row, "wording"),
        title=optional.get("title", ""),
        stimulus=optional.get("stimulus", ""),
        expected=optional.get("expected", ""),
        bug=optional.get("bug", ""),
        needs=lists.get("needs", ()),
        marks=lists.get("marks", ()),
    )


def _text(file: Path, where: str, table: dict[str, object], key: str) -> str:
    text = table.get(key)
    if not isinstance(text, str) or not (text.strip() or key in _OPTIONAL_TEXT_KEYS):
        raise CatalogueError(f"{file}: {where}: {key}: expected a text")
    return text.strip()


def _words(file: Path, where: str, table: dict[str, object], key: str) -> tuple[str, ...]:
    words = table.get(key)
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise CatalogueError(f"{file}: {where}: {key}: expected a list of texts")
    return tuple(words)
