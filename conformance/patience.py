"""Patience with a target that asks for it: pauses that grow, and an end to all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from fixtures.refusal import THROTTLE_CODES
from fixtures.transcript import Transcript

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 20.0


class Patience:
    """How long a run may wait in all for a target that throttles.

    Attributes:
        left_seconds: What is left of it.
    """

    def __init__(self, seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
        self.left_seconds = seconds
        self._sleep = sleep
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def pause(self) -> bool:
        """Wait, longer each time; False when no patience is left."""
        if self.left_seconds <= 0:
            return False
        seconds = min(self._pause_seconds, self.left_seconds)
        self._sleep(seconds)
        self.left_seconds -= seconds
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)
        return True

    def relax(self) -> None:
        """The target answered in time: the next pause is shorter again."""
        self._pause_seconds = max(self._pause_seconds / 2, _FIRST_PAUSE_SECONDS)


def signs_of_throttling(transcripts: Iterable[Transcript]) -> str:
    """Return the first sign that the target asked for patience, "" if it did not.

    A reply of 421, 450, 451, 452 or 454, or a connection that could not be made.
    """
    for transcript in transcripts:
        if transcript.side != "probe":
            continue
        for exchange in transcript.exchanges:
            if exchange.reply.code in THROTTLE_CODES:
                return str(exchange.reply)
        if not transcript.exchanges:
            said = [event.octets for event in transcript.events if event.direction == "="]
            if any(one.startswith((b"no connection", b"closed by the server")) for one in said):
                return "no greeting"
    return ""
