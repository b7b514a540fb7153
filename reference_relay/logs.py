"""Logging of the programs: one line per event on stderr, key=value, times in UTC.

Two ways lead there. Rare events go through the standard library. The lines of sessions, messages
and attempts come by the thousand each second, where that costs some ten microseconds a line; they
are put together by hand, kept for a moment, and written many at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable

_FORMAT = "%(asctime)s.%(msecs)03dZ level=%(levelname)s logger=%(name)s %(message)s"
_TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"
# How long a line may wait; a reader of the log does not notice, a crash loses no more than this.
_FLUSH_SECONDS = 0.1
# How much may wait; then it is written at once.
_WAITING_CHARACTERS = 65536
# POSIX: a write of up to PIPE_BUF octets to a pipe is not mixed with those of other workers.
_WRITTEN_AT_ONCE = 4096


class LineLog:
    """Lines on their way to a file. Belongs to the thread of the event loop.

    Args:
        descriptor: Where they go.
        is_on: Whether there is any use for lines of level info.
        now: The system's clock, as for every other line of the log.
    """

    def __init__(
        self, descriptor: int, *, is_on: bool = True, now: Callable[[], float] = time.time
    ) -> None:
        self.is_on = is_on
        self._descriptor = descriptor
        self._now = now
        self._lines: list[str] = []
        self._characters = 0
        self._second = -1
        self._prefix = ""
        self._timer: asyncio.TimerHandle | None = None

    def writer(self, name: str) -> Callable[[str], None]:
        """Return what takes the lines of one logger, without their line ends."""
        rest = f"Z level=INFO logger={name} "

        def write(text: str) -> None:
            if self.is_on:
                self._add(rest, text)

        return write

    def flush(self) -> None:
        """Write what waits. A log that nobody can take is lost; that stops nothing."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._lines:
            return
        octets = "".join(self._lines).encode("utf-8", "backslashreplace")
        self._lines.clear()
        self._characters = 0
        with contextlib.suppress(OSError):
            _write(self._descriptor, octets)

    def _add(self, rest: str, text: str) -> None:
        now = self._now()
        second = int(now)
        if second != self._second:
            self._second = second
            self._prefix = time.strftime(_TIME_FORMAT, time.gmtime(second))
        self._lines.append(f"{self._prefix}.{int((now - second) * 1000):03d}{rest}{text}\n")
        self._characters += len(text)
        if self._characters > _WAITING_CHARACTERS:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self.flush)


class _OrderedHandler(logging.StreamHandler):  # type: ignore[type-arg]  # generic for mypy only
    """Writes what waits first, so that the lines of a thread stay in the order of their events."""

    def __init__(self, lines: LineLog) -> None:
        super().__init__(sys.stderr)
        self._lines = lines
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if self._thread == threading.get_ident():
            self._lines.flush()
        super().emit(record)


def log_to_stderr(level: str) -> LineLog:
    """Send every record of at least this level to stderr.

    Args:
        level: "debug", "info", "warning" or "error".

    Returns:
        The cheap way to the same place, for lines of level info.
    """
    lines = LineLog(sys.stderr.fileno())
    destination = _OrderedHandler(lines)
    formatter = logging.Formatter(_FORMAT, _TIME_FORMAT)
    formatter.converter = time.gmtime
    destination.setFormatter(formatter)
    logging.basicConfig(handlers=[destination], force=True)
    set_level(level, lines)
    # Their own lines of each request and loop say nothing that ours do not.
    for chatty in ("uvicorn.error", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return lines


def set_level(level: str, lines: LineLog) -> None:
    """Change the level of all that is logged from now on."""
    logging.getLogger().setLevel(level.upper())
    lines.is_on = logging.getLogger().isEnabledFor(logging.INFO)


def _write(descriptor: int, octets: bytes) -> None:
    written = 0
    while written < len(octets):
        end = len(octets)
        if end - written > _WRITTEN_AT_ONCE:
            end = octets.rfind(b"\n", written, written + _WRITTEN_AT_ONCE) + 1
        # A line that is longer than that may be mixed with others; it goes out all the same.
        written += os.write(descriptor, octets[written : end or written + _WRITTEN_AT_ONCE])
