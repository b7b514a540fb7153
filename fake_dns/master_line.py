"""Lines of a master file: words without comments, parentheses folded (RFC 1035 §5.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from fake_dns.words import MalformedText, Word, next_word

_BLANK: Final = re.compile(r"(?:[ \t\r\f]+|;[^\n]*)+")


@dataclass(frozen=True, slots=True)
class Line:
    """One entry: the number of its first line, whether it began blank, and its words."""

    number: int
    begins_blank: bool
    words: tuple[Word, ...]


def lines(text: str) -> Iterator[Line]:
    """Cut a master file into its entries.

    Raises:
        MalformedText: With the line's number in front: a quote or parenthesis that does not end.
    """
    position, number, depth = 0, 1, 0
    first, begins_blank = 1, False
    words: list[Word] = []
    is_at_start = True
    while position < len(text):
        character = text[position]
        if is_at_start:
            first, begins_blank = number, character in " \t"
            is_at_start = False
        if blank := _BLANK.match(text, position):
            position = blank.end()
            continue
        position += 1
        match character:
            case "\n":
                number += 1
                is_at_start = depth == 0
                if depth == 0 and words:
                    yield Line(first, begins_blank, tuple(words))
                    words = []
            case "(":
                depth += 1
            case ")" if depth:
                depth -= 1
            case ")":
                raise MalformedText(f"{number}: a parenthesis closes that never opened")
            case _:
                word = _word(text, position - 1, number)
                words.append(word)
                position += len(word.raw) - 1
    if depth:
        raise MalformedText(f"{first}: a parenthesis opens; expected it to close")
    if words:
        yield Line(first, begins_blank, tuple(words))


def _word(text: str, position: int, number: int) -> Word:
    try:
        return next_word(text, position)
    except MalformedText as error:
        raise MalformedText(f"{number}: {error}") from error
