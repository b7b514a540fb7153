"""The commit thread: whatever waits goes to disk with one sync (group commit).

Measured: one sync per message costs two to three times the CPU and most of the throughput.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue

from reference_relay.queue.counters import QueueCounters
from reference_relay.queue.queued_message import QueuedMessage
from reference_relay.queue.spool import DuplicateMessageError, Settlement, Spool
from reference_relay.queue.spool_file import QueueError

_log = logging.getLogger(__name__)

# A batch is bounded so that one transaction cannot outgrow memory or make replies wait for long.
_BATCH_MESSAGES = 256
_BATCH_OCTETS = 64 * 1024 * 1024
# How long a completion may stay in memory only; losing it repeats a delivery.
_FLUSH_SECONDS = 0.2
_RETRY_FLUSH_SECONDS = 1.0
_PRUNE_SECONDS = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Commit:
    """A message on its way to disk, and who is told in the loop how it ended."""

    number: int
    message: QueuedMessage
    done: Callable[[Exception | None], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Flush:
    """Write what waits; the future, if any, ends when that is durable."""

    future: asyncio.Future[None] | None = None


_STOP = object()


@dataclass(frozen=True, slots=True)
class Retention:
    """How long the status of settled messages is kept."""

    now: Callable[[], float]
    seconds: float


class Journal:
    """Owns the commit thread. All methods belong to the event loop's thread."""

    def __init__(
        self,
        spool: Spool,
        retention: Retention,
        on_committed: Callable[[Sequence[tuple[int, QueuedMessage]]], None],
        on_settled: Callable[[Sequence[Settlement]], None],
    ) -> None:
        self._spool = spool
        self._retention = retention
        self._on_committed = on_committed
        self._on_settled = on_settled
        self._orders: SimpleQueue[Commit | _Flush | object] = SimpleQueue()
        # Shared with the thread; a deque's append and popleft are atomic.
        self._settlements: deque[Settlement] = deque()
        self._flush_timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pruned_at = float("-inf")
        self.transactions = 0
        """How many transactions were made durable so far."""
        self.counters = QueueCounters()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the thread; what it reports arrives on `loop`."""
        self._loop = loop
        self._thread = threading.Thread(target=self._run, name="queue-commit", daemon=True)
        self._thread.start()

    def commit(
        self, number: int, message: QueuedMessage, done: Callable[[Exception | None], None]
    ) -> None:
        """Hand a message over; `done` is told when it is durable, or the QueueError.

        Raises:
            QueueError: the queue is closed.
        """
        if self._loop is None:
            raise QueueError("the queue is closed")
        self._orders.put(Commit(number, message, done))

    def settle(self, settlement: Settlement) -> None:
        """Hand a settlement over; it rides with the next commit or the next flush."""
        self._settlements.append(settlement)
        self._flush_after(_FLUSH_SECONDS)

    async def flush(self) -> None:
        """Return when everything that was handed over before is durable.

        Raises:
            QueueError: it is not, yet; it will be tried again.
        """
        if self._loop is None:
            raise QueueError("the queue is closed")
        future = self._loop.create_future()
        self._orders.put(_Flush(future))
        await future

    async def stop(self) -> None:
        """Write what was handed over, then end the thread."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        loop, self._loop = self._loop, None
        if self._flush_timer is not None:
            self._flush_timer.cancel()
        self._orders.put(_STOP)
        while thread.is_alive() and loop is not None:
            # The thread's last reports come through the loop, so the loop has to turn.
            await loop.run_in_executor(None, thread.join, 1.0)
        await asyncio.sleep(0)

    def _flush_after(self, seconds: float) -> None:
        if self._flush_timer is None and self._loop is not None:
            self._flush_timer = self._loop.call_later(seconds, self._flush)

    def _flush(self) -> None:
        self._flush_timer = None
        self._orders.put(_Flush())

    # The rest runs in the commit thread, but for what `_report` schedules.

    def _run(self) -> None:
        loop = self._loop
        if loop is None:  # pragma: no cover - start() has just set it
            return
        is_stopping = False
        while not is_stopping:
            commits, flushes, is_stopping = self._next_batch()
            settlements = self._take_settlements()
            error: QueueError | None = None
            if commits or settlements:
                error = self._write(loop, commits, settlements)
            if flushes:
                # Behind the report of what they wait for.
                self._call(loop, self._end_flushes, flushes, error)
            self._prune()

    def _next_batch(self) -> tuple[list[Commit], list[asyncio.Future[None]], bool]:
        order = self._orders.get()
        commits: list[Commit] = []
        flushes: list[asyncio.Future[None]] = []
        octets = 0
        while True:
            if order is _STOP:
                return commits, flushes, True
            if isinstance(order, _Flush) and order.future is not None:
                flushes.append(order.future)
            if isinstance(order, Commit):
                commits.append(order)
                octets += len(order.message.content)
            if len(commits) >= _BATCH_MESSAGES or octets >= _BATCH_OCTETS:
                return commits, flushes, False
            try:
                order = self._orders.get_nowait()
            except Empty:
                return commits, flushes, False

    def _take_settlements(self) -> list[Settlement]:
        settlements = []
        while self._settlements:
            settlements.append(self._settlements.popleft())
        return settlements

    def _write(
        self,
        loop: asyncio.AbstractEventLoop,
        commits: list[Commit],
        settlements: list[Settlement],
    ) -> QueueError | None:
        error: QueueError | None = None
        began = loop.time()
        try:
            self._spool.write([(each.number, each.message) for each in commits], settlements)
            self.transactions += 1
            if commits:
                self.counters.batch_messages.add(len(commits))
                self.counters.commit_seconds.add(loop.time() - began)
        except DuplicateMessageError as duplicate:
            if len(commits) + len(settlements) > 1:
                # One bad ID must not refuse its neighbours.
                errors = [self._write(loop, [], [each]) for each in settlements]
                errors += [self._write(loop, [each], []) for each in commits]
                return next((each for each in errors if each is not None), None)
            if settlements:
                # Never again, or it would stand in the way for ever. Whoever issued it has a bug.
                _log.critical("event=notification_lost error=%r", str(duplicate))
                return self._write(loop, [], [replace(settlements[0], notifications=())])
            error = duplicate
        except QueueError as queue_error:
            error = queue_error
        except Exception as unknown:
            # The thread must outlive whatever it is: without it no mail is accepted any more.
            _log.exception("event=commit_thread_error")
            error = QueueError(f"unexpected: {unknown!r}")
        if error is not None:
            # Here, not in the loop: a later settlement must not overtake an earlier one.
            self._settlements.extendleft(reversed(settlements))
        self._call(loop, self._report, commits, settlements, error)
        return error

    def _call(
        self, loop: asyncio.AbstractEventLoop, report: Callable[..., None], *arguments: object
    ) -> None:
        # When the loop is closed, nobody waits for an answer any more.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(report, *arguments)

    def _end_flushes(
        self, flushes: Sequence[asyncio.Future[None]], error: QueueError | None
    ) -> None:
        for future in flushes:
            if future.done():
                continue
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    def _report(
        self, commits: list[Commit], settlements: list[Settlement], error: QueueError | None
    ) -> None:
        if error is None:
            if settlements:
                self._on_settled(settlements)
            # Before anybody is told: a message is on its way even if nobody waits any more.
            self._on_committed([(each.number, each.message) for each in commits])
            _tell(commits, None)
            return
        _log.error(
            "event=commit_failed messages=%d settlements=%d error=%r",
            len(commits), len(settlements), str(error),
        )  # fmt: skip
        if settlements:
            self._flush_after(_RETRY_FLUSH_SECONDS)
        _tell(commits, error)

    def _prune(self) -> None:
        now = self._retention.now()
        # Both ways: a virtual clock may be set back.
        if abs(now - self._pruned_at) < _PRUNE_SECONDS:
            return
        self._pruned_at = now
        try:
            self._spool.prune(now - self._retention.seconds)
        except Exception:
            # Old history is no reason to stop accepting mail.
            _log.exception("event=prune_failed")


def _tell(commits: Sequence[Commit], error: QueueError | None) -> None:
    for each in commits:
        try:
            each.done(error)
        except Exception:
            # Whoever waits for the next one must hear of it all the same.
            _log.exception("event=commit_untold queue_id=%s", each.message.queue_id)
