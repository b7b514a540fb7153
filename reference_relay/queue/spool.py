"""The queue's file: one SQLite database per shard, written by one thread.

The only module that knows SQLite. `apsw` brings its own library, free of the WAL-reset fault
that the system's may have. A message is unsettled as long as its row in `content` exists.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw

from reference_relay.queue import envelope_text
from reference_relay.queue.queued_message import QueuedMessage, RecipientState, StatusEvent

VERSION = 2
DATABASE = "queue.sqlite"
LOCK = "lock"

_SCHEMA = """
CREATE TABLE message (
    number INTEGER PRIMARY KEY,        -- in order of acceptance
    queue_id TEXT NOT NULL UNIQUE,
    accepted_at REAL NOT NULL,         -- seconds since the epoch
    endpoint TEXT NOT NULL,
    configuration_id TEXT NOT NULL,
    envelope TEXT NOT NULL,            -- JSON, for people too
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt REAL,                 -- NULL before the first attempt: due at once
    is_held INTEGER NOT NULL DEFAULT 0,
    is_warned INTEGER NOT NULL DEFAULT 0 -- the sender has heard of the delay
) STRICT;
CREATE TABLE content (                 -- apart, so that delivered mail can leave its status behind
    number INTEGER PRIMARY KEY,
    octets BLOB NOT NULL
) STRICT;
CREATE TABLE event (                   -- the first one, `submitted`, is the message row itself
    number INTEGER NOT NULL,
    recipient INTEGER NOT NULL,        -- position in the envelope
    at REAL NOT NULL,
    state TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX event_number ON event (number);
"""
# One statement takes many rows: every step releases the interpreter lock, and getting it back
# from a busy event loop can take a whole switch interval.
_ROWS_AT_ONCE = (64, 16, 4, 1)
_MESSAGE_COLUMNS = "number, queue_id, accepted_at, endpoint, configuration_id, envelope"
_INSERT_MESSAGE = {
    rows: f"INSERT INTO message ({_MESSAGE_COLUMNS}) VALUES "  # noqa: S608 - the names above
    + ", ".join(["(?, ?, ?, ?, ?, ?)"] * rows)
    for rows in _ROWS_AT_ONCE
}
_INSERT_CONTENT = {
    rows: "INSERT INTO content VALUES " + ", ".join(["(?, ?)"] * rows)  # noqa: S608 - as above
    for rows in _ROWS_AT_ONCE
}
# The log is moved into the database every so many pages (of 4 KiB): mail that is settled
# before that costs the database nothing but the log.
_CHECKPOINT_PAGES = 8192

_Row = tuple[Any, ...]


class QueueError(Exception):
    """The queue cannot be used or could not make something durable; the text is for people."""


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


@dataclass(frozen=True, slots=True)
class Stored:
    """A message row with its events."""

    number: int
    message: QueuedMessage
    events: tuple[tuple[int, StatusEvent], ...]


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
        lock = _lock(directory)
        try:
            return cls(directory, _connect(directory), lock)
        except BaseException:
            os.close(lock)
            raise

    def write(
        self, messages: Sequence[tuple[int, QueuedMessage]], settlements: Iterable[Settlement]
    ) -> None:
        """Write messages and settlements in one transaction; durable on return.

        Raises:
            DuplicateMessageError: one of the queue IDs is there already; nothing was written.
            QueueError: the disk refused; nothing counts as written.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._insert(messages)
            for settlement in settlements:
                self._settle(settlement)
            self._connection.execute("COMMIT")
        except apsw.ConstraintError as error:
            self._roll_back()
            raise DuplicateMessageError(str(error)) from error
        except (apsw.Error, OSError) as error:
            self._roll_back()
            raise QueueError(
                f"the queue in {self._directory} cannot be written: {error}"
            ) from error

    def unsettled(self) -> list[Unsettled]:
        """Return everything that is not settled, in order of acceptance."""
        rows = self._connection.execute(
            "SELECT number, queue_id, accepted_at, attempts, next_attempt, is_held, is_warned"
            " FROM content JOIN message USING (number) ORDER BY number"
        )
        return [Unsettled(*row) for row in rows]

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
        start = 0
        for size in _ROWS_AT_ONCE:
            while len(messages) - start >= size:
                batch = messages[start : start + size]
                start += size
                self._connection.execute(
                    _INSERT_MESSAGE[size], [v for n, m in batch for v in _message_row(n, m)]
                )
                self._connection.execute(
                    _INSERT_CONTENT[size], [v for n, m in batch for v in (n, m.content)]
                )

    def _settle(self, settlement: Settlement) -> None:
        number = settlement.number
        for recipient, event in settlement.events:
            self._connection.execute(
                "INSERT INTO event VALUES (?, ?, ?, ?, ?)",
                (number, recipient, event.at, event.state.value, event.text),
            )
        if settlement.is_final:
            self._connection.execute("DELETE FROM content WHERE number = ?", (number,))
        if settlement.retry is not None:
            self._connection.execute(
                "UPDATE message SET attempts = ?, next_attempt = ? WHERE number = ?",
                (*settlement.retry, number),
            )
        if settlement.is_held is not None:
            self._connection.execute(
                "UPDATE message SET is_held = ? WHERE number = ?", (settlement.is_held, number)
            )
        if settlement.is_warned:
            self._connection.execute("UPDATE message SET is_warned = 1 WHERE number = ?", (number,))
        if settlement.notifications:
            self._insert(settlement.notifications)

    def _refusal(self, error: Exception) -> QueueError:
        return QueueError(f"the queue in {self._directory} cannot be written: {error}")

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except apsw.Error:
                # The next BEGIN will say so if the connection is beyond use.
                return


class DuplicateMessageError(QueueError):
    """A queue ID was used twice: the issuer is at fault, not the disk."""


class SpoolReader:
    """The reading side: sees what is durable, waits for nobody."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._connection = apsw.Connection(
            str(directory / DATABASE), flags=apsw.SQLITE_OPEN_READONLY
        )
        self._connection.set_busy_timeout(1000)

    def message(self, number: int) -> Stored | None:
        """Return an unsettled message with its content, or None.

        Raises:
            QueueError: the file cannot be read.
        """
        return self._stored(
            f"SELECT {_MESSAGE_COLUMNS}, octets FROM message JOIN content USING (number)"  # noqa: S608
            " WHERE number = ?",
            number,
        )

    def status(self, queue_id: str) -> Stored | None:
        """Return a message, settled or not, without its content, or None.

        Raises:
            QueueError: the file cannot be read.
        """
        return self._stored(
            f"SELECT {_MESSAGE_COLUMNS}, x'' FROM message WHERE queue_id = ?",  # noqa: S608
            queue_id,
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _stored(self, query: str, key: int | str) -> Stored | None:
        try:
            rows: list[_Row] = list(self._connection.execute(query, (key,)))
            if not rows:
                return None
            number, queue_id, accepted_at, endpoint, configuration_id, envelope, octets = rows[0]
            events = tuple(
                (recipient, StatusEvent(at, RecipientState(state), text))
                for recipient, at, state, text in self._connection.execute(
                    "SELECT recipient, at, state, text FROM event WHERE number = ? ORDER BY rowid",
                    (number,),
                )
            )
            message = QueuedMessage(
                queue_id,
                envelope_text.read(envelope),
                octets,
                endpoint,
                configuration_id,
                accepted_at,
            )
        except (apsw.Error, OSError, ValueError) as error:
            raise QueueError(f"{key} in {self._directory} cannot be read: {error}") from error
        return Stored(number, message, events)


def _message_row(number: int, message: QueuedMessage) -> _Row:
    return (
        number,
        message.queue_id,
        message.accepted_at,
        message.endpoint,
        message.configuration_id,
        envelope_text.write(message.envelope),
    )


def _lock(directory: Path) -> int:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise QueueError(f"the queue directory {directory} cannot be written: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise QueueError(f"the queue directory {directory} is in use by another relay") from error
    return lock


def _connect(directory: Path) -> apsw.Connection:
    path = directory / DATABASE
    connection: apsw.Connection | None = None
    try:
        # Mail is nobody else's business; SQLite gives its other files the mode of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = apsw.Connection(str(path))
        _prepare(connection, path)
        _sync_directory(directory)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, (apsw.Error, OSError)):
            raise QueueError(f"the queue file {path} cannot be used: {error}") from error
        raise
    return connection


def _prepare(connection: apsw.Connection, path: Path) -> None:
    connection.set_busy_timeout(1000)
    version = connection.pragma("user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    if version not in (0, VERSION) or (version == 0 and tables):
        # Before anything is written: an unknown file stays as it is.
        raise QueueError(
            f"the queue file {path} has version {version}; this program knows version {VERSION}"
        )
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
    if version == 0:
        connection.execute(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT")


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
