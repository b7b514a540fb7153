"""What SQLite's log holds behind the place from which it is damaged.

SQLite takes the log to end at the first frame whose checksum is wrong, and says nothing
(file format §4.1, §4.4). Mostly that is right: a crash left half of a transaction that nobody was
told about. But a transaction is begun only when the one before it is durable. So where whole
transactions follow the wrong frame, mail that was promised is in them, and has to be named.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

# Magic, version, page size, sequence, two salts, two halves of a checksum.
_HEADER = struct.Struct(">8I")
# Page, size of the database behind a commit or 0, two salts, two halves of a checksum.
_FRAME = struct.Struct(">6I")
_SUMMED_OCTETS = 24


@dataclass(frozen=True, slots=True)
class Tail:
    """The part of a log that SQLite leaves out.

    Attributes:
        octets: All of it.
        is_promised: Whether a transaction in it was durable: others came behind.
    """

    octets: bytes = field(repr=False)
    is_promised: bool


def tail_of(log: Path, page_size: int, frames: int) -> Tail | None:
    """Look behind the last frame that counts; None if nothing of this log is there.

    Args:
        log: The file.
        page_size: Of the database, in octets.
        frames: How many of its frames count.

    Raises:
        OSError: It cannot be read.
    """
    if not log.exists():
        return None
    with log.open("rb") as opened:
        header = opened.read(_HEADER.size)
        begin = _HEADER.size + frames * (_FRAME.size + page_size)
        opened.seek(begin)
        octets = opened.read()
    if len(header) < _HEADER.size:
        return None
    salts = _HEADER.unpack(header)[4:6]
    if not _is_sound(header) and frames == 0 and len(octets) >= _FRAME.size:
        # Of a log whose header is damaged, nothing counts.
        salts = _FRAME.unpack_from(octets)[2:4]
    step = _FRAME.size + page_size
    starts = range(0, len(octets) - step + 1, step)
    # Others are left from before the log began anew.
    fields = {start: _FRAME.unpack_from(octets, start) for start in starts}
    commits = [start for start, one in fields.items() if one[1] and one[2:4] == salts]
    if not commits:
        return None
    return Tail(
        octets,
        any(
            _follows(fields[start], octets[start + step : start + 2 * step])
            for start in commits
            if fields.get(start + step, (0, 0))[2:4] == salts
        ),
    )


def _is_sound(header: bytes) -> bool:
    """Tell whether the header is as it was written (file format §4.2)."""
    summed = header[:_SUMMED_OCTETS]
    return _HEADER.unpack(header)[6:] in (_sum(summed, "<"), _sum(summed, ">"))


def _follows(before: tuple[int, ...], frame: bytes) -> bool:
    """Tell whether a frame was written behind another one, and is not left from a failed write."""
    summed = frame[:8] + frame[_FRAME.size :]
    own = _FRAME.unpack_from(frame)[4:]
    return own in (_sum(summed, "<", before[4:]), _sum(summed, ">", before[4:]))


def _sum(octets: bytes, order: str, start: tuple[int, ...] = (0, 0)) -> tuple[int, int]:
    """Return SQLite's checksum; a log has its writer's order of octets."""
    words = struct.unpack(f"{order}{len(octets) // 4}I", octets)
    one, two = start
    for even, odd in zip(words[::2], words[1::2], strict=True):
        one = (one + even + two) & 0xFFFFFFFF
        two = (two + odd + one) & 0xFFFFFFFF
    return one, two
