"""Hold, release, flush and delete, and what can be listed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from reference_relay.queue.queue import Queue
from reference_relay.queue.queued_message import (
    Deferred,
    Delivered,
    MessageState,
    MessageStatus,
    Obeyed,
    Order,
    RecipientState,
)
from reference_relay.queue.spool_reader import Selection
from reference_relay.queue.tests.steps import START, Clock, message, opened


def status(queue: Queue, queue_id: str) -> MessageStatus:
    found = queue.status(queue_id)
    assert found is not None
    return found


async def nothing_is_due(queue: Queue) -> bool:
    claim = asyncio.ensure_future(queue.claim())
    for _ in range(5):
        await asyncio.sleep(0)
    is_waiting = not claim.done()
    claim.cancel()
    return is_waiting


def test_held_mail_waits_for_its_release(tmp_path: Path) -> None:
    """What is held is not attempted, after a restart neither, until it is released."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            await queue.commit(message("A1"))
            assert await queue.obey(Order.HOLD, ["A1"]) == Obeyed(1)
            assert await nothing_is_due(queue)
        async with opened(tmp_path) as queue:
            assert await nothing_is_due(queue)
            assert status(queue, "A1").state is MessageState.HELD
            assert await queue.obey(Order.RELEASE, None) == Obeyed(1)
            claimed = await asyncio.wait_for(queue.claim(), 5)
            assert claimed.message.queue_id == "A1"
            assert status(queue, "A1").state is MessageState.QUEUED

    asyncio.run(run())


def test_hold_lets_an_attempt_end(tmp_path: Path) -> None:
    """A hold during an attempt counts from the next one on."""

    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as queue:
            await queue.commit(message("A1"))
            await queue.claim()
            await queue.obey(Order.HOLD, ["A1"])
            queue.settle("A1", {0: Deferred("450 later")})
            clock.time += 3600
            assert await nothing_is_due(queue)

    asyncio.run(run())


def test_flushed_mail_is_due_at_once(tmp_path: Path) -> None:
    """A flush brings a retry forward; the attempt counts like any other."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            await queue.commit(message("A1"))
            await queue.claim()
            queue.settle("A1", {0: Deferred("450 later")})
            assert await nothing_is_due(queue)
            assert await queue.obey(Order.FLUSH, None) == Obeyed(1)
            assert (await asyncio.wait_for(queue.claim(), 5)).attempt == 2
            assert await nothing_is_due(queue), "the time it was due before is void"

    asyncio.run(run())


def test_deleted_mail_is_bounced_on_record(tmp_path: Path) -> None:
    """Deletion ends the open recipients, and only those; it holds after a restart."""

    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as queue:
            await queue.commit(message("A1", "x@a.example", "y@b.example"))
            await queue.claim()
            queue.settle("A1", {0: Delivered("250 ok"), 1: Deferred("450 later")})
        async with opened(tmp_path, clock) as queue:
            assert await queue.obey(Order.DELETE, ["A1", "A9"]) == Obeyed(1, unknown=("A9",))
            assert queue.depth == 0
        async with opened(tmp_path, clock) as queue:
            assert queue.depth == 0
            found = status(queue, "A1")
            assert found.state is MessageState.SETTLED
            assert [each.state for each in found.recipients] == [
                RecipientState.DELIVERED,
                RecipientState.BOUNCED,
            ]

    asyncio.run(run())


def test_mail_under_way_is_not_deleted(tmp_path: Path) -> None:
    """What is being delivered cannot be called back; the answer says so."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            await queue.commit(message("A1"))
            await queue.claim()
            assert await queue.obey(Order.DELETE, None) == Obeyed(0, busy=("A1",))
            queue.settle("A1", {0: Delivered("250 ok")})

    asyncio.run(run())


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), ["A4", "A3", "A2", "A1"]),
        (Selection(limit=2), ["A4", "A3"]),
        (Selection(before="A3"), ["A2", "A1"]),
        (Selection(configuration_id="other"), ["A2"]),
        (Selection(accepted_from=START + 1, accepted_before=START + 3), ["A3", "A2"]),
        (Selection(is_unsettled=True), ["A4", "A3", "A2"]),
    ],
)
def test_selection(tmp_path: Path, selection: Selection, expected: list[str]) -> None:
    """Messages are listed by configuration, time and state, the latest first, page by page."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            for number in range(4):
                one = message(f"A{number + 1}", at=START + number)
                await queue.commit(replace(one, configuration_id="other") if number == 1 else one)
            await queue.claim()
            queue.settle("A1", {0: Delivered("250 ok")})
            await queue.obey(Order.HOLD, None)
            found = await queue.select(selection)
            assert [each.queue_id for each in found] == expected

    asyncio.run(run())


def test_status_tells_of_the_next_attempt(tmp_path: Path) -> None:
    """The status holds size, sender, attempts, and when the next one is due."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            await queue.commit(message("A1", content=b"x" * 70))
            await queue.claim()
            queue.settle("A1", {0: Deferred("450 later")})
            found = status(queue, "A1")
            assert (found.octets, str(found.reverse_path)) == (70, "a@example.com")
            assert (found.attempts, found.next_attempt) == (1, START + 1800)

    asyncio.run(run())
