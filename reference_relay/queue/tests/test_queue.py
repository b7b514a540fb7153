"""Commit, claim, settle, recover."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from reference_relay.queue import journal, spool_file
from reference_relay.queue import queue as queue_module
from reference_relay.queue.queue import QueueError
from reference_relay.queue.queue_id import QueueIdSource
from reference_relay.queue.queued_message import (
    Deferred,
    Delivered,
    Failed,
    RecipientState,
)
from reference_relay.queue.tests.steps import DAY, START, Clock, message, opened, states


def test_message_comes_back_as_committed(tmp_path: Path) -> None:
    """A claimed message equals the committed one, and a delivered one leaves the queue."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            original = message("A1")
            await queue.commit(original)
            assert queue.depth == 1
            claimed = await queue.claim()
            assert claimed.message is original, "a fresh message comes from memory"
            assert (claimed.pending, claimed.attempt) == ((0,), 1)
            queue.settle("A1", {0: Delivered("250 2.0.0 Ok")})
            assert queue.depth == 0
            assert states(queue, "A1") == [RecipientState.DELIVERED]
        async with opened(tmp_path) as queue:
            assert queue.depth == 0
            assert states(queue, "A1") == [RecipientState.DELIVERED]

    asyncio.run(run())


def test_unsettled_survives_a_restart(tmp_path: Path) -> None:
    """What was not settled is recovered with its content and its open recipients."""

    async def run() -> None:
        original = message("A1", "x@a.example", "y@b.example", "z@c.example", content=bytes(70000))
        async with opened(tmp_path) as queue:
            await queue.commit(original)
            await queue.commit(message("A2"))
            await queue.claim()
            queue.settle("A1", {1: Delivered("250 ok")})
        async with opened(tmp_path) as queue:
            assert queue.depth == 2
            assert queue.last_queue_id == "A2"
            claimed = await queue.claim()
            assert claimed.message == original
            assert claimed.pending == (0, 2)

    asyncio.run(run())


def test_deferred_comes_back_when_due(tmp_path: Path) -> None:
    """A deferred recipient is claimed alone, after the retry delay, with its history kept."""

    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as queue:
            await queue.commit(message("A1", "x@a.example", "y@b.example", "z@c.example"))
            await queue.claim()
            queue.settle(
                "A1",
                {0: Deferred("450 later"), 1: Failed("550 5.1.1 no"), 2: Delivered("250 ok")},
            )
            claim = asyncio.ensure_future(queue.claim())
            clock.time += 1799
            queue.wake()
            await asyncio.sleep(0)
            assert not claim.done()
            clock.time += 1
            queue.wake()
            claimed = await asyncio.wait_for(claim, 5)
            assert (claimed.pending, claimed.attempt) == ((0,), 2)
            queue.settle("A1", {0: Delivered("250 at last")})
            status = queue.status("A1")
            assert status is not None
            assert [
                (e.at - START, e.state.value, e.text) for e in status.recipients[0].history
            ] == [
                (0, "submitted", ""),
                (0, "deferred", "450 later"),
                (1800, "delivered", "250 at last"),
            ]
            assert states(queue, "A1")[1:] == [RecipientState.BOUNCED, RecipientState.DELIVERED]

    asyncio.run(run())


def test_waiting_claim_notices_a_clock_that_was_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that waits for a retry finds out by itself when the system's clock was set."""
    monkeypatch.setattr(queue_module, "_CLOCK_LOOK_SECONDS", 0.01)

    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as queue:
            await queue.commit(message("A1"))
            await queue.claim()
            queue.settle("A1", {0: Deferred("450 later")})
            claim = asyncio.ensure_future(queue.claim())
            await asyncio.sleep(0)
            clock.time += 4000
            assert (await asyncio.wait_for(claim, 5)).attempt == 2

    asyncio.run(run())


def test_retry_time_survives_a_restart(tmp_path: Path) -> None:
    """After a restart a deferred message waits as long as it would have, and counts on."""

    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as queue:
            await queue.commit(message("A1"))
            await queue.claim()
            queue.settle("A1", {0: Deferred("450 later")})
        async with opened(tmp_path, clock) as queue:
            claim = asyncio.ensure_future(queue.claim())
            await asyncio.sleep(0)
            assert not claim.done()
            clock.time += 1800
            queue.wake()
            assert (await asyncio.wait_for(claim, 5)).attempt == 2

    asyncio.run(run())


