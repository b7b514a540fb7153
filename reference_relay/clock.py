"""The one clock of a relay (D-25): the system's, or a virtual one that runs on with it and jumps.

Every rule about time reads it: retries, re-checks, lifetimes of DNS answers, deadlines, rates.
Timeouts of sockets are real time and no business of its.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

# Dates beyond four-digit years cannot be written, and a lab has no business there anyway.
LATEST = 4102444800.0  # 2100-01-01T00:00:00Z
# The system's clock may be set by others, who tell nobody; a wait looks at it this often.
_LOOK_SECONDS = 60.0


class Clock:
    """Seconds since the epoch. Belongs to the event loop's thread; reading it is free to all.

    Args:
        source: Where the time comes from.
        is_virtual: Whether it may be moved.
    """

    def __init__(
        self, source: Callable[[], float] = time.time, *, is_virtual: bool = False
    ) -> None:
        self.is_virtual = is_virtual
        self._source = source
        self._ahead = 0.0
        self._listeners: list[Callable[[], None]] = []
        self._waiters: set[asyncio.Future[None]] = set()

    def __call__(self) -> float:
        """Tell the time."""
        return self._source() + self._ahead

    @property
    def ahead(self) -> float:
        """By how many seconds it was moved altogether."""
        return self._ahead

    def advance(self, seconds: float) -> None:
        """Move it on; whoever waits for it looks again.

        Raises:
            ValueError: It is the system's, or the step leads back or too far.
        """
        if not (0 <= seconds <= LATEST - self()):
            raise ValueError(
                f"expected 0 seconds or more, and to stay before 2100; found {seconds}"
            )
        self.put_ahead(self._ahead + seconds)

    def put_ahead(self, seconds: float) -> None:
        """Take over how far another clock of the same relay was moved.

        Raises:
            ValueError: It is the system's, and this would move it.
        """
        if seconds == self._ahead:
            return
        if not self.is_virtual:
            raise ValueError('the system\'s clock is not moved; expected clock = "virtual"')
        self._ahead = seconds
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        for listener in self._listeners:
            listener()

    def on_move(self, listener: Callable[[], None]) -> None:
        """Have something called after every move."""
        self._listeners.append(listener)

    async def wait_until(self, moment: float) -> None:
        """Return when it is that time, at once if it has been; a jump wakes without delay."""
        loop = asyncio.get_running_loop()
        while (left := moment - self()) > 0:
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.add(waiter)
            timer = loop.call_later(min(left, _LOOK_SECONDS), _wake, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiters.discard(waiter)


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
