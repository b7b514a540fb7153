"""Generated MIME messages: attachments in many disguises, and mail that is text and nothing else.

What decides is written down in each generated message, so that nobody can read it as text by any
reading of RFC 2045, RFC 2183 and RFC 2231; the disguise is only in how it is spelled and where it
stands.
"""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies

from conformance.service.mime import HTML, TEXT, ZIP, entity, multipart

_BLANKS = ("", " ", "\t", "  ", " \t", "\r\n ", "\r\n\t")
_TYPES = (
    *("application/zip", "application/octet-stream", "application/pdf", "image/png"),
    *("audio/ogg", "video/mp4", "application/x-msdownload", "font/woff2", "model/stl"),
)
_NAMES = ("a.exe", "report.pdf", "x", "a b.txt", "readme.txt", ".profile")
# Phrases of mail about mail; none begins a uuencoded or yEnc block, which is a rule of its own.
_PHRASES = (
    *("Content-Disposition: attachment; filename=a.exe", "Content-Type: application/zip"),
    *("See the attachment.", "> Content-Transfer-Encoding: base64", "MIME-Version: 1.0"),
    *("begin with the last page", "filename=a.exe", "--", "-- ", "UEsDBAoAAAAAA", "", "."),
    *("From: somebody else", "boundary=b-1", "the end", "=2E=2E", "attachment"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part stands: how deep, and among what."""

    depth: int
    subtype: str
    is_first: bool

    def around(self, part: bytes) -> bytes:
        """Return the entity with this part inside."""
        for level in range(self.depth):
            beside = TEXT if level % 2 else HTML
            parts = (part, beside) if self.is_first else (beside, part)
            part = multipart(*parts, subtype=self.subtype, boundary=f"level{level}=")
        return part


def _cased(word: str, flips: int) -> str:
    """Change the case of the letters that have a bit set."""
    return "".join(
        letter.swapcase() if flips >> place & 1 else letter for place, letter in enumerate(word)
    )


# Of a message, too, the whole may be the part (depth 0).
PLACES = strategies.tuples(
    strategies.integers(0, 4),
    strategies.sampled_from(("mixed", "alternative", "related", "digest-like", "signed-like")),
    strategies.booleans().map(int),
)
_FLIPS = strategies.integers(0, 2**20 - 1)
_BLANK = strategies.sampled_from(_BLANKS)

DISPOSITIONS = strategies.tuples(PLACES, _FLIPS, _FLIPS, _BLANK, _BLANK, strategies.integers(0, 3))
LEAVES = strategies.tuples(PLACES, strategies.sampled_from(_TYPES), _FLIPS, _BLANK)
_FILE_NAME = strategies.sampled_from(_NAMES)
FILE_NAMES = strategies.tuples(PLACES, _FILE_NAME, strategies.integers(0, 1), _FLIPS, _BLANK)
# RFC 2231 §3 and §4.
EXTENDED_NAMES = strategies.tuples(PLACES, _FILE_NAME, strategies.integers(2, 3), _FLIPS, _BLANK)
TALK = strategies.lists(strategies.sampled_from(_PHRASES), min_size=1, max_size=20).map(tuple)
TEXTS = strategies.tuples(
    PLACES,
    strategies.sampled_from(("plain", "html", "enriched", "csv")),
    _FLIPS,
    strategies.sampled_from(("", "us-ascii", '"utf-8"', "UTF-8", "iso-8859-1")),
    strategies.sampled_from(("", "inline", "7bit")),
)

PlaceDrawn = tuple[int, str, int]


def _place(drawn: PlaceDrawn) -> Place:
    depth, subtype, is_first = drawn
    return Place(depth, subtype, bool(is_first))


def disposed(example: tuple[PlaceDrawn, int, int, str, str, int]) -> bytes:
    """Return an entity that holds a text part whose disposition is `attachment`."""
    place, name_flips, word_flips, before, behind, kind = example
    name = _cased("content-disposition", name_flips)
    word = _cased("attachment", word_flips)
    parameters = ("", f"{behind};{behind}size=3", f"{behind}(a note)", f"{behind}; x=y")[kind]
    part = entity("Content-Type: text/plain", f"{name}:{before}{word}{parameters}")
    return _place(place).around(part)


def no_text(example: tuple[PlaceDrawn, str, int, str]) -> bytes:
    """Return an entity that holds a leaf of another type than text, without name or disposition."""
    place, media_type, flips, before = example
    part = entity(
        f"Content-Type:{before}{_cased(media_type, flips)}",
        "Content-Transfer-Encoding: base64",
        body=ZIP + b"\r\n",
    )
    return _place(place).around(part)


def named(example: tuple[PlaceDrawn, str, int, int, str]) -> bytes:
    """Return an entity that holds a text part with a file name."""
    place, file_name, kind, flips, before = example
    parameter, field = (
        ("filename", "Content-Disposition: inline"),
        ("name", "Content-Type: text/plain"),
        ("filename*", "Content-Disposition: inline"),
        ("filename*0", "Content-Disposition: inline"),
    )[kind]
    is_extended = parameter == "filename*"
    spelled = file_name.replace(" ", "%20") if is_extended else f'"{file_name}"'
    value = f"utf-8''{spelled}" if is_extended else spelled
    return _place(place).around(
        entity(f"{field};{before or ' '}{_cased(parameter, flips)}={value}")
    )


def ordinary(example: tuple[PlaceDrawn, str, int, str, str]) -> bytes:
    """Return an entity that is text and nothing else."""
    place, subtype, flips, charset, more = example
    kind = _cased(f"text/{subtype}", flips)
    fields = [f"Content-Type: {kind}" + (f"; charset={charset}" if charset else "")]
    if more == "inline":
        fields.append("Content-Disposition: inline")
    if more == "7bit":
        fields.append("Content-Transfer-Encoding: 7bit")
    return _place(place).around(entity(*fields))


def talk(lines: tuple[str, ...]) -> bytes:
    """Return a plain text about attachments."""
    body = "".join(f"{line}\r\n" for line in lines)
    return entity("Content-Type: text/plain; charset=us-ascii", body=body)
