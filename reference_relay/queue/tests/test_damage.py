"""Disks that lie: torn ends, changed octets, pages full of nothing. What is sound is kept."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import apsw
import pytest

from reference_relay.queue.queue import Queue, QueueError
from reference_relay.queue.queued_message import MessageState
from reference_relay.queue.spool_file import DAMAGED, DATABASE
from reference_relay.queue.tests.steps import Clock, message, opened

PAGE = 4096


def content_of(number: int) -> bytes:
    return f"Received: by x with ESMTPSA id {queue_id(number)}\r\n\r\n".encode() + bytes(1500)


def queue_id(number: int) -> str:
    return f"0{number:012}"


async def fill(directory: Path, count: int) -> None:
    async with opened(directory) as queue:
        await asyncio.gather(
            *(
                queue.commit(message(queue_id(n), content=content_of(n)))
                for n in range(1, count + 1)
            )
        )


async def claimable(directory: Path) -> list[str]:
    async with opened(directory) as queue:
        found: list[str] = []
        while True:
            try:
                claimed = await asyncio.wait_for(queue.claim(), 0.5)
            except TimeoutError:
                return sorted(found)
            assert claimed.message.content == content_of(int(claimed.message.queue_id))
            found.append(claimed.message.queue_id)


def test_changed_octet_is_quarantined_by_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A content that is not as it was written is never delivered; its queue ID is named."""

    async def run() -> None:
        await fill(tmp_path, 3)
        damage = apsw.Connection(str(tmp_path / DATABASE))
        changed = content_of(2).replace(b"\0", b"\1", 1)
        damage.execute("UPDATE content SET octets = ? WHERE number = 2", (changed,))
        damage.close()
        async with opened(tmp_path) as queue:
            claims = [await asyncio.wait_for(queue.claim(), 5) for _ in range(2)]
            assert [each.message.queue_id for each in claims] == [queue_id(1), queue_id(3)]
            found = queue.status(queue_id(2))
            assert found is not None
            assert found.state is MessageState.DAMAGED

    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert f"event=quarantined queue_id={queue_id(2)}" in caplog.text


@pytest.mark.parametrize("table", ["content", "message"])
def test_damaged_page_costs_its_own_messages_only(
    tmp_path: Path, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With a page of nothing in the middle, what is elsewhere is delivered, the rest is named."""
    count = 200
    asyncio.run(fill(tmp_path, count))
    path = tmp_path / DATABASE
    octets = bytearray(path.read_bytes())
    page = leaf_of(path, table)
    octets[(page - 1) * PAGE : page * PAGE] = b"\xff" * PAGE
    path.write_bytes(octets)
    with caplog.at_level(logging.ERROR):
        kept = asyncio.run(claimable(tmp_path))
    missing = {queue_id(n) for n in range(1, count + 1)} - set(kept)
    assert 0 < len(missing) < count
    for one in missing:
        assert f"event=quarantined queue_id={one}" in caplog.text
    (aside,) = tmp_path.glob(f"{DAMAGED}-*")
    assert (aside / DATABASE).read_bytes() == octets, "the damaged file is kept as it was"
    if table == "message":
        # Without its envelope the content can still be given to a person.
        assert {each.stem for each in aside.glob("*.eml")} == missing


def leaf_of(path: Path, table: str) -> int:
    """Return a leaf in the middle of a table."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        (root,) = next(
            connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,))
        )
    finally:
        connection.close()
    octets = path.read_bytes()
    start = (root - 1) * PAGE
    assert octets[start] == 5, "an inner page of a table (file format §1.6)"
    cells = int.from_bytes(octets[start + 3 : start + 5])
    pointer = start + 12 + 2 * (cells // 2)
    cell = start + int.from_bytes(octets[pointer : pointer + 2])
    return int.from_bytes(octets[cell : cell + 4])


@pytest.mark.parametrize("torn", [1, 100, 5000])
def test_torn_tail_loses_what_was_not_promised(tmp_path: Path, torn: int) -> None:
    """A log that ends in the middle of a record is good up to the last whole transaction."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            for number in (1, 2):
                await queue.commit(message(queue_id(number), content=content_of(number)))
            log = tmp_path / f"{DATABASE}-wal"
            # As a crash leaves it: half of a transaction that nobody was told about.
            octets = log.read_bytes()
            database = (tmp_path / DATABASE).read_bytes()
            await queue.commit(message(queue_id(3), content=content_of(3)))
            tail = log.read_bytes()[len(octets) :]
        crashed = tmp_path / "crashed"
        crashed.mkdir()
        (crashed / DATABASE).write_bytes(database)
        (crashed / f"{DATABASE}-wal").write_bytes(octets + tail[: min(torn, len(tail) - 1)])
        assert await claimable(crashed) == [queue_id(1), queue_id(2)]
        assert not list(crashed.glob(f"{DAMAGED}-*")), "nothing that was promised is missing"

    asyncio.run(run())


@pytest.mark.parametrize("place", ["header", "second"])
def test_damage_inside_the_log_names_what_was_promised(
    tmp_path: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite drops a log from the damage on and says nothing: the mail behind it is named."""

    async def run() -> list[str]:
        async with opened(tmp_path) as queue:
            log = tmp_path / f"{DATABASE}-wal"
            ends = [log.stat().st_size]
            database = (tmp_path / DATABASE).read_bytes()
            for number in (1, 2, 3):
                await queue.commit(message(queue_id(number), content=content_of(number)))
                ends.append(log.stat().st_size)
            octets = bytearray(log.read_bytes())
        # The first page of the second transaction, or the header of the whole log.
        octets[ends[1] + 100 if place == "second" else 20] ^= 0xFF
        damaged = tmp_path / "damaged"
        damaged.mkdir()
        (damaged / DATABASE).write_bytes(database)
        (damaged / f"{DATABASE}-wal").write_bytes(octets)
        kept = await claimable(damaged)
        (aside,) = damaged.glob(f"{DAMAGED}-*")
        assert (aside / f"{DATABASE}-wal").read_bytes() == octets, "the log is kept as it was"
        return kept

    with caplog.at_level(logging.ERROR):
        kept = asyncio.run(run())
    assert kept == ([queue_id(1)] if place == "second" else [])
    for number in (1, 2, 3):
        is_named = f"event=quarantined queue_id={queue_id(number)}" in caplog.text
        assert is_named is (queue_id(number) not in kept)


def test_file_that_nothing_can_be_read_from(tmp_path: Path) -> None:
    """Garbage under the name of a queue is refused, and stays as it is."""
    path = tmp_path / DATABASE
    path.write_bytes(b"SQLite format 3\0" + b"\xaa" * 9000)
    before = path.read_bytes()
    with pytest.raises(QueueError, match=r"queue\.sqlite"):
        Queue.open(tmp_path, Clock())
    assert path.read_bytes() == before
