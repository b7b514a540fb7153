"""The server's clock: real time that a test may move on, or time that only a test moves."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Final, Self


class Clock:
    """Seconds from a source, plus what was added by hand. Held-back replies do not heed it."""

    def __init__(self, source: Callable[[], float] = time.time) -> None:
        """Follow a source.

        Args:
            source: Gives seconds; any beginning will do.
        """
        self.source: Final = source
        self._lock: Final = threading.Lock()
        self._added = 0.0

    @classmethod
    def stopped(cls, at: float = 0.0) -> Self:
        """A clock that stands still until it is moved."""
        return cls(lambda: at)

    def __call__(self) -> float:
        """What time it is."""
        return self.source() + self._added

    def advance(self, seconds: float) -> None:
        """Move on.

        Raises:
            ValueError: A step back, or none that can be measured.
        """
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError(f"{seconds} seconds; expected a number from 0")
        with self._lock:
            self._added += seconds

    @property
    def added(self) -> float:
        """Seconds added so far; setting them puts an earlier state back."""
        return self._added

    @added.setter
    def added(self, seconds: float) -> None:
        with self._lock:
            self._added = seconds
