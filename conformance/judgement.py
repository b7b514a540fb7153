"""The words a check judges with.

A check returns when the requirement is met. Otherwise it ends with one of the exceptions
below; the plugin turns each into a verdict. Nothing here knows pytest or the probe.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NoReturn, Protocol, TypeVar


class NotMet(AssertionError):
    """The relay did something else than the requirement asks for."""

    def __init__(self, expected: str, observed: object = "") -> None:
        self.expected = expected
        self.observed = shown(observed)
        super().__init__(f"expected {self.expected}; observed {self.observed or 'otherwise'}")


class NotObservable(Exception):
    """Nothing in this set-up lets us see whether the requirement is met."""


class NotClaimed(Exception):
    """The target's profile says that it does not offer this."""


class Inconclusive(Exception):
    """The target or the network did not let us measure."""


class ReplyRead(Protocol):
    """What judging needs to know of a reply."""

    @property
    def code(self) -> int: ...

    @property
    def enhanced(self) -> str | None: ...

    @property
    def raw(self) -> bytes: ...


R = TypeVar("R", bound=ReplyRead)


def must(condition: object, expected: str, observed: object = "") -> None:
    """End the check as not met unless the condition is true.

    Args:
        condition: What must hold; judged by its truth.
        expected: What the requirement asks for, as a phrase ("one 220 reply").
        observed: What was seen: text, octets or anything with a readable `str`.

    Raises:
        NotMet: The condition is false.
    """
    if not condition:
        raise NotMet(expected, observed)
    _note(expected, observed)


def must_reply(reply: R, wanted: str | tuple[str, ...], because: str = "") -> R:
    """End the check as not met unless the reply is one of those wanted.

    Args:
        reply: The reply read from the relay.
        wanted: `"250"`, `"2yz"` (the first digit decides, RFC 5321 §4.3.2), `"25z"`,
            `"550 5.7.1"` (with the enhanced status code), or a tuple of such.
        because: Why, for the reader of the report.

    Returns:
        The same reply.

    Raises:
        NotMet: The reply is none of them.
    """
    if not answers(reply, wanted):
        raise NotMet(_phrase(wanted, because), reply.raw)
    _note(_phrase(wanted, because), reply.raw)
    return reply


def remark_unless(reply: ReplyRead, wanted: str | tuple[str, ...], because: str = "") -> None:
    """Remark on a reply that is right by its first digit but not the exact one named."""
    if not answers(reply, wanted):
        remark(f"{_phrase(wanted, because)} was expected by the letter; got {shown(reply.raw)}")


def answers(reply: ReplyRead, wanted: str | tuple[str, ...]) -> bool:
    """Tell whether a reply is one of those wanted; see `must_reply` for the forms."""
    forms = (wanted,) if isinstance(wanted, str) else wanted
    return any(_matches(reply, form) for form in forms)


def remark(text: str) -> None:
    """Note a deviation that changes no verdict, such as an unusual but legal code."""
    if (notes := _notes.get()) is not None:
        notes.remarks.append(text)


def keep_example(document: Mapping[str, object]) -> None:
    """Have a failing example of a property, as JSON values, saved as a file of the report."""
    if (notes := _notes.get()) is not None:
        notes.examples.append(document)


def not_observable(reason: str) -> NoReturn:
    """End the check: this set-up cannot see the answer."""
    raise NotObservable(reason)


def not_claimed(reason: str) -> NoReturn:
    """End the check: the profile does not claim what the requirement is about."""
    raise NotClaimed(reason)


def inconclusive(reason: str) -> NoReturn:
    """End the check: the target or the network got in the way."""
    raise Inconclusive(reason)


def shown(observed: object) -> str:
    """Render what was observed on one line, every octet visible."""
    if isinstance(observed, (bytes, bytearray, memoryview)):
        return octets_shown(bytes(observed))
    raw = getattr(observed, "raw", None)
    if isinstance(raw, bytes):
        return octets_shown(raw)
    return str(observed)


def octets_shown(octets: bytes) -> str:
    r"""Render octets as printable ASCII without loss: `\r`, `\n`, `\t`, `\\` and `\xNN`."""
    return "".join(map(_SHOWN.__getitem__, octets))


def octets_of(text: str) -> bytes:
    """Undo `octets_shown`; text that it never wrote stands for its own UTF-8 octets."""
    return unescaped(text.encode("utf-8", "surrogateescape"))


def unescaped(octets: bytes) -> bytes:
    """Undo the escapes of `octets_shown` in octets."""
    return _ESCAPE.sub(_unescaped, octets)


@dataclass(frozen=True, slots=True)
class Notes:
    """What a check says beside its verdict.

    Attributes:
        remarks: Its remarks.
        held: What it expected and observed where all was well: the evidence for *met*.
        examples: Failing examples of a property, each as the JSON values of its file.
    """

    remarks: list[str] = field(default_factory=list)
    held: list[tuple[str, str]] = field(default_factory=list)
    examples: list[Mapping[str, object]] = field(default_factory=list)


@contextmanager
def taking_notes() -> Iterator[Notes]:
    """Collect what is remarked and what holds inside the block."""
    notes = Notes()
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)


def _note(expected: str, observed: object) -> None:
    if (notes := _notes.get()) is not None:
        notes.held.append((expected, shown(observed)[:_LONGEST_NOTE]))


_notes: ContextVar[Notes | None] = ContextVar("notes", default=None)
_LONGEST_NOTE = 1000

_SHOWN = tuple(
    {"\r": "\\r", "\n": "\\n", "\t": "\\t", "\\": "\\\\"}.get(
        chr(octet), chr(octet) if 0x20 <= octet < 0x7F else f"\\x{octet:02x}"
    )
    for octet in range(256)
)

_ESCAPE = re.compile(rb"\\(?:[rnt\\]|x[0-9a-f]{2})")
_PLAIN = {b"\\r": b"\r", b"\\n": b"\n", b"\\t": b"\t", b"\\\\": b"\\"}

_FORM = re.compile(r"(?P<code>[2-5][0-9y][0-9z])(?: (?P<enhanced>[245]\.\d{1,3}\.\d{1,3}))?")


def _unescaped(escape: re.Match[bytes]) -> bytes:
    return _PLAIN.get(escape[0]) or bytes.fromhex(escape[0][2:].decode())


def _matches(reply: ReplyRead, form: str) -> bool:
    parsed = _FORM.fullmatch(form)
    if parsed is None:
        raise ValueError(f"no form of a reply: {form!r}; write '250', '2yz' or '550 5.7.1'")
    code = f"{reply.code:03d}"
    is_code = all(
        want in (digit, "y", "z") for want, digit in zip(parsed["code"], code, strict=True)
    )
    return is_code and parsed["enhanced"] in (None, reply.enhanced)


def _phrase(wanted: str | tuple[str, ...], because: str) -> str:
    forms = wanted if isinstance(wanted, str) else " or ".join(wanted)
    return f"{forms} ({because})" if because else forms
