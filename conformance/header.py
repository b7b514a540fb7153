"""The header section of what arrived, cut into fields (RFC 5322 §2.2).

Written for judging alone, so that no misreading of the relay under test is shared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# A field ends at a CRLF that no blank or tab follows (RFC 5322 §2.2.3).
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
_FOLD = re.compile(rb"\r\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One field of a header section.

    Attributes:
        name: As written, without blanks around it.
        raw: The whole field as it stands there, folds and last CRLF included.
    """

    name: str
    raw: bytes

    @property
    def key(self) -> str:
        """The name for comparing."""
        return self.name.lower()

    @property
    def value(self) -> str:
        """What follows the colon, unfolded and without blanks around it."""
        value = _FOLD.sub(b"", self.raw.partition(b":")[2])
        return value.decode("utf-8", "replace").strip()


def header_of(content: bytes) -> bytes:
    """Return the header section with the CRLF of its last field."""
    return content.partition(b"\r\n\r\n")[0] + b"\r\n"


def body_of(content: bytes) -> bytes:
    """Return what follows the first empty line."""
    return content.partition(b"\r\n\r\n")[2]


def fields_of(content: bytes) -> tuple[HeaderField, ...]:
    """Return the fields of a content in their order."""
    fields = []
    for piece in _FIELD_END.split(header_of(content).removesuffix(b"\r\n")):
        name = piece.partition(b":")[0].strip().decode("latin-1")
        fields.append(HeaderField(name, piece + b"\r\n"))
    return tuple(fields)


def fields_named(content: bytes, name: str) -> tuple[HeaderField, ...]:
    """Return the fields of this name, in any letter case."""
    return tuple(field for field in fields_of(content) if field.key == name.lower())


def top_trace(content: bytes) -> str:
    """Return the value of the Received field on top, "" if there is none."""
    traces = fields_named(content, "Received")
    return traces[0].value if traces else ""
