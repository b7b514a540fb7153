"""Lanes: limits, turns, and an end."""

from __future__ import annotations

import asyncio

from reference_relay.delivery.lanes import Lanes


class Recorder:
    """Does nothing, at length if it is told to, and remembers in which order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self.may_go_on = asyncio.Event()
        self.changed = asyncio.Condition()

    async def do(self, work: str) -> None:
        """Note it; what begins with "slow" waits until it may go on."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if work.startswith("slow"):
                await self.may_go_on.wait()
            await asyncio.sleep(0)
            async with self.changed:
                self.done.append(work)
                self.changed.notify_all()
        finally:
            self.at_once -= 1

    async def until(self, count: int) -> None:
        """Wait until so many things are done."""
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(lambda: len(self.done) >= count)


def test_one_destination_has_its_limit() -> None:
    """Never more than its share goes on at a time for one destination, and all of it is done."""

    async def run() -> None:
        recorder = Recorder()
        lanes = Lanes(recorder.do, 3, 100)
        for number in range(20):
            lanes.add("a", f"{number}")
        await recorder.until(20)
        assert recorder.most_at_once == 3

    asyncio.run(run())


def test_a_slow_destination_keeps_nobody_waiting() -> None:
    """What waits for a slow destination keeps no lane from the others."""

    async def run() -> None:
        recorder = Recorder()
        lanes = Lanes(recorder.do, 1, 2)
        for number in range(5):
            lanes.add("slow", f"slow{number}")
        for number in range(5):
            lanes.add("b", f"b{number}")
        await recorder.until(5)
        assert recorder.done == [f"b{number}" for number in range(5)]
        recorder.may_go_on.set()
        await recorder.until(10)

    asyncio.run(run())


def test_destinations_take_turns() -> None:
    """With fewer lanes than destinations, a long line does not hold up a short one."""

    async def run() -> None:
        recorder = Recorder()
        lanes = Lanes(recorder.do, 1, 1)
        for number in range(3):
            lanes.add("a", f"a{number}")
        lanes.add("b", "b0")
        await recorder.until(4)
        assert recorder.done.index("b0") < 2
        lanes.add("c", "c0")
        await recorder.until(5)

    asyncio.run(run())


def test_the_end_does_not_wait_for_ever() -> None:
    """What goes on gets its time; then it is cancelled, and what waits behind it never begins."""

    async def run() -> None:
        recorder = Recorder()
        lanes = Lanes(recorder.do, 1, 10)
        for work in ("slow", "later"):
            lanes.add("a", work)
        lanes.add("b", "quick")
        await lanes.close(0.05)
        assert (recorder.done, recorder.at_once) == (["quick"], 0)

    asyncio.run(run())
