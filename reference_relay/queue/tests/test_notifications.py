"""The relay's own mail: on record if and only if what it reports is."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope, Recipient
from reference_relay.queue import spool_file
from reference_relay.queue.queue import QueueError
from reference_relay.queue.queued_message import (
    Deferred,
    Delivered,
    Failed,
    Outcome,
    QueuedMessage,
    RecipientState,
)
from reference_relay.queue.tests.steps import DAY, START, Clock, message, opened, states


def test_notification_is_durable_with_its_settlement(tmp_path: Path) -> None:
    """Mail about an outcome is queued in the transaction that records it, or neither is."""

    async def run() -> None:
        bounce = QueuedMessage(
            "A2",
            Envelope(None, (Recipient(Mailbox("a", "example.com")),)),
            b"Subject: failed\r\n\r\n",
            "us-south/public",
            "",
            START,
        )
        async with opened(tmp_path) as queue:
            await queue.commit(message("A1"))
            await queue.claim()
            connection = queue._spool._connection
            connection.pragma("max_page_count", connection.pragma("page_count"))
            huge = replace(bounce, content=bytes(100_000))
            queue.settle("A1", {0: Failed("550 no")}, lambda _: [huge])
            with pytest.raises(QueueError):
                await queue.commit(message("A3"))
            reader = apsw.Connection(str(tmp_path / spool_file.DATABASE))
            assert not list(reader.execute("SELECT * FROM event"))
            reader.close()
            connection.pragma("max_page_count", 1_000_000)
            claimed = await asyncio.wait_for(queue.claim(), 5)
            assert claimed.message == huge
        async with opened(tmp_path) as queue:
            assert states(queue, "A1") == [RecipientState.BOUNCED]
            assert states(queue, "A2") == [RecipientState.SUBMITTED]
            assert (await asyncio.wait_for(queue.claim(), 5)).message == huge

    asyncio.run(run())


def test_notification_sees_what_is_recorded(tmp_path: Path) -> None:
    """Whoever writes the notification is told that a deferral whose time is up is a failure."""

    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as queue:
            await queue.commit(message("A1"))
            clock.time += 5 * DAY
            await queue.claim()
            seen: list[object] = []

            def notify(recorded: Mapping[int, Outcome]) -> list[QueuedMessage]:
                seen.append(recorded)
                return []

            queue.settle("A1", {0: Deferred("450 later")}, notify)
            assert seen == [{0: Failed("5.4.7 Delivery time expired; last: 450 later")}]

    asyncio.run(run())


def test_sender_is_warned_once(tmp_path: Path) -> None:
    """Attempts of a late message say so until a notification went out, restarts included."""

    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as queue:
            await queue.commit(message("A1"))
            assert not (await queue.claim()).is_overdue
            queue.settle("A1", {0: Deferred("450 later")}, lambda _: [message("A2")])
            clock.time += 4 * 3600
            claimed = {(await queue.claim()).message.queue_id for _ in range(2)}
            assert claimed == {"A1", "A2"}
            queue.settle("A1", {0: Deferred("450 later")}, lambda _: [])
            clock.time += 4 * 3600
            assert (await asyncio.wait_for(queue.claim(), 5)).is_overdue
            queue.settle("A1", {0: Deferred("450 later")}, lambda _: [message("A3")])
            queue.settle("A2", {0: Delivered("250 ok")})
        async with opened(tmp_path, clock) as queue:
            clock.time += 4 * 3600
            claims = [await asyncio.wait_for(queue.claim(), 5) for _ in range(2)]
            assert {(each.message.queue_id, each.is_overdue) for each in claims} == {
                ("A1", False),
                ("A3", True),
            }

    asyncio.run(run())


def test_notification_with_a_used_id_blocks_nothing(tmp_path: Path) -> None:
    """A notification that cannot be stored is dropped; outcomes and other mail are recorded."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            await queue.commit(message("A1"))
            await queue.claim()
            queue.settle("A1", {0: Failed("550 no")}, lambda _: [message("A1")])
            await queue.commit(message("A2"))
            assert (await asyncio.wait_for(queue.claim(), 5)).message.queue_id == "A2"
        async with opened(tmp_path) as queue:
            assert states(queue, "A1") == [RecipientState.BOUNCED]
            assert queue.depth == 1

    asyncio.run(run())
