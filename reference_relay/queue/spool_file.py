"""The file of the spool: its tables, and how it is opened without harming what is in it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import apsw

VERSION = 2
DATABASE = "queue.sqlite"
LOCK = "lock"
# There after the file was found to be damaged: the next start salvages what is sound.
DAMAGED = "damaged"

_SCHEMA = """
CREATE TABLE message (
    number INTEGER PRIMARY KEY,        -- in order of acceptance
    queue_id TEXT NOT NULL UNIQUE,
    accepted_at REAL NOT NULL,         -- seconds since the epoch
    endpoint TEXT NOT NULL,
    configuration_id TEXT NOT NULL,
    envelope TEXT NOT NULL,            -- JSON, for people too
    octets INTEGER NOT NULL,           -- of the content
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt REAL,                 -- NULL before the first attempt: due at once
    is_held INTEGER NOT NULL DEFAULT 0,
    is_warned INTEGER NOT NULL DEFAULT 0 -- the sender has heard of the delay
) STRICT;
CREATE TABLE content (                 -- apart, so that delivered mail can leave its status behind
    number INTEGER PRIMARY KEY,
    octets BLOB NOT NULL,
    checksum INTEGER NOT NULL          -- CRC-32 of octets and envelope: a disk may lie
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
# The log is moved into the database every so many pages (of 4 KiB): mail that is settled
# before that costs the database nothing but the log.
_CHECKPOINT_PAGES = 8192


# SQLite's file format §1.3: the user version is a number of four octets.
_HEADER_OCTETS = 100
_MAGIC = b"SQLite format 3\0"
_VERSION_AT = slice(60, 64)


class QueueError(Exception):
    """The queue cannot be used or could not make something durable; the text is for people."""


def lock(directory: Path) -> int:
    """Make the directory if need be and keep everybody else out of it.

    Returns:
        The descriptor that holds the lock until it is closed.

    Raises:
        QueueError: The directory cannot be written, or is in use.
    """
    try:
        _make(directory)
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise QueueError(f"the queue directory {directory} cannot be written: {error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise QueueError(f"the queue directory {directory} is in use by another relay") from error
    return descriptor


def connect(directory: Path) -> apsw.Connection:
    """Open the file, made if need be.

    Raises:
        apsw.CorruptError: It is a queue, and damaged.
        QueueError: It cannot be used, or is of another version; it is as it was.
    """
    path = directory / DATABASE
    connection: apsw.Connection | None = None
    try:
        # Mail is nobody else's business; SQLite gives its other files the mode of this one.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        connection = apsw.Connection(str(path))
        _prepare(connection, path)
        sync_directory(directory)
    except BaseException as error:
        if connection is not None:
            connection.close()
        if isinstance(error, apsw.CorruptError):
            raise
        if isinstance(error, (apsw.Error, OSError)):
            raise QueueError(f"the queue file {path} cannot be used: {error}") from error
        raise
    return connection


def look(directory: Path) -> None:
    """See whether the file, if there is one, is of this version; nothing is written or locked.

    Raises:
        QueueError: It is of another version.
    """
    path = directory / DATABASE
    try:
        with path.open("rb") as opened:
            header = opened.read(_HEADER_OCTETS)
    except OSError:
        # Whoever opens it will say what is wrong.
        return
    if len(header) == _HEADER_OCTETS and header.startswith(_MAGIC):
        version = int.from_bytes(header[_VERSION_AT])
        if version not in (0, VERSION):
            raise _unknown(path, version)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable.

    Raises:
        OSError: The disk refused.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make(directory: Path) -> None:
    """Make a directory that a power cut does not take away again: its name is its parent's."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
    # The last one may have been made by somebody else just now, or before a crash.
    for each in {directory, *missing}:
        sync_directory(each.parent)


def _prepare(connection: apsw.Connection, path: Path) -> None:
    connection.set_busy_timeout(1000)
    version = connection.pragma("user_version")
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    if version not in (0, VERSION) or (version == 0 and tables):
        # Before anything is written: an unknown file stays as it is.
        raise _unknown(path, version)
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("wal_autocheckpoint", _CHECKPOINT_PAGES)
    if version == 0:
        connection.execute(f"BEGIN; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT")
        # Out of the log, so that a damaged log never takes the tables along.
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)


def _unknown(path: Path, version: int) -> QueueError:
    return QueueError(
        f"the queue file {path} has version {version}; this program knows version {VERSION}:"
        " move it away, or run the program that wrote it"
    )
