"""Macro strings: their grammar and their expansion (RFC 7208 §7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from reference_relay.spf.outcome import PermanentError

_EXPAND = re.compile(r"%(?:([%_-])|\{([a-z])([0-9]*)(r?)([.\-+,/_=]*)\})", re.IGNORECASE)
# §7.1: %x21-24 / %x26-7E
_LITERAL = re.compile(r"[\x21-\x24\x26-\x7e]+")
_LITERAL_OR_SPACE = re.compile(r"[\x20-\x24\x26-\x7e]+")
_FIXED = {"%": "%", "_": " ", "-": "%20"}
_LETTERS = frozenset("slodiphv")
# §7.2: these three have a meaning in explanations only.
_EXPLANATION_LETTERS = _LETTERS | frozenset("crt")
# §7.1: a label with at least one letter, or with a hyphen inside.
_TOP_LABEL = re.compile(
    r"(?:[0-9a-z]*[a-z][0-9a-z]*|[0-9a-z]+-[0-9a-z-]*[0-9a-z])\.?", re.IGNORECASE
)
_NAME_OCTETS = 253
_MAXIMUM_PARTS = 128

Values = Mapping[str, str]
"""What each macro letter stands for, lower case."""


@dataclass(frozen=True, slots=True)
class Macro:
    """One `%{…}`."""

    letter: str
    rightmost: int | None
    is_reversed: bool
    delimiters: str

    def expand(self, value: str) -> str:
        """Split, turn round, cut and join a value (§7.3)."""
        parts = re.split(f"[{re.escape(self.delimiters)}]", value)
        if self.is_reversed:
            parts.reverse()
        if self.rightmost is not None:
            parts = parts[-self.rightmost :]
        expanded = ".".join(parts)
        # An upper-case letter asks for URL escapes.
        return quote(expanded, safe="-._~") if self.letter.isupper() else expanded


@dataclass(frozen=True, slots=True)
class MacroString:
    """A checked macro string: literals and macros in turn."""

    parts: tuple[str | Macro, ...]

    @property
    def letters(self) -> frozenset[str]:
        """The macro letters it uses, lower case."""
        return frozenset(part.letter.lower() for part in self.parts if isinstance(part, Macro))

    def expand(self, values: Values) -> str:
        """Replace every macro by its value."""
        return "".join(
            part.expand(values[part.letter.lower()]) if isinstance(part, Macro) else part
            for part in self.parts
        )


def macro_string(text: str) -> MacroString:
    """Read a macro string.

    Raises:
        PermanentError: A percent sign that begins no macro, or a character that may not be there.
    """
    return _parse(text, _LITERAL, _LETTERS)


def explanation_string(text: str) -> MacroString:
    """Read an explanation, which may hold blanks and three letters more (§6.2).

    Raises:
        PermanentError: See `macro_string`.
    """
    return _parse(text, _LITERAL_OR_SPACE, _EXPLANATION_LETTERS)


def domain_spec(text: str) -> MacroString:
    """Read a macro string that ends as a domain name does (§7.1, domain-end).

    Raises:
        PermanentError: It does not.
    """
    parsed = macro_string(text)
    if not parsed.parts:
        raise PermanentError("a domain is missing")
    last = parsed.parts[-1]
    if isinstance(last, str) and not text.endswith(("%%", "%_", "%-")):
        # The end is the text behind the last dot; a final dot of its own belongs to the label.
        _, dot, label = last.rpartition(".") if not last.endswith(".") else _dotted(last)
        if not dot or not _TOP_LABEL.fullmatch(label):
            raise PermanentError(f"{text!r} is no domain")
    return parsed


def expand_domain(spec: MacroString, values: Values) -> str:
    """Expand to a name, cut on the left until it fits (§7.3), without a final dot."""
    name = spec.expand(values).removesuffix(".")
    while len(name) > _NAME_OCTETS and "." in name:
        name = name.partition(".")[2]
    return name


def _dotted(literal: str) -> tuple[str, str, str]:
    head, dot, label = literal[:-1].rpartition(".")
    return head, dot, label + "."


def _parse(text: str, literal: re.Pattern[str], letters: frozenset[str]) -> MacroString:
    parts: list[str | Macro] = []
    at = 0
    while at < len(text):
        found = _EXPAND.match(text, at) if text[at] == "%" else literal.match(text, at)
        if found is None:
            raise PermanentError(f"{text!r} is no macro string at character {at + 1}")
        at = found.end()
        part = _macro(found, letters) if found[0][0] == "%" else found[0]
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return MacroString(tuple(parts))


def _macro(found: re.Match[str], letters: frozenset[str]) -> str | Macro:
    fixed, letter, digits, reverse, delimiters = found.groups()
    if fixed:
        return _FIXED[fixed]
    if letter.lower() not in letters:
        raise PermanentError(f"{found[0]!r} has no meaning here")
    if digits and not int(digits[:9]):
        # §7.1: "the DIGIT MUST be nonzero"
        raise PermanentError(f"{found[0]!r} keeps nothing")
    rightmost = min(int(digits[:9]), _MAXIMUM_PARTS) if digits else None
    return Macro(letter, rightmost, bool(reverse), delimiters or ".")
