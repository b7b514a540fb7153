"""Replies as an MX host sends them: judged by the first digit (RFC 5321 §4.2, §4.3.2).

Strict in nothing: bare line feeds, bare codes, many lines, unknown codes and codes that change
within one reply are all read. What cannot be read as a reply at all has the code 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_LINE = re.compile(rb"(\d{3})(?:([ -])(.*))?", re.DOTALL)
# A reply line has at most 512 octets (RFC 5321 §4.5.3.1.5); this leaves room for a hundred.
_MAXIMUM_REPLY = 64 * 1024
# What is worth keeping in a log line and a status.
_MAXIMUM_TEXT = 500


class Disposition(Enum):
    """What became of one recipient at this host."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A disposition with the host's words, or ours where the host said nothing."""

    disposition: Disposition
    text: str


@dataclass(frozen=True, slots=True)
class HostReply:
    """A whole reply. The lines come without codes, in whatever the host wrote them."""

    code: int
    lines: tuple[bytes, ...]

    @property
    def first_digit(self) -> int:
        """2 done, 3 go on, 4 try later, 5 never; anything else makes no sense."""
        return self.code // 100

    @property
    def text(self) -> str:
        """The reply on one line, printable and bounded."""
        spoken = " ".join(line.decode("utf-8", "replace") for line in self.lines)
        if not spoken.isprintable():
            spoken = "".join(char if char.isprintable() else "?" for char in spoken)
        return f"{self.code:03} {spoken}".strip()[:_MAXIMUM_TEXT]

    @property
    def verdict(self) -> Verdict:
        """What a reply that is no success means, by its first digit (RFC 5321 §4.3.2)."""
        is_permanent = self.first_digit == 5
        disposition = Disposition.PERMANENT if is_permanent else Disposition.TRANSIENT
        return Verdict(disposition, self.text)


class ReplyReader:
    """Cuts a stream of octets into replies."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._size = 0

    def feed(self, octets: bytes | memoryview) -> None:
        """Add what was received."""
        self._buffer += octets

    def clear(self) -> None:
        """Forget what was received and not yet read."""
        self._buffer.clear()
        self._lines.clear()
        self._size = 0

    def next_reply(self) -> HostReply | None:
        """Return the next whole reply, or None if there is none yet."""
        while True:
            end = self._buffer.find(b"\n")
            if self._size + (end if end >= 0 else len(self._buffer)) > _MAXIMUM_REPLY:
                return self._nonsense(b"a reply without end")
            if end < 0:
                return None
            line = bytes(self._buffer[:end]).removesuffix(b"\r")
            del self._buffer[: end + 1]
            if not line:
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                return self._nonsense(line)
            code, separator, text = match.groups()
            self._lines.append(text or b"")
            self._size += len(line)
            if separator != b"-":
                # RFC 5321 §4.2.1: the last line decides, should the codes differ.
                reply = HostReply(int(code), tuple(self._lines))
                self._lines.clear()
                self._size = 0
                return reply

    def _nonsense(self, line: bytes) -> HostReply:
        self.clear()
        return HostReply(0, (line[:_MAXIMUM_TEXT],))
