r"""Words of the presentation form (RFC 1035 §5.1): what a line means, escapes and quotes taken off.

10 mx1                    two words
"a; b" \100               two words, the second is `d`
key="two words"           one word (RFC 9460 §2.1)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


class MalformedText(ValueError):
    """A text that is no sequence of words; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word: as written, what it means, and whether it stood in quotes."""

    raw: str
    octets: bytes
    is_quoted: bool


_QUOTED: Final = r'"(?:[^"\\\n]|\\[^\n])*"'
# In a value of ours a semicolon is a character; in a master file it opens a comment.
_VALUE_WORD: Final = re.compile(rf'{_QUOTED}|(?:\\[^\n]|[^\s"\\])+(?:(?<==){_QUOTED})?')
_MASTER_WORD: Final = re.compile(rf'{_QUOTED}|(?:\\[^\n]|[^\s"\\;()])+(?:(?<==){_QUOTED})?')
_SPACE: Final = re.compile(r"\s*")
_ESCAPE: Final = re.compile(rb"\\(?:([0-9]{3})|(.))", re.DOTALL)


def split_words(text: str) -> list[Word]:
    """Cut a value into its words.

    Raises:
        MalformedText: A quote that is not closed, or a bad escape.
    """
    words: list[Word] = []
    position = _skip(text, 0)
    while position < len(text):
        word = next_word(text, position, _VALUE_WORD)
        words.append(word)
        position = _skip(text, position + len(word.raw))
    return words


def next_word(text: str, position: int, pattern: re.Pattern[str] = _MASTER_WORD) -> Word:
    """Read the word that begins here; of a master file unless told otherwise.

    Raises:
        MalformedText: A quote that is not closed, or a bad escape.
    """
    match = pattern.match(text, position)
    if match is None:
        shown = text[position : position + 40].splitlines()[0]
        raise MalformedText(f"{shown!r}: expected a word, or a quote that is closed on its line")
    raw = match[0]
    is_quoted = raw.startswith('"')
    meant = raw[1:-1] if is_quoted else raw
    if not is_quoted and raw.endswith('"') and '="' in raw:
        key, _, value = raw.partition('="')
        meant = f"{key}={value[:-1]}"
    return Word(raw, unescaped(meant), is_quoted)


def unescaped(text: str) -> bytes:
    r"""Turn `\DDD` and `\X` into what they stand for.

    Raises:
        MalformedText: `\DDD` above 255, a backslash at the end, or a lone surrogate.
    """
    try:
        octets = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedText(f"{text[:40]!r} cannot be encoded as UTF-8") from error
    if b"\\" not in octets:
        return octets
    try:
        return _ESCAPE.sub(_meaning, octets)
    except ValueError as error:
        raise MalformedText(f"{text[:40]!r} has a bad escape; expected \\000 to \\255") from error


def quoted(octets: bytes) -> str:
    """Write octets as a quoted word that reads back into them."""
    return '"' + "".join(_written(octet) for octet in octets) + '"'


def _meaning(match: re.Match[bytes]) -> bytes:
    if match[1] is not None:
        return bytes([int(match[1])])
    return match[2]


def _written(octet: int) -> str:
    if octet in b'"\\':
        return f"\\{chr(octet)}"
    return chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}"


def _skip(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    return match.end() if match else position