def test_deferral_past_the_limit_is_a_failure(tmp_path: Path) -> None:
    """The deferral after five days is recorded as bounced, with 5.4.7 and the last reason."""

    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as queue:
            await queue.commit(message("A1"))
            clock.time += 5 * DAY
            await queue.claim()
            recorded = queue.settle("A1", {0: Deferred("450 later")})
            assert recorded == {0: Failed("5.4.7 Delivery time expired; last: 450 later")}
            assert queue.depth == 0
            assert states(queue, "A1") == [RecipientState.BOUNCED]

    asyncio.run(run())


def test_time_that_runs_out_between_two_destinations(tmp_path: Path) -> None:
    """A recipient put off in time, whose attempt ends too late, is tried once more and bounced."""

    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as queue:
            await queue.commit(message("A1", "x@a.example", "y@b.example"))
            clock.time += 5 * DAY - 1
            await queue.claim()
            assert queue.settle("A1", {0: Deferred("450 later")}) == {0: Deferred("450 later")}
            clock.time += 2
            queue.settle("A1", {1: Delivered("250 ok")})
            again = await asyncio.wait_for(queue.claim(), 5)
            assert again.pending == (0,)
            queue.settle("A1", {0: Deferred("450 later")})
            assert states(queue, "A1") == [RecipientState.BOUNCED, RecipientState.DELIVERED]
            assert queue.depth == 0

    asyncio.run(run())


def test_outcomes_may_come_in_parts(tmp_path: Path) -> None:
    """A part of the recipients can be settled while the attempt goes on for the others."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            await queue.commit(message("A1", "x@a.example", "y@b.example"))
            await queue.claim()
            queue.settle("A1", {1: Delivered("250 ok")})
            assert states(queue, "A1") == [RecipientState.SUBMITTED, RecipientState.DELIVERED]
            assert queue.depth == 1
            queue.settle("A1", {0: Delivered("250 ok")})
            assert queue.depth == 0
            with pytest.raises(ValueError, match="not claimed"):
                queue.settle("A1", {0: Delivered("250 ok")})

    asyncio.run(run())


def test_released_message_is_due_at_once(tmp_path: Path) -> None:
    """A released message is claimed again, and the attempt does not count."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            await queue.commit(message("A1"))
            await queue.claim()
            queue.release("A1")
            assert (await asyncio.wait_for(queue.claim(), 5)).attempt == 1

    asyncio.run(run())


def test_group_commit_groups(tmp_path: Path) -> None:
    """Concurrent commits share transactions: far fewer of those than messages."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            ids = QueueIdSource(Clock(), 0)

            async def client() -> None:
                for _ in range(10):
                    await queue.commit(message(ids.next()))

            await asyncio.gather(*(client() for _ in range(20)))
            assert queue.depth == 200
            assert queue.transactions <= 50

    asyncio.run(run())


def test_big_backlog_is_reread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content beyond the memory limit is dropped from memory and read again at the claim."""
    monkeypatch.setattr(queue_module, "_MEMORY_OCTETS", 100)

    async def run() -> None:
        async with opened(tmp_path) as queue:
            originals = [message(f"A{n}", content=bytes([n]) * 60) for n in range(3)]
            for each in originals:
                await queue.commit(each)
            claimed = [(await queue.claim()).message for _ in originals]
            assert claimed == originals
            assert claimed[0] is originals[0]
            assert claimed[1] is not originals[1]

    asyncio.run(run())


def test_cancelled_committer_does_not_undo(tmp_path: Path) -> None:
    """A message whose submitter went away during the commit is still delivered once."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            commit = asyncio.ensure_future(queue.commit(message("A1")))
            await asyncio.sleep(0)
            commit.cancel()
            claimed = await asyncio.wait_for(queue.claim(), 5)
            assert claimed.message.queue_id == "A1"
            assert queue.depth == 1

    asyncio.run(run())


def test_disk_trouble_refuses_and_heals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk error refuses the commit with QueueError, loses no settlement, and passes."""
    monkeypatch.setattr(journal, "_RETRY_FLUSH_SECONDS", 0.01)

    async def run() -> None:
        async with opened(tmp_path) as queue:
            await queue.commit(message("A1"))
            await queue.claim()
            # A database that may not grow any more fails like a full disk.
            connection = queue._spool._connection
            connection.pragma("max_page_count", connection.pragma("page_count"))
            queue.settle("A1", {0: Delivered("250 ok")})
            with pytest.raises(QueueError, match="cannot be written"):
                await queue.commit(message("A2", content=bytes(100_000)))
            assert queue.status("A2") is None
            assert queue.depth == 0
            connection.pragma("max_page_count", 1_000_000)
            await queue.commit(message("A3"))
            assert states(queue, "A1") == [RecipientState.DELIVERED]
        async with opened(tmp_path) as queue:
            assert queue.depth == 1
            assert states(queue, "A1") == [RecipientState.DELIVERED]

    asyncio.run(run())


