"""The driver: many conversations in one loop, within a budget of time and messages."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Coroutine, Sequence
from typing import TypeVar

from loadtests.benchmark.conversation import Conversation, Script
from loadtests.benchmark.workload import (
    WIDTH,
    Login,
    Workload,
    content,
    fresh_session,
    kept_session,
    one_message,
)

T = TypeVar("T")

# A server that is stuck ends a benchmark with a message, never hangs it.
_PATIENCE_SECONDS = 60.0


class Budget:
    """How long and how much: as many messages as fit in the time, within bounds.

    Args:
        seconds: When to stop; messages under way are finished.
        at_least: Not before so many, unless the server needs four times the time.
        at_most: Not more than so many.
    """

    def __init__(self, seconds: float, *, at_least: int = 0, at_most: int | None = None) -> None:
        self._at_least = at_least
        self._at_most = at_most
        self._started_at = time.monotonic()
        self._due_at = self._started_at + seconds
        self._ends_at = self._started_at + 4 * seconds
        self.taken = 0

    @property
    def longest_seconds(self) -> float:
        """A bound for whoever waits."""
        return self._ends_at - self._started_at + _PATIENCE_SECONDS

    def take(self) -> bool:
        """Take one more message, if there is one."""
        now = time.monotonic()
        is_over = now >= self._due_at and self.taken >= self._at_least
        if is_over or now >= self._ends_at or self.taken == self._at_most:
            return False
        self.taken += 1
        return True


def client_context() -> ssl.SSLContext:
    """TLS 1.3 without verification: what is measured is the server, over loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


class Driver:
    """Loads the server at one address with one workload."""

    def __init__(self, address: tuple[str, int], login: Login, workload: Workload) -> None:
        self._address = address
        self._login = login
        self._turns = one_message(content(workload.octets), is_grouped=workload.is_grouped)
        self._tls_context = client_context()
        self._budget = Budget(0)
        self._is_over = False
        self._kept: list[Conversation] = []
        self._open: set[Conversation] = set()

    async def run_fresh(self, budget: Budget) -> None:
        """Send each message in a session of its own, `WIDTH` at a time.

        Raises:
            OSError: A connection failed; TimeoutError if a session is stuck.
            UnexpectedReply: The server refused something.
            ssl.SSLError: A handshake failed.
        """
        async with asyncio.timeout(budget.longest_seconds):
            await _together([self._one_after_another(budget) for _ in range(WIDTH)])

    async def open_kept(self, count: int) -> None:
        """Open more sessions and sign them in, `WIDTH` at a time.

        Raises:
            Exception: As `run_fresh`.
        """
        async with asyncio.timeout(_PATIENCE_SECONDS + count / 50):
            for first in range(0, count, WIDTH):
                group = range(first, min(first + WIDTH, count))
                self._kept += await _together([self._signed_in() for _ in group])

    async def run_kept(self, budget: Budget, width: int = WIDTH) -> None:
        """Send messages over some of the open sessions; the others stay idle.

        Raises:
            Exception: As `run_fresh`.
        """
        self._budget = budget
        working = self._kept[:width]
        for conversation in working:
            conversation.resume()
        async with asyncio.timeout(budget.longest_seconds):
            await asyncio.gather(*(conversation.stopped for conversation in working))

    async def close(self) -> None:
        """End every session: quit where it is parked, abort what a failure has left behind."""
        self._is_over = True
        remaining = tuple(self._open)
        for conversation in remaining:
            if conversation.is_parked:
                conversation.resume()
            else:
                conversation.abort()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await asyncio.gather(*(conversation.closed for conversation in remaining))
        self._kept.clear()

    async def _one_after_another(self, budget: Budget) -> None:
        while budget.take():
            conversation = await self._connect(fresh_session(self._login, self._turns))
            await conversation.stopped
            await conversation.closed

    async def _signed_in(self) -> Conversation:
        script = kept_session(
            self._login, self._turns, lambda: self._budget.take(), lambda: self._is_over
        )
        conversation = await self._connect(script)
        await conversation.stopped
        return conversation

    async def _connect(self, script: Script) -> Conversation:
        _, conversation = await asyncio.get_running_loop().create_connection(
            lambda: Conversation(script, self._tls_context), *self._address
        )
        self._open.add(conversation)
        conversation.closed.add_done_callback(lambda _: self._open.discard(conversation))
        return conversation


async def _together(work: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """Await all; the first failure ends the others."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
