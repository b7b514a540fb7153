"""Back-pressure: the queue refuses while there is still room to finish."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from reference_relay.queue import room
from reference_relay.queue.queue import QueueFull
from reference_relay.queue.queued_message import Delivered
from reference_relay.queue.room import Room, RoomLimits
from reference_relay.queue.settings import QueueSettings
from reference_relay.queue.tests.steps import message, opened


def test_long_queue_refuses_until_it_is_shorter(tmp_path: Path) -> None:
    """At the limit of messages a commit is refused; after a delivery there is room again."""

    async def run() -> None:
        settings = QueueSettings(room=RoomLimits(messages=1))
        async with opened(tmp_path, settings=settings) as queue:
            await queue.commit(message("A1"))
            assert queue.is_full
            with pytest.raises(QueueFull):
                await queue.commit(message("A2"))
            await queue.claim()
            queue.settle("A1", {0: Delivered("250 ok")})
            await queue.commit(message("A3"))

    asyncio.run(run())


def test_settlement_needs_no_room(tmp_path: Path) -> None:
    """A full queue still takes the relay's own mail about what it settles."""

    async def run() -> None:
        settings = QueueSettings(room=RoomLimits(messages=1))
        async with opened(tmp_path, settings=settings) as queue:
            await queue.commit(message("A1"))
            await queue.claim()
            queue.settle("A1", {0: Delivered("250 ok")}, lambda _: [message("A2")])
            assert (await asyncio.wait_for(queue.claim(), 5)).message.queue_id == "A2"

    asyncio.run(run())


def test_disk_is_full_before_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With less than the reserve left the queue is full, and not any more when space is back."""
    free = 99
    monkeypatch.setattr(room, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(
        os, "statvfs", lambda _: SimpleNamespace(f_bavail=free, f_frsize=10), raising=True
    )
    limits = Room(tmp_path, RoomLimits(reserve_octets=1000))
    assert limits.is_full(0)
    free = 100
    assert not limits.is_full(0)
