"""Queue directories that are refused before anything in them is touched."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from reference_relay.queue import spool_file
from reference_relay.queue.queue import Queue, QueueError
from reference_relay.queue.tests.steps import Clock, opened


def test_unknown_version_is_left_alone(tmp_path: Path) -> None:
    """A queue of another version is refused with a text that names both, and not touched."""
    database = sqlite3.connect(tmp_path / spool_file.DATABASE)
    database.execute("PRAGMA user_version = 7")
    database.execute("CREATE TABLE other (x)")
    database.close()
    before = (tmp_path / spool_file.DATABASE).read_bytes()
    with pytest.raises(QueueError, match="version 7; this program knows version 2"):
        Queue.open(tmp_path, Clock())
    assert (tmp_path / spool_file.DATABASE).read_bytes() == before


def test_foreign_file_is_refused(tmp_path: Path) -> None:
    """A file that is no queue is refused with its name."""
    (tmp_path / spool_file.DATABASE).write_bytes(b"something else entirely" * 100)
    with pytest.raises(QueueError, match=r"queue\.sqlite cannot be used"):
        Queue.open(tmp_path, Clock())


def test_directory_in_use_is_refused(tmp_path: Path) -> None:
    """Two relays never share a queue directory."""

    async def run() -> None:
        async with opened(tmp_path):
            with pytest.raises(QueueError, match="in use"):
                Queue.open(tmp_path, Clock())

    asyncio.run(run())


def test_directory_not_writable(tmp_path: Path) -> None:
    """A directory that cannot be made is refused with its name."""
    (tmp_path / "file").write_text("")
    with pytest.raises(QueueError, match="file/queue cannot be written"):
        Queue.open(tmp_path / "file" / "queue", Clock())
