"""The Content-* fields of an entity (RFC 2045 §5, §6, RFC 2183 §2, RFC 2231).

Reads what every reader reads alike and calls everything else malformed; nothing is guessed.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

# token = 1*<any CHAR except SPACE, CTLs, tspecials> (RFC 2045 §5.1)
_TOKEN = rb"[!#$%&'*+.0-9A-Z^_`a-z{|}~-]++"
# Departs from RFC 2045 §5.1: `type=text/html` without quotes is common and read alike by all.
_LOOSE_VALUE = rb"[!#$%&'*+./0-9:=?A-Z^_`a-z{|}~-]++"
# No fold inside: some readers keep the line end, others drop it.
_QUOTED_STRING = rb'"((?:[^"\\\x00-\x1f\x7f-\xff]++|\\[ -~])*+)"'
_BLANKS = rb"(?:[ \t]++|\r\n[ \t])*+"
# Comments are rare, and few readers know them: only those in which none can find a parameter.
_COMMENTS = _BLANKS + rb"(?:\([A-Za-z0-9 ,.:_+'-]*+\)" + _BLANKS + rb")*+"

# parameter = attribute "=" value; an empty one is what a trailing ";" leaves
_PARAMETER = re.compile(
    rb";"
    + _COMMENTS
    + rb"(?:("
    + _TOKEN
    + rb")=(?:"
    + _QUOTED_STRING
    + rb"|("
    + _LOOSE_VALUE
    + rb"))"
    + _COMMENTS
    + rb")?+"
)
# No comment behind the subtype: for readers that know none it is a part of the subtype.
_MEDIA_TYPE = re.compile(_BLANKS + rb"(" + _TOKEN + rb")/(" + _TOKEN + rb")" + _BLANKS)
_DISPOSITION = re.compile(_BLANKS + rb"(" + _TOKEN + rb")" + _BLANKS)
# boundary := 0*69<bchars> bcharsnospace (RFC 2046 §5.1.1)
_BOUNDARY = re.compile(rb"[A-Za-z0-9'()+_,./:=? -]{0,69}[A-Za-z0-9'()+_,./:=?-]")
# Not a token, so it must be quoted: without the quotes readers end it at different places.
_NEEDS_QUOTES = re.compile(rb"[()<>@,;:\\\"/\[\]?= ]")

# RFC 2231 §3, §4: `filename*`, `filename*0` and `filename*0*` are all the file's name.
_FILE_NAMES = frozenset({b"filename", b"name"})
_ENCODINGS = frozenset({b"7bit", b"8bit", b"binary", b"quoted-printable", b"base64"})

# Mail in the wild has four at most; the work for a field must not grow with what clients send.
_MAXIMUM_PARAMETERS = 100
# Long values are read afresh: the memory must not grow with what clients send.
_MAXIMUM_REMEMBERED = 120


@dataclass(frozen=True, slots=True)
class MediaType:
    """A Content-Type; `boundary` is None where it is absent or not to be trusted."""

    type: bytes
    """Lower case, as is the subtype."""
    subtype: bytes
    has_file_name: bool = False
    boundary: bytes | None = None

    @property
    def full(self) -> bytes:
        """Type and subtype with the slash between them."""
        return self.type + b"/" + self.subtype


@dataclass(frozen=True, slots=True)
class Disposition:
    """A Content-Disposition."""

    is_inline: bool
    has_file_name: bool


def media_type(field: bytes) -> MediaType | None:
    """Read a raw Content-Type field; None when it is malformed."""
    if len(field) <= _MAXIMUM_REMEMBERED:
        return _remembered_media_type(field)
    return _parse_media_type(field)


def disposition(field: bytes) -> Disposition | None:
    """Read a raw Content-Disposition field; None when it is malformed."""
    head = _DISPOSITION.match(field, field.index(b":") + 1)
    if head is None:
        return None
    parameters = _parameters(field, head.end())
    if parameters is None:
        return None
    return Disposition(head[1].lower() == b"inline", _has_file_name(parameters))


def encoding(field: bytes) -> bytes | None:
    """Read a raw Content-Transfer-Encoding field; None when it is not one of RFC 2045's five."""
    _, _, value = field.partition(b":")
    mechanism = value.replace(b"\r\n", b"").strip(b" \t").lower()
    return mechanism if mechanism in _ENCODINGS else None


def _parse_media_type(field: bytes) -> MediaType | None:
    head = _MEDIA_TYPE.match(field, field.index(b":") + 1)
    if head is None:
        return None
    parameters = _parameters(field, head.end())
    if parameters is None:
        return None
    return MediaType(
        head[1].lower(), head[2].lower(), _has_file_name(parameters), parameters.get(b"boundary")
    )


# Nearly all mail comes with one of a few types: a hit costs 0.1 µs, reading 2.
_remembered_media_type = functools.lru_cache(maxsize=256)(_parse_media_type)


def _parameters(field: bytes, position: int) -> dict[bytes, bytes] | None:
    """Return the parameters by lower-case name; None when malformed, repeated or ambiguous."""
    value = field.removesuffix(b"\r\n")
    found: dict[bytes, bytes] = {}
    if value.count(b";", position) > _MAXIMUM_PARAMETERS:
        return None
    while position < len(value):
        match = _PARAMETER.match(value, position)
        if match is None:
            return None
        position = match.end()
        if match[1] is None:
            continue
        name = match[1].lower()
        if name in found or not _is_plain(name, match[3]) or name.startswith(b"boundary*"):
            return None
        found[name] = match[3] if match[2] is None else match[2]
    boundary = found.get(b"boundary")
    if boundary is not None and not _BOUNDARY.fullmatch(boundary):
        return None
    return found


def _is_plain(name: bytes, unquoted: bytes | None) -> bool:
    return name != b"boundary" or unquoted is None or not _NEEDS_QUOTES.search(unquoted)


def _has_file_name(parameters: dict[bytes, bytes]) -> bool:
    return any(name.partition(b"*")[0] in _FILE_NAMES for name in parameters)
