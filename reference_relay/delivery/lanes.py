"""How many transactions go on at a time, with one destination and in all.

A lane is a task that does what waits for a destination, one thing after the other, for as long
as there is any: most messages to a busy destination need no task and no lock of their own.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Work = TypeVar("Work")


@dataclass(slots=True, eq=False)
class _Line(Generic[Work]):
    """What waits for one destination.

    Attributes:
        lanes: How many lanes it has, or waits for.
    """

    destination: str
    waiting: deque[Work] = field(default_factory=deque)
    lanes: int = 0


class Lanes(Generic[Work]):
    """Does what waits for destinations. Who waits for a slow one keeps no lane from the others."""

    def __init__(
        self, do: Callable[[Work], Awaitable[None]], per_destination: int, in_all: int
    ) -> None:
        """Open no lane yet.

        Args:
            do: Does a thing; raises nothing but when it is cancelled.
            per_destination: At most so many at a time for one destination.
            in_all: At most so many at a time for all of them.
        """
        self._do = do
        self._per_destination = per_destination
        self._in_all = in_all
        self._lines: dict[str, _Line[Work]] = {}
        # Those that wait for a lane, in turn.
        self._without_lane: deque[_Line[Work]] = deque()
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, destination: str, work: Work) -> None:
        """Let a thing be done as soon as there is a lane."""
        line = self._lines.get(destination)
        if line is None:
            line = self._lines[destination] = _Line(destination)
        line.waiting.append(work)
        if line.lanes >= self._per_destination:
            return
        line.lanes += 1
        if self._open < self._in_all:
            self._open += 1
            task = asyncio.create_task(self._run(line))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._without_lane.append(line)

    async def close(self, within: float) -> None:
        """Let what waits be done for so many seconds; what is left then is cancelled or dropped."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within)
        self._lines.clear()
        self._without_lane.clear()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _run(self, line: _Line[Work]) -> None:
        while True:
            if line.waiting:
                await self._do(line.waiting.popleft())
                if self._without_lane:
                    # Every destination in turn.
                    self._without_lane.append(line)
                    line = self._without_lane.popleft()
                continue
            line.lanes -= 1
            if not line.lanes:
                self._lines.pop(line.destination, None)
            if not self._without_lane:
                # Here, not when the task is done: whoever comes in between would wait for ever.
                self._open -= 1
                return
            line = self._without_lane.popleft()
