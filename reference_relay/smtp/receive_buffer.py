"""Octets received and not yet understood: command lines, bounded, nothing scanned twice.

D-4, the line discipline: the first line after connect, and again after the TLS handshake, fixes
whether lines end in CRLF or, for a person typing into a bare terminal, in LF. From then on only
that ending counts (RFC 5321 §2.3.8), so no line can be read in two ways.
"""

from __future__ import annotations

from enum import Enum


class LineEnd(Enum):
    """What ends a line in this session."""

    CRLF = b"\r\n"
    LF = b"\n"

    def __init__(self, octets: bytes) -> None:
        # `value` is Python code, and this is asked for at every content.
        self.octets = octets


class BrokenLine(Enum):
    """Why a line was not delivered as one."""

    TOO_LONG = "too long"
    BARE_LINE_END = "bare CR or LF"


class ReceiveBuffer:
    """Collects octets and gives out lines; content readers take the rest with `take`.

    A client that waits for replies sends one line a segment: then the segment is the buffer, and
    no octet is copied but the line's own.
    """

    def __init__(self, maximum_line: int, *, allows_lf: bool) -> None:
        self._maximum_line = maximum_line
        self._allows_lf = allows_lf
        self._octets = b""
        self._start = 0
        self._searched = 0
        self._is_skipping = False
        self.is_empty = True
        """Whether no octet is left; cheaper than to ask for the length."""
        self.line_end: LineEnd | None = None
        self._ending = b""

    def __len__(self) -> int:
        return len(self._octets) - self._start

    def append(self, octets: bytes) -> None:
        """Add octets from the peer."""
        if octets:
            self.is_empty = False
        if self._start == len(self._octets):
            self._octets = octets
            self._start = self._searched = 0
        else:
            self._octets = self._octets[self._start :] + octets
            self._searched -= self._start
            self._start = 0

    def take(self, count: int | None = None) -> bytes:
        """Remove and return up to `count` octets, or all of them."""
        end = len(self._octets)
        if count is not None:
            end = min(end, self._start + count)
        taken = self._octets[self._start : end]
        self._start = self._searched = end
        self.is_empty = end == len(self._octets)
        return taken

    def put_back(self, octets: bytes) -> None:
        """Return octets that turned out to belong to the next command."""
        if octets:
            self._octets = octets + self._octets[self._start :]
            self._start = self._searched = 0
            self.is_empty = False

    def forget(self) -> None:
        """Empty the buffer and the line discipline (RFC 3207 §4.2: start over)."""
        self._octets = b""
        self._start = self._searched = 0
        self._is_skipping = False
        self.is_empty = True
        self.line_end = None
        self._ending = b""

    def next_line(self) -> bytes | BrokenLine | None:
        """Return the next line without its end, what is wrong with it, or None for no line yet."""
        if self.is_empty:
            return None
        ending = self._ending or self._discover_line_end()
        if not ending:
            return None
        octets, start = self._octets, self._start
        # One octet back: the CR may have come with the octets before.
        end = octets.find(ending, self._searched - 1 if self._searched > start else start)
        if end < 0:
            self._bound()
            return None
        line = octets[start:end]
        self._start = self._searched = behind = end + len(ending)
        self.is_empty = behind == len(octets)
        if self._is_skipping or len(line) > self._maximum_line:
            self._is_skipping = False
            return BrokenLine.TOO_LONG
        if b"\r" in line or b"\n" in line:
            return BrokenLine.BARE_LINE_END
        return line

    def _discover_line_end(self) -> bytes:
        newline = self._octets.find(b"\n", self._searched)
        if newline < 0:
            self._bound()
            return b""
        ends_in_crlf = newline > self._start and self._octets[newline - 1] == 0x0D
        self.line_end = LineEnd.CRLF if ends_in_crlf or not self._allows_lf else LineEnd.LF
        self._searched = self._start
        self._ending = self.line_end.octets
        return self._ending

    def _bound(self) -> None:
        # A line beyond the limit is dropped as it comes, so that memory stays bounded; the
        # reply waits for its end, so that its tail is never taken for a command (CMD-14).
        self._searched = len(self._octets)
        if len(self) > self._maximum_line + 1:
            self._is_skipping = True
            self._start = len(self._octets) - 1
