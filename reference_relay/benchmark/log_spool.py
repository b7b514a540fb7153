"""The least that an append-only log costs: records with a checksum, one write, one sync.

It finds nothing again and recovers nothing. Whatever a log would need for that comes on top, so
what this saves against SQLite is the most that a log could save.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from reference_relay.queue.queued_message import QueuedMessage
from reference_relay.queue.spool import Settlement, Unsettled, message_row
from reference_relay.queue.spool_reader import Selection, Stored


class LogSpool:
    """Takes the place of `queue.spool.Spool`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._log = os.open(directory / "log", flags, 0o600)

    @classmethod
    def open(cls, directory: Path) -> LogSpool:
        """Open or create the log."""
        return cls(directory)

    def write(
        self, messages: Sequence[tuple[int, QueuedMessage]], settlements: Iterable[Settlement]
    ) -> None:
        """Append records and sync once."""
        pieces: list[bytes] = []
        for number, message in messages:
            row = json.dumps(message_row(number, message)).encode()
            pieces += (_head(row, message.content), row, message.content)
        for settlement in settlements:
            events = [
                (recipient, event.at, event.state.value, event.text)
                for recipient, event in settlement.events
            ]
            row = json.dumps((settlement.number, events, settlement.retry)).encode()
            pieces += (_head(row, b""), row)
        os.write(self._log, b"".join(pieces))
        os.fdatasync(self._log)

    def unsettled(self) -> list[Unsettled]:
        """Nothing is ever recovered."""
        return []

    def last(self) -> tuple[int, str | None]:
        """Nothing was there before."""
        return 0, None

    def prune(self, accepted_before: float) -> None:
        """Nothing is ever forgotten."""

    def reader(self) -> NoReader:
        """Return somebody who finds nothing."""
        return NoReader()

    def close(self) -> None:
        """Close the file."""
        os.close(self._log)


class NoReader:
    """Finds nothing."""

    def message(self, number: int) -> Stored | None:
        """Find no message."""
        return None

    def status(self, queue_id: str) -> Stored | None:
        """Find no status."""
        return None

    def select(self, selection: Selection) -> list[Stored]:
        """Find no messages."""
        return []

    def close(self) -> None:
        """Nothing is open."""


def _head(row: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(row))
    return b"%08x %08x %08x\n" % (len(row), len(content), checksum)
