"""What to do with a damaged queue file: keep what is sound, name and set aside the rest.

SQLite says that a page is damaged, not what else may be. So the file is moved aside as it is, and
every message that can still be read as it was written goes into a new one, with its history.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from reference_relay.queue import log_tail, spool_file
from reference_relay.queue.spool_file import DAMAGED, DATABASE, QueueError
from reference_relay.queue.spool_reader import checksum

_log = logging.getLogger(__name__)

_SUFFIXES = ("", "-wal", "-shm")
_MESSAGE = "SELECT * FROM message WHERE number = ?"
_CONTENT = "SELECT * FROM content WHERE number = ?"
_EVENTS = "SELECT * FROM event WHERE number = ? ORDER BY rowid"
# With this many numbers in a row gone, there is nothing further up.
_GAP = 100_000
# As the relay writes it into Received: whose content it is.
_TRACE = re.compile(rb"\bid ([0-9A-Z]{6,32})\b")


def connect(directory: Path) -> apsw.Connection:
    """Open the queue file of a directory; a damaged one is salvaged first.

    Raises:
        QueueError: It cannot be used.
    """
    if not (directory / DAMAGED).exists():
        try:
            return _checked(directory)
        except apsw.CorruptError as error:
            _log.error("event=queue_damaged directory=%s error=%r", directory, str(error))
    try:
        _salvage(directory)
        return _checked(directory)
    except (apsw.Error, OSError) as error:
        path = directory / DATABASE
        raise QueueError(f"the queue file {path} is damaged and cannot be salvaged: {error}") from (
            error
        )


def mark_damaged(directory: Path) -> None:
    """Let the next start salvage the file."""
    # Where even this cannot be written, the next start will find out by itself.
    with contextlib.suppress(OSError):
        (directory / DAMAGED).touch(mode=0o600)


def _checked(directory: Path) -> apsw.Connection:
    connection = spool_file.connect(directory)
    try:
        _name_what_the_log_lost(connection, directory)
        # Every leaf that recovery needs; contents have checksums of their own.
        for _ in connection.execute(
            "SELECT queue_id, envelope FROM content LEFT JOIN message USING (number)"
        ):
            continue
    except BaseException:
        connection.close()
        raise
    return connection


def _name_what_the_log_lost(connection: apsw.Connection, directory: Path) -> None:
    """Say which mail is in a part of the log that SQLite leaves out, and keep a copy of the log."""
    frames, _ = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
    log = directory / f"{DATABASE}-wal"
    tail = log_tail.tail_of(log, connection.pragma("page_size"), max(frames, 0))
    if tail is None:
        return
    if not tail.is_promised:
        _log.warning("event=log_torn octets=%d: nobody was told of it", len(tail.octets))
        return
    aside = _new_folder(directory)
    copy = aside / log.name
    copy.touch(mode=0o600)
    copy.write_bytes(log.read_bytes())
    spool_file.sync_directory(directory)
    known = "SELECT 1 FROM message WHERE queue_id = ?"
    named = dict.fromkeys(found.decode() for found in _TRACE.findall(tail.octets))
    lost = [each for each in named if not list(connection.execute(known, (each,)))]
    for queue_id in lost:
        _log.error("event=quarantined queue_id=%s in=%s", queue_id, aside)
    _log.error(
        "event=log_damaged octets=%d quarantined=%d aside=%s", len(tail.octets), len(lost), aside
    )


def _salvage(directory: Path) -> None:
    aside = _move_aside(directory)
    old = apsw.Connection(str(aside / DATABASE))
    new = spool_file.connect(directory)
    kept = lost = 0
    try:
        new.execute("BEGIN IMMEDIATE")
        for number in _numbers(old):
            is_kept = _copy(old, new, number, aside)
            kept += is_kept is True
            lost += is_kept is False
        new.execute("COMMIT")
    finally:
        old.close()
        new.close()
    (directory / DAMAGED).unlink(missing_ok=True)
    spool_file.sync_directory(directory)
    _log.error(
        "event=queue_salvaged directory=%s kept=%d quarantined=%d aside=%s",
        directory, kept, lost, aside,
    )  # fmt: skip


def _new_folder(directory: Path) -> Path:
    for attempt in range(1000):
        aside = directory / f"{DAMAGED}-{attempt}"
        with contextlib.suppress(FileExistsError):
            aside.mkdir(mode=0o700)
            break
    return aside


def _move_aside(directory: Path) -> Path:
    aside = _new_folder(directory)
    for suffix in _SUFFIXES:
        path = directory / f"{DATABASE}{suffix}"
        if path.exists():
            path.rename(aside / path.name)
    spool_file.sync_directory(aside)
    spool_file.sync_directory(directory)
    return aside


def _numbers(old: apsw.Connection) -> Iterator[int]:
    """Yield every number that may be in use; a damaged page hides some, but not their numbers."""
    highest = 0
    for table in ("message", "content", "event"):
        for (number,) in _rows(old, f"SELECT max(number) FROM {table}") or ():  # noqa: S608
            highest = max(highest, number or 0)
    number = gap = 0
    while number < highest or gap < _GAP:
        number += 1
        found = _rows(old, "SELECT number FROM message WHERE number = ?", number)
        if number > highest:
            gap = 0 if found else gap + 1
        if found != []:
            yield number


def _copy(old: apsw.Connection, new: apsw.Connection, number: int, aside: Path) -> bool | None:
    """Copy one message; tell whether it was kept, quarantined, or never there."""
    messages = _rows(old, _MESSAGE, number)
    contents = _rows(old, _CONTENT, number)
    events = _rows(old, _EVENTS, number) or ()
    if messages == [] and contents == []:
        return None
    if messages:
        new.execute(*_insert("message", messages[0]))
        for event in events:
            new.execute(*_insert("event", event))
        if contents == []:
            return True
        if contents and checksum(contents[0][1], messages[0][5]) == contents[0][2]:
            new.execute(*_insert("content", contents[0]))
            return True
    octets = contents[0][1] if contents else b""
    queue_id = messages[0][1] if messages else _traced(octets)
    if octets:
        path = aside / f"{queue_id}.eml"
        path.write_bytes(octets)
        path.chmod(0o600)
    _log.error("event=quarantined queue_id=%s number=%d in=%s", queue_id, number, aside)
    return False


def _traced(octets: bytes) -> str:
    found = _TRACE.search(octets)
    return found[1].decode() if found else "unknown"


def _insert(table: str, row: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    return f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row  # noqa: S608 - three


def _rows(connection: apsw.Connection, query: str, *values: Any) -> list[tuple[Any, ...]] | None:
    """Return what a query finds, None where the damage is."""
    try:
        return list(connection.execute(query, values))
    except apsw.Error:
        return None
