"""The queue's file: one SQLite database per shard, written by one thread.

The only module that knows SQLite. `apsw` brings its own library, free of the WAL-reset fault
that the system's may have. A message is unsettled as long as its row in `content` exists.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import apsw

from reference_relay.queue import envelope_text, salvage, spool_file
from reference_relay.queue.queued_message import QueuedMessage, StatusEvent
from reference_relay.queue.spool_file import QueueError
from reference_relay.queue.spool_reader import SpoolReader, checksum

# One statement takes many rows: every step releases the interpreter lock, and getting it back
# from a busy event loop can take a whole switch interval.
_ROWS_AT_ONCE = (64, 16, 4, 1)
_MESSAGE_COLUMNS = "number, queue_id, accepted_at, endpoint, configuration_id, envelope, octets"


def _statements(begin: str, row: str, end: str = "") -> dict[int, str]:
    """Return a statement for each number of rows."""
    return {rows: begin + ", ".join([row] * rows) + end for rows in _ROWS_AT_ONCE}


_INSERT_MESSAGES = _statements(
    f"INSERT INTO message ({_MESSAGE_COLUMNS}) VALUES ",  # noqa: S608 - the names above
    "(?, ?, ?, ?, ?, ?, ?)",
)
_INSERT_CONTENTS = _statements("INSERT INTO content VALUES ", "(?, ?, ?)")
_INSERT_EVENTS = _statements("INSERT INTO event VALUES ", "(?, ?, ?, ?, ?)")
_DELETE_CONTENTS = _statements("DELETE FROM content WHERE number IN (", "?", ")")


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one attempt, or a part of it, changed about a message."""

    number: int
    events: tuple[tuple[int, StatusEvent], ...]
    retry: tuple[int, float] | None = None
    """Attempts made and the time of the next one, once this attempt is over."""
    is_final: bool = False
    is_held: bool | None = None
    """None leaves it as it is."""
    is_warned: bool = False
    notifications: tuple[tuple[int, QueuedMessage], ...] = ()
    """Mail about this message, with its numbers; durable with the settlement or not at all."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """What recovery needs to know of a message: when it is due."""

    number: int
    queue_id: str
    accepted_at: float
    attempts: int
    next_attempt: float | None
    is_held: bool
    is_warned: bool


class Spool:
    """The writing side. After `open`, one thread at a time may use it."""

    def __init__(self, directory: Path, connection: apsw.Connection, lock: int) -> None:
        self._directory = directory
        self._connection = connection
        self._lock = lock

    @classmethod
    def open(cls, directory: Path) -> Spool:
        """Open or create the spool.

        Raises:
            QueueError: the directory cannot be written, is in use, or is of another version.
        """
        lock = spool_file.lock(directory)
        try:
            return cls(directory, salvage.connect(directory), lock)
        except BaseException:
            os.close(lock)
            raise

    def write(
        self, messages: Sequence[tuple[int, QueuedMessage]], settlements: Sequence[Settlement]
    ) -> None:
        """Write messages and settlements in one transaction; durable on return.

        Raises:
            DuplicateMessageError: one of the queue IDs is there already; nothing was written.
            QueueError: the disk refused; nothing counts as written.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._insert(messages)
            self._settle(settlements)
            self._connection.execute("COMMIT")
        except apsw.ConstraintError as error:
            self._roll_back()
            raise DuplicateMessageError(str(error)) from error
        except (apsw.Error, OSError) as error:
            self._roll_back()
            raise self._refusal(error) from error

    def unsettled(self) -> Iterator[Unsettled]:
        """Give everything that is not settled, in order of acceptance."""
        rows = self._connection.execute(
            "SELECT number, queue_id, accepted_at, attempts, next_attempt, is_held, is_warned"
            " FROM content JOIN message USING (number) ORDER BY number"
        )
        yield from (Unsettled(*row) for row in rows)

    def last(self) -> tuple[int, str | None]:
        """Return number and queue ID of the latest message; (0, None) when there was none."""
        rows = list(
            self._connection.execute(
                "SELECT number, queue_id FROM message ORDER BY number DESC LIMIT 1"
            )
        )
        return (rows[0][0], rows[0][1]) if rows else (0, None)

    def prune(self, accepted_before: float, limit: int = 500) -> None:
        """Forget the status of settled messages that were accepted before a time.

        Looks at the oldest `limit` messages only, so that it never holds the writer up.
        The latest message always stays: its ID tells where the next ones begin.

        Raises:
            QueueError: the disk refused.
        """
        try:
            numbers = [
                number
                for (number,) in self._connection.execute(
                    "SELECT number FROM (SELECT number, accepted_at FROM message"
                    " WHERE number < (SELECT max(number) FROM message) ORDER BY number LIMIT ?)"
                    " WHERE accepted_at < ? AND number NOT IN (SELECT number FROM content)",
                    (limit, accepted_before),
                )
            ]
            if numbers:
                self._connection.execute("BEGIN IMMEDIATE")
                for table in ("event", "message"):
                    self._connection.executemany(
                        f"DELETE FROM {table} WHERE number = ?",  # noqa: S608 - both names are above
                        [(number,) for number in numbers],
                    )
                self._connection.execute("COMMIT")
        except (apsw.Error, OSError) as error:
            self._roll_back()
            raise self._refusal(error) from error

    def reader(self) -> SpoolReader:
        """Return a reading side, for one thread at a time."""
        return SpoolReader(self._directory)

    def close(self) -> None:
        """Close the file and let go of the directory."""
        self._connection.close()
        os.close(self._lock)

    def _insert(self, messages: Sequence[tuple[int, QueuedMessage]]) -> None:
        rows = [message_row(number, message) for number, message in messages]
        self._execute(_INSERT_MESSAGES, rows)
        self._execute(
            _INSERT_CONTENTS,
            [
                (number, message.content, checksum(message.content, row[5]))
                for (number, message), row in zip(messages, rows, strict=True)
            ],
        )

    def _settle(self, settlements: Sequence[Settlement]) -> None:
        self._execute(
            _INSERT_EVENTS,
            [
                (each.number, recipient, event.at, event.state.value, event.text)
                for each in settlements
                for recipient, event in each.events
            ],
        )
        self._execute(_DELETE_CONTENTS, [(each.number,) for each in settlements if each.is_final])
        for each in settlements:
            if each.retry is not None:
                self._connection.execute(
                    "UPDATE message SET attempts = ?, next_attempt = ? WHERE number = ?",
                    (*each.retry, each.number),
                )
            if each.is_held is not None:
                self._connection.execute(
                    "UPDATE message SET is_held = ? WHERE number = ?", (each.is_held, each.number)
                )
            if each.is_warned:
                self._connection.execute(
                    "UPDATE message SET is_warned = 1 WHERE number = ?", (each.number,)
                )
            if each.notifications:
                self._insert(each.notifications)

    def _execute(self, statements: Mapping[int, str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Do the same with all rows, many of them at a time."""
        start = 0
        for size in _ROWS_AT_ONCE:
            while len(rows) - start >= size:
                values = tuple(chain.from_iterable(rows[start : start + size]))
                self._connection.execute(statements[size], values)
                start += size

    def _refusal(self, error: Exception) -> QueueError:
        text = f"the queue in {self._directory} cannot be written: {error}"
        if isinstance(error, apsw.FullError):
            return QueueFull(text)
        if isinstance(error, apsw.CorruptError):
            salvage.mark_damaged(self._directory)
        return QueueError(text)

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except apsw.Error:
                # The next BEGIN will say so if the connection is beyond use.
                return


class QueueFull(QueueError):
    """There is no room for another message now."""


class DuplicateMessageError(QueueError):
    """A queue ID was used twice: the issuer is at fault, not the disk."""


def message_row(number: int, message: QueuedMessage) -> tuple[Any, ...]:
    """Return the values of a row of the table `message`, as far as they never change."""
    return (
        number,
        message.queue_id,
        message.accepted_at,
        message.endpoint,
        message.configuration_id,
        envelope_text.write(message.envelope),
        len(message.content),
    )
