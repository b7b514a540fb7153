"""Content, from the 354 or the first chunk to its end (RFC 5321 §4.1.1.4, §4.5.2, RFC 3030).

Octets are kept as the pieces they came in and joined once. The end is searched with `find`,
never line by line, and each octet is searched once.
"""

from __future__ import annotations

from io import IncrementalNewlineDecoder

from reference_relay.smtp import replies
from reference_relay.smtp.receive_buffer import LineEnd
from reference_relay.smtp.reply import Reply

# RFC 5321 §4.5.3.1.6: a text line is 1000 octets with its CRLF.
MAXIMUM_TEXT_LINE = 998


class DataReader:
    """Reads what follows DATA up to `<line end>.<line end>` and undoes the transparency."""

    def __init__(self, line_end: LineEnd, maximum_octets: int) -> None:
        self._ending = line_end.octets
        self._mark = self._ending + b"."
        self._end_of_data = self._mark + self._ending
        self._maximum_octets = maximum_octets
        # A lone dot at once is an end as well: pretend the line before it was seen.
        self._seam = self._ending
        self._pieces: list[bytes] = []
        self._length = 0
        self._may_be_stuffed = False
        self._stuffed_dots: int | None = None
        self.is_oversize = False

    def feed(self, octets: bytes) -> bytes | None:
        """Take octets; return those behind the end of data, or None while it has not come."""
        across = len(self._end_of_data) - 1
        window = self._seam + octets[:across]
        if self._mark in window:
            found = window.find(self._end_of_data)
            if found >= 0:
                # The end began in what came before: part of it is in the pieces already.
                used = found + len(self._end_of_data) - len(self._seam)
                self._keep(octets[:used])
                return octets[used:]
            self._may_be_stuffed = True
        found = self._find_end(octets)
        if found >= 0:
            used = found + len(self._end_of_data)
            self._keep(octets[:used])
            return octets[used:]
        self._keep(octets)
        self._seam = (self._seam + octets)[-across:]
        return None

    def content(self) -> bytes:
        """Return the content as it was before the client stuffed dots, its end included."""
        ending = self._ending
        stuffed = b"".join(self._pieces)[: -len(ending) - 1]
        if stuffed.startswith(b"."):
            stuffed = stuffed[1:]
        return stuffed.replace(self._mark, ending) if self._may_be_stuffed else stuffed

    def _find_end(self, octets: bytes) -> int:
        # In most contents the first line that begins with a dot is the end: one search finds it
        # and tells that no dot is stuffed.
        found = octets.find(self._mark)
        if found < 0 or octets.startswith(self._ending, found + len(self._mark)):
            return found
        self._may_be_stuffed = True
        return octets.find(self._end_of_data, found)

    def _keep(self, octets: bytes) -> None:
        self._length += len(octets)
        if self.is_oversize:
            return
        self._pieces.append(octets)
        if self._length > self._maximum_octets:
            self._judge_size()

    def _judge_size(self) -> None:
        # RFC 1870 §5: stuffed dots and the final dot line do not count towards the size.
        mark = self._mark
        if self._stuffed_dots is None:
            self._pieces = [b"".join(self._pieces)]
            self._stuffed_dots = (self._ending + self._pieces[0]).count(mark)
        else:
            self._stuffed_dots += (self._seam[1 - len(mark) :] + self._pieces[-1]).count(mark)
        if self._length - self._stuffed_dots - len(self._ending) > self._maximum_octets:
            self.is_oversize = True
            self._pieces.clear()


class ChunkReader:
    """Collects the chunks of BDAT; octets are literal, there is no end mark (RFC 3030 §2)."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.length = 0

    def feed(self, octets: bytes) -> None:
        """Take octets of the current chunk."""
        self._pieces.append(octets)
        self.length += len(octets)

    def content(self) -> bytes:
        """Return all chunks as one."""
        return b"".join(self._pieces)


def normalise(content: bytes, line_end: LineEnd) -> bytes | Reply:
    """Return the content in CRLF form, or refuse it.

    Content in two readings is refused, not repaired: a bare CR or LF is where one relay sees a
    line, a header field or an end of data and the next does not (DATA-06 to DATA-10).
    """
    if b"\0" in content:
        return replies.NUL_IN_CONTENT
    if not _has_only(line_end, content):
        return replies.BARE_LINE_END_IN_CONTENT
    if line_end is LineEnd.LF:
        content = content.replace(b"\n", b"\r\n")
    if has_long_line(content):
        return replies.TEXT_LINE_TOO_LONG
    return content


def _has_only(line_end: LineEnd, content: bytes) -> bool:
    """Tell whether no CR or LF stands anywhere but in this line end."""
    # Notes which of CR, LF and CRLF it meets, in one pass: counting them takes four times as long.
    reader = IncrementalNewlineDecoder(None, translate=False)
    reader.decode(content.decode("latin-1"), final=True)
    return reader.newlines == ("\n" if line_end is LineEnd.LF else "\r\n") or not reader.newlines


def has_long_line(content: bytes) -> bool:
    """Tell whether a line exceeds 998 octets, by looking back from each place it could."""
    start, length = 0, len(content)
    reach = MAXIMUM_TEXT_LINE + 2
    while length - start > MAXIMUM_TEXT_LINE:
        newline = content.rfind(b"\n", start, start + reach)
        if newline < 0:
            return True
        start = newline + 1
    return False
