"""Domain names as labels (RFC 1035 §3.1), kept exactly as written.

Case is kept for answering (0x20) and folded only in `Name.key`, for comparing (RFC 4343).
Knows nothing of records, zones or the wire.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

MAX_LABEL_OCTETS: Final = 63  # RFC 1035 §2.3.4
MAX_NAME_OCTETS: Final = 255  # RFC 1035 §2.3.4: length octets and the root counted

Key = tuple[bytes, ...]

_PLAIN_LABEL = re.compile(rb"[A-Za-z0-9_-]+")
_ESCAPED = frozenset(b'.\\"();@$')


class MalformedName(ValueError):
    """A text that is no domain name; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Name:
    """An absolute domain name: its labels without the root, in the case they were written.

    `key` holds the labels in lower case, for comparing.
    """

    labels: Key
    # Asked for several times per query: a fifth of the cost of an answer that is not cached.
    key: Key = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", tuple([label.lower() for label in self.labels]))

    @classmethod
    def parse(cls, text: str, origin: Name | None = None) -> Name:
        r"""Read a name in presentation form (RFC 1035 §5.1).

        Args:
            text: `@` is the origin, a final dot makes the name absolute, anything else is
                relative to the origin. Escapes are `\.` and `\DDD`.
            origin: What relative names end in; without it every name is absolute.

        Raises:
            MalformedName: Empty, not ASCII, a label over 63 or a name over 255 octets.
        """
        if text == "@" and origin is not None:
            return origin
        if text == ".":
            return ROOT
        labels, ends_in_root = _split(text)
        if origin is not None and not ends_in_root:
            labels += origin.labels
        name = cls(labels)
        if name.size_octets > MAX_NAME_OCTETS:
            raise MalformedName(
                f'"{_shortened(text)}" takes {name.size_octets} octets; expected at most'
                f" {MAX_NAME_OCTETS} (RFC 1035 §2.3.4)"
            )
        return name

    @classmethod
    def parse_carefully(cls, text: str, origin: Name) -> Name:
        """Read a name as `parse` does, where people write and a final dot is soon forgotten.

        Raises:
            MalformedName: As `parse`, and for a relative name that ends in the origin.
        """
        name = cls.parse(text, origin)
        given = cls(name.labels[: len(name.labels) - len(origin.labels)])
        if origin.labels and text != "@" and not is_absolute(text) and given.is_within(origin):
            raise MalformedName(
                f'"{text}" is relative but ends in the origin; expected "{text}." with a'
                " final dot, or the part before the origin"
            )
        return name

    @property
    def size_octets(self) -> int:
        """Length on the wire, uncompressed, the root included."""
        return sum(len(label) + 1 for label in self.labels) + 1

    @property
    def text(self) -> str:
        """Presentation form without the final dot; `.` for the root."""
        return ".".join(label_text(label) for label in self.labels) or "."

    @property
    def absolute_text(self) -> str:
        """Presentation form with the final dot."""
        return f"{self.text}." if self.labels else "."

    def relative_text(self, origin: Name) -> str:
        """Presentation form below `origin`: `@` for the origin itself, absolute when outside."""
        if not self.is_within(origin) or not origin.labels:
            return self.absolute_text
        below = self.labels[: len(self.labels) - len(origin.labels)]
        return ".".join(label_text(label) for label in below) or "@"

    def is_within(self, ancestor: Name) -> bool:
        """Whether this is `ancestor` or a name below it."""
        count = len(ancestor.labels)
        return count == 0 or self.key[-count:] == ancestor.key

    def __str__(self) -> str:
        return self.text


ROOT: Final = Name(())


def is_absolute(text: str) -> bool:
    """Whether a presentation form ends in the root: in a dot that is not escaped."""
    before = text[:-1]
    return text.endswith(".") and (len(before) - len(before.rstrip("\\"))) % 2 == 0


def _split(text: str) -> tuple[Key, bool]:
    """Cut a presentation form into labels; the flag says whether it ended in a dot."""
    if not text:
        raise MalformedName('an empty name; expected a name such as "www", or "@" for the origin')
    if not text.isascii():
        raise MalformedName(f'"{text}" is not ASCII; expected the A-label form, "xn--…"')
    octets = text.encode("ascii")
    labels: list[bytes] = []
    label = bytearray()
    position = 0
    ends_in_root = False
    while position < len(octets):
        octet = octets[position]
        position += 1
        if octet == ord("."):
            _close_label(labels, label, text)
            label.clear()
            ends_in_root = position == len(octets)
        elif octet == ord("\\"):
            octet, position = _unescape(octets, position, text)
            label.append(octet)
        elif octet <= ord(" ") or octet == 0x7F:
            raise MalformedName(f"{text!r} holds a space or control character; write it as \\DDD")
        else:
            label.append(octet)
    if not ends_in_root:
        _close_label(labels, label, text)
    return tuple(labels), ends_in_root


def _close_label(labels: list[bytes], label: bytearray, text: str) -> None:
    if not label:
        raise MalformedName(f'"{_shortened(text)}" has an empty label')
    if len(label) > MAX_LABEL_OCTETS:
        raise MalformedName(
            f'"{_shortened(text)}" has a label of {len(label)} octets; expected at most'
            f" {MAX_LABEL_OCTETS} (RFC 1035 §2.3.4)"
        )
    labels.append(bytes(label))


def _unescape(octets: bytes, position: int, text: str) -> tuple[int, int]:
    r"""Read what follows a backslash: three digits, or any one character."""
    digits = octets[position : position + 3]
    if len(digits) == 3 and digits.isdigit() and int(digits) <= 255:
        return int(digits), position + 3
    if not digits or digits[:1].isdigit():
        raise MalformedName(f'"{_shortened(text)}" has a bad escape; expected \\DDD, 000 to 255')
    return octets[position], position + 1


def label_text(label: bytes) -> str:
    """Presentation form of one label (RFC 1035 §5.1)."""
    if _PLAIN_LABEL.fullmatch(label):
        return label.decode("ascii")
    return "".join(
        f"\\{chr(octet)}"
        if octet in _ESCAPED
        else chr(octet)
        if 0x20 < octet < 0x7F
        else f"\\{octet:03d}"
        for octet in label
    )


def _shortened(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:60]}…"
