"""How long to wait before a worker that died is started again. Pure."""

from __future__ import annotations

# Ours: a single crash is hardly noticed, a worker that cannot live costs next to nothing.
_FIRST_SECONDS = 0.1
_LONGEST_SECONDS = 10.0
# Ours: whoever lived this long died of something else than its start.
_LONG_LIFE_SECONDS = 60.0


class BackOff:
    """The waiting times of one worker: doubling, until it lives for a while."""

    def __init__(self) -> None:
        self._next = _FIRST_SECONDS

    def seconds(self, lived_seconds: float) -> float:
        """Return how long to wait after a life of that length."""
        if lived_seconds >= _LONG_LIFE_SECONDS:
            self._next = _FIRST_SECONDS
        seconds, self._next = self._next, min(self._next * 2, _LONGEST_SECONDS)
        return seconds
