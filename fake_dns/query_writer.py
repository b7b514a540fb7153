"""Queries written out as lines, at a bearable rate, by a thread of its own.

The name server never waits for whoever reads the lines: what is too much is counted instead.
"""

from __future__ import annotations

import contextlib
import json
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum
from typing import Final, TextIO

from fake_dns.query_log import Query

# A person reads less, a load test writes a hundred times more.
DEFAULT_LINES_PER_SECOND: Final = 1000
_CAPACITY: Final = 10_000
_PATIENCE_SECONDS: Final = 2.0


class LogForm(StrEnum):
    """How a query is written."""

    NONE = "none"
    TEXT = "text"
    JSON = "json"


class QueryWriter:
    """Writes queries to a stream, at most so many lines a second."""

    def __init__(
        self,
        stream: TextIO,
        form: LogForm,
        lines_per_second: int = DEFAULT_LINES_PER_SECOND,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to write.

        Args:
            stream: Where to.
            form: How.
            lines_per_second: Queries beyond it are counted in one line per second; 0 writes all.
            now: Seconds that only go forward.
        """
        self._stream: Final = stream
        self._form: Final = form
        self._limit: Final = lines_per_second
        self._now: Final = now
        self._second = now()
        self._written = self._unwritten = 0
        self._lines: Final[queue.Queue[str | None]] = queue.Queue(_CAPACITY)
        self._thread: Final = threading.Thread(target=self._run, name="query-writer", daemon=True)
        self._thread.start()

    def write(self, query: Query) -> None:
        """Write one query soon, or count it."""
        now = self._now()
        if now - self._second >= 1.0:
            self._second, self._written = now, 0
            self._tell_unwritten()
        if self._limit and self._written >= self._limit:
            self._unwritten += 1
            return
        try:
            self._lines.put_nowait(self._line(query))
            self._written += 1
        except queue.Full:
            self._unwritten += 1

    def close(self) -> None:
        """Write what is left and end; a reader who does not read is waited for a while only."""
        with contextlib.suppress(queue.Full):
            if self._unwritten:
                self._lines.put(self._told(), timeout=_PATIENCE_SECONDS)
            self._lines.put(None, timeout=_PATIENCE_SECONDS)
            self._thread.join(_PATIENCE_SECONDS)

    def _tell_unwritten(self) -> None:
        count = self._unwritten
        if count and not self._lines.full():
            with contextlib.suppress(queue.Full):
                self._lines.put_nowait(self._told())
                return
            self._unwritten += count

    def _told(self) -> str:
        count, self._unwritten = self._unwritten, 0
        if self._form is LogForm.JSON:
            return json.dumps({"event": "not-written", "queries": count})
        return f"… and {count} more queries"

    def _line(self, query: Query) -> str:
        if self._form is LogForm.JSON:
            return json.dumps({"event": "query", **asdict(query)})
        client = f"{query.client[0]} port {query.client[1]}"
        outcome = query.rcode or "no reply"
        return f"{query.name} {query.type} {query.transport} from {client}: {outcome}"

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._stream.write(f"{line}\n")
                self._stream.flush()
            except (OSError, ValueError):
                # Who closed the log still wants answers.
                continue