def test_duplicate_id_refuses_only_itself(tmp_path: Path) -> None:
    """A queue ID used twice is refused; others in the same transaction are not."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            await queue.commit(message("A1"))
            results = await asyncio.gather(
                *(queue.commit(message(queue_id)) for queue_id in ("A2", "A1", "A3")),
                return_exceptions=True,
            )
            assert results[0] is None
            assert isinstance(results[1], QueueError)
            assert results[2] is None
            assert queue.depth == 3

    asyncio.run(run())


def test_stopped_queue_refuses(tmp_path: Path) -> None:
    """After stop nothing is accepted; what was handed over before is durable."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            last = asyncio.ensure_future(queue.commit(message("A1")))
            await asyncio.sleep(0)
        await last
        with pytest.raises(QueueError, match="closed"):
            await queue.commit(message("A2"))
        async with opened(tmp_path) as queue:
            assert queue.depth == 1

    asyncio.run(run())


def test_old_status_is_forgotten(tmp_path: Path) -> None:
    """History of settled mail goes after the retention time; unsettled and latest mail stays."""

    async def run() -> None:
        clock = Clock()
        async with opened(tmp_path, clock) as queue:
            for queue_id in ("A1", "A2", "A3"):
                await queue.commit(message(queue_id))
            for _ in range(2):
                claimed = await queue.claim()
                outcome = Delivered("250") if claimed.message.queue_id == "A1" else Deferred("450")
                queue.settle(claimed.message.queue_id, {0: outcome})
        # Only now: the commit thread may still be looking at the clock after its last batch.
        clock.time += 8 * DAY
        async with opened(tmp_path, clock) as queue:
            await queue.commit(message("A4", at=clock.time))
        async with opened(tmp_path, clock) as queue:
            assert queue.status("A1") is None
            assert queue.status("A2") is not None
            assert queue.status("A3") is not None
            assert queue.last_queue_id == "A4"

    asyncio.run(run())


def test_unreadable_message_does_not_stop_the_others(tmp_path: Path) -> None:
    """A message whose row is damaged is set aside; the next one is claimed."""

    async def run() -> None:
        async with opened(tmp_path) as queue:
            await queue.commit(message("A1"))
            await queue.commit(message("A2"))
        damage = apsw.Connection(str(tmp_path / spool_file.DATABASE))
        damage.execute("UPDATE message SET envelope = '{' WHERE queue_id = 'A1'")
        damage.close()
        async with opened(tmp_path) as queue:
            claimed = await asyncio.wait_for(queue.claim(), 5)
            assert claimed.message.queue_id == "A2"

    asyncio.run(run())


def test_kill_after_acknowledgement_loses_nothing(tmp_path: Path) -> None:
    """Every message acknowledged before a kill -9 at a random moment is there after it."""
    chance = random.Random(4)  # noqa: S311 - moments, not secrets
    acknowledged: set[str] = set()
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-m", "reference_relay.queue.tests.committing_child", str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        with child:
            assert child.stdout is not None
            for _ in range(chance.randint(1, 120)):
                acknowledged.add(child.stdout.readline().strip())
            os.kill(child.pid, signal.SIGKILL)
            # What reached the pipe before the kill counts too; a torn last line does not.
            acknowledged.update(child.stdout.read().splitlines(keepends=True)[:-1])
    acknowledged = {line.strip() for line in acknowledged}

    async def recovered() -> set[str]:
        async with opened(tmp_path) as queue:
            found = set()
            for _ in range(queue.depth):
                claimed = (await asyncio.wait_for(queue.claim(), 10)).message
                assert claimed.content.endswith(claimed.queue_id.encode() + b"\r\n")
                found.add(claimed.queue_id)
            return found

    assert len(acknowledged) >= 8
    assert acknowledged <= asyncio.run(recovered())
