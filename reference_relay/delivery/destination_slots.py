"""How many transactions one destination gets at a time, so that a slow one leaves room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class DestinationSlots:
    """A semaphore per destination, kept only while somebody uses it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._users: dict[str, int] = {}

    @asynccontextmanager
    async def held(self, destination: str) -> AsyncIterator[None]:
        """Wait for a slot and hold it."""
        slots = self._slots.setdefault(destination, asyncio.Semaphore(self._limit))
        self._users[destination] = self._users.get(destination, 0) + 1
        try:
            async with slots:
                yield
        finally:
            self._users[destination] -= 1
            if not self._users[destination]:
                del self._users[destination], self._slots[destination]
