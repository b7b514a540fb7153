"""The defects; the only module here that reaches into `reference_relay`, in its own process."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

EVERY_VARIABLE = "LOAD_DEFECT_EVERY"
# How long the acknowledgement runs ahead of the disk.
_EARLY_SECONDS = 1.0
# Above so many MAIL commands a second this relay thinks that it is busy.
_BUSY_RATE = 40


def _every() -> int:
    return int(os.environ.get(EVERY_VARIABLE, "10000"))


def dropped() -> None:
    """Acknowledge every ten-thousandth message and forget it."""
    from reference_relay.queue.queue import Queue

    original, numbers, every = Queue.hand_over, count(1), _every()

    def instead(self: Any, message: Any, done: Callable[[Exception | None], None]) -> None:
        if next(numbers) % every:
            original(self, message, done)
        else:
            asyncio.get_running_loop().call_soon(done, None)

    Queue.hand_over = instead  # type: ignore[method-assign]  # that is the defect


def doubled() -> None:
    """Deliver every ten-thousandth message twice."""
    from reference_relay.queue.queue import Queue

    original, numbers, every = Queue.hand_over, count(1), _every()

    def instead(self: Any, message: Any, done: Callable[[Exception | None], None]) -> None:
        original(self, message, done)
        if not next(numbers) % every:
            again = replace(message, queue_id=f"{message.queue_id}2")
            original(self, again, lambda _: None)

    Queue.hand_over = instead  # type: ignore[method-assign]  # that is the defect


def acknowledged_early() -> None:
    """Say 250 a second before the message is on disk."""
    from reference_relay.queue.queue import Queue

    original = Queue.hand_over

    def instead(self: Any, message: Any, done: Callable[[Exception | None], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(done, None)
        loop.call_later(_EARLY_SECONDS, original, self, message, lambda _: None)

    Queue.hand_over = instead  # type: ignore[method-assign]  # that is the defect


def open_when_busy() -> None:
    """Admit any sender while there is much to do."""
    from reference_relay.policy import sender_domain

    original = sender_domain.judge_reverse_path
    moments: deque[float] = deque(maxlen=_BUSY_RATE)

    def instead(*arguments: Any, **named: Any) -> Any:
        now = time.monotonic()
        is_busy = len(moments) == _BUSY_RATE and now - moments[0] < 1.0
        moments.append(now)
        return None if is_busy else original(*arguments, **named)

    sender_domain.judge_reverse_path = instead


DEFECTS: Mapping[str, Callable[[], None]] = {
    "none": lambda: None,
    "dropped": dropped,
    "doubled": doubled,
    "acknowledged-early": acknowledged_early,
    "open-when-busy": open_when_busy,
}
