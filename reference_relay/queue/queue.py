"""The queue: commit, claim, settle (RFC 5321 §4.5.4, §6.1).

Commit returns when the message is durable. Until a recipient is settled for good, a crash at
any moment leads to another attempt, never to a loss.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from reference_relay.queue.counters import QueueCounters
from reference_relay.queue.journal import Journal, Retention
from reference_relay.queue.queued_message import (
    ClaimedMessage,
    Deferred,
    Failed,
    MessageStatus,
    Outcome,
    QueuedMessage,
    RecipientState,
    RecipientStatus,
    StatusEvent,
    event_of,
)
from reference_relay.queue.retry import RetrySchedule
from reference_relay.queue.spool import QueueError, Settlement, Spool, Stored

__all__ = ["Queue", "QueueError"]

_log = logging.getLogger(__name__)

# Content kept in memory for the first delivery; what exceeds it is reread from the spool.
_MEMORY_OCTETS = 64 * 1024 * 1024
# Longer than the give-up time, so that no message outlives its own history.
_RETENTION_SECONDS = 7 * 86400.0
# How often a waiting claim looks at the clock, which may be a virtual one that jumps.
_CLOCK_LOOK_SECONDS = 0.5

# Makes the relay's own mail about outcomes as they are recorded.
Notify = Callable[[Mapping[int, Outcome]], Sequence[QueuedMessage]]


def _nobody(_recorded: Mapping[int, Outcome]) -> Sequence[QueuedMessage]:
    return ()


@dataclass(slots=True, eq=False)
class _Entry:
    """What memory knows of an unsettled message."""

    number: int
    queue_id: str
    accepted_at: float
    attempts: int = 0
    message: QueuedMessage | None = None
    pending: tuple[int, ...] | None = None
    """Recipients without a final outcome; None: the spool knows."""
    outstanding: set[int] = field(default_factory=set)
    """Recipients of the present attempt that have no outcome yet."""
    is_warned: bool = False
    is_overdue: bool = False
    """What the present attempt was told."""


class Queue:
    """The queue of one shard. All methods belong to the event loop's thread."""

    def __init__(self, spool: Spool, retry: RetrySchedule, retention: Retention) -> None:
        self._spool = spool
        self._retry = retry
        self._now = retention.now
        self._status_reader = spool.reader()
        self._content_reader = spool.reader()
        self._reading = ThreadPoolExecutor(1, "queue-read")
        self._journal = Journal(spool, retention, self._activate, self._settled)
        self._last_number, self._last_queue_id = spool.last()
        self._fresh: deque[_Entry] = deque()
        self._scheduled: list[tuple[float, int, _Entry]] = []
        self._claimed: dict[str, _Entry] = {}
        self._depth = 0
        self._memory_octets = 0
        self._is_turn_of_scheduled = False
        self._unwritten: dict[int, list[tuple[int, StatusEvent]]] = {}
        self._waiters: set[asyncio.Future[None]] = set()

    @classmethod
    def open(
        cls,
        directory: Path,
        now: Callable[[], float],
        retry: RetrySchedule | None = None,
        retention_seconds: float = _RETENTION_SECONDS,
    ) -> Queue:
        """Open the queue in a directory, made if need be, and recover what is not settled.

        Args:
            directory: this shard's own.
            now: the relay's clock, seconds since the epoch; also called from the commit thread.
            retry: when to try again; D-24 unless told otherwise.
            retention_seconds: how long after acceptance the status of settled mail is kept.

        Raises:
            QueueError: not writable, in use, of an unknown version, or not readable.
        """
        spool = Spool.open(directory)
        try:
            queue = cls(spool, retry or RetrySchedule(), Retention(now, retention_seconds))
            queue._recover()
        except BaseException:
            spool.close()
            raise
        return queue

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start the commit thread; from now on `commit` works."""
        self._journal.start(loop)

    async def stop(self) -> None:
        """Write what was handed over and close the files. What is unsettled stays."""
        await self._journal.stop()
        self._reading.shutdown()
        self._status_reader.close()
        self._content_reader.close()
        self._spool.close()

    @property
    def depth(self) -> int:
        """How many messages are not settled."""
        return self._depth

    @property
    def last_queue_id(self) -> str | None:
        """The latest ID found at recovery: where the ID source goes on from."""
        return self._last_queue_id

    @property
    def transactions(self) -> int:
        """How many transactions were made durable since the start."""
        return self._journal.transactions

    @property
    def counters(self) -> QueueCounters:
        """How large the batches were and how long they took."""
        return self._journal.counters

    async def commit(self, message: QueuedMessage) -> None:
        """Return when the message is durable; from then on it will be delivered.

        A caller that is cancelled meanwhile does not undo the commit.

        Raises:
            QueueError: the message was not accepted; nobody may say that it was.
        """
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(error: Exception | None) -> None:
            if committed.done():
                return
            if error is None:
                committed.set_result(None)
            else:
                committed.set_exception(error)

        self.hand_over(message, done)
        await committed

    def hand_over(self, message: QueuedMessage, done: Callable[[Exception | None], None]) -> None:
        """Do what `commit` does without a task that waits.

        Args:
            message: what is to be delivered.
            done: called in the loop when the message is durable, or with a QueueError.

        Raises:
            QueueError: the queue is closed; `done` is not called.
        """
        self._journal.commit(*self._numbered(message), done)

    async def claim(self) -> ClaimedMessage:
        """Wait for the next due message and hand it out for one attempt."""
        while True:
            entry = self._take_due()
            if entry is None:
                await self._wait()
                continue
            message = entry.message
            if message is not None:
                self._memory_octets -= len(message.content)
                entry.message = None
            else:
                message = await self._reread(entry)
                if message is None:
                    continue
            pending = entry.pending or ()
            entry.attempts += 1
            entry.outstanding = set(pending)
            entry.is_overdue = not entry.is_warned and self._retry.is_overdue(
                entry.accepted_at, self._now()
            )
            self._claimed[entry.queue_id] = entry
            return ClaimedMessage(message, pending, entry.attempts, entry.is_overdue)

    def settle(
        self,
        queue_id: str,
        outcomes: Mapping[int, Outcome],
        notify: Notify = _nobody,
    ) -> dict[int, Outcome]:
        """Record what an attempt brought, for all claimed recipients or some of them.

        The message goes back to the schedule, or out of the queue, with the last outcome.
        Mail that `notify` returns becomes durable in the same transaction: a bounce is on record
        if and only if its DSN is queued (RFC 5321 §6.1). It is claimable as soon as it is durable.

        Args:
            queue_id: a claimed message.
            outcomes: by position in `envelope.recipients`.
            notify: gets the outcomes as recorded and returns mail of our own about them, with
                queue IDs of this shard. What it raises passes through, and nothing is recorded.

        Returns:
            The outcomes as recorded: a deferral whose time is up has become a failure.

        Raises:
            ValueError: the message or a recipient is not claimed.
        """
        entry = self._claimed.get(queue_id)
        if entry is None or not outcomes.keys() <= entry.outstanding:
            raise ValueError(f"{queue_id} is not claimed for all of {sorted(outcomes)}")
        now = self._now()
        next_attempt = self._retry.next_attempt(entry.accepted_at, entry.attempts, now)
        recorded = {
            recipient: _given_up(outcome) if next_attempt is None else outcome
            for recipient, outcome in outcomes.items()
        }
        notifications = tuple(self._numbered(message) for message in notify(recorded))
        final = {r for r, outcome in recorded.items() if not isinstance(outcome, Deferred)}
        entry.outstanding.difference_update(outcomes)
        entry.pending = tuple(r for r in entry.pending or () if r not in final)
        is_over = not entry.outstanding
        retry = (entry.attempts, next_attempt) if next_attempt is not None else None
        self._record(
            Settlement(
                number=entry.number,
                events=tuple((r, event_of(outcome, now)) for r, outcome in recorded.items()),
                retry=retry if is_over and entry.pending else None,
                is_final=not entry.pending,
                is_warned=entry.is_overdue and bool(notifications),
                notifications=notifications,
            )
        )
        entry.is_warned = entry.is_warned or (entry.is_overdue and bool(notifications))
        if is_over:
            del self._claimed[queue_id]
            if entry.pending and retry is not None:
                self._schedule(entry, retry[1])
            else:
                self._depth -= 1
        return recorded

    def release(self, queue_id: str) -> None:
        """Put a claimed message back, due at once, as if the attempt had not begun."""
        entry = self._claimed.pop(queue_id, None)
        if entry is not None:
            entry.attempts -= 1
            self._schedule(entry, self._now())

    def status(self, queue_id: str) -> MessageStatus | None:
        """Return what became of an accepted message, or None if it is not known (any more).

        Raises:
            QueueError: the spool cannot be read.
        """
        stored = self._status_reader.status(queue_id)
        if stored is None:
            return None
        message = stored.message
        histories = [
            [StatusEvent(message.accepted_at, RecipientState.SUBMITTED)]
            for _ in message.envelope.recipients
        ]
        # What is written but not yet reported as written would show twice.
        unwritten = [e for e in self._unwritten.get(stored.number, ()) if e not in stored.events]
        for recipient, event in (*stored.events, *unwritten):
            histories[recipient].append(event)
        return MessageStatus(
            queue_id,
            message.accepted_at,
            tuple(
                RecipientStatus(recipient.mailbox, tuple(history))
                for recipient, history in zip(message.envelope.recipients, histories, strict=True)
            ),
        )

    def wake(self) -> None:
        """Look at the clock now: it was moved, or something became due."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _recover(self) -> None:
        for each in self._spool.unsettled():
            entry = _Entry(each.number, each.queue_id, each.accepted_at, each.attempts)
            entry.is_warned = each.is_warned
            # Never attempted: due at once, whatever the clock says after a restart.
            due = 0.0 if each.next_attempt is None else each.next_attempt
            self._scheduled.append((due, each.number, entry))
        heapq.heapify(self._scheduled)
        self._depth = len(self._scheduled)

    def _numbered(self, message: QueuedMessage) -> tuple[int, QueuedMessage]:
        self._last_number += 1
        return self._last_number, message

    def _activate(self, written: Sequence[tuple[int, QueuedMessage]]) -> None:
        for number, message in written:
            entry = _Entry(number, message.queue_id, message.accepted_at)
            entry.pending = tuple(range(len(message.envelope.recipients)))
            if self._memory_octets + len(message.content) <= _MEMORY_OCTETS:
                entry.message = message
                self._memory_octets += len(message.content)
            self._fresh.append(entry)
        self._depth += len(written)
        if written:
            self.wake()

    def _record(self, settlement: Settlement) -> None:
        self._unwritten.setdefault(settlement.number, []).extend(settlement.events)
        self._journal.settle(settlement)

    def _settled(self, settlements: Sequence[Settlement]) -> None:
        for settlement in settlements:
            events = self._unwritten.get(settlement.number)
            if events is not None:
                del events[: len(settlement.events)]
                if not events:
                    del self._unwritten[settlement.number]
            self._activate(settlement.notifications)

    def _take_due(self) -> _Entry | None:
        is_scheduled_due = bool(self._scheduled) and self._scheduled[0][0] <= self._now()
        # In turn, so that neither a backlog nor a stream of new mail starves the other.
        self._is_turn_of_scheduled = not self._is_turn_of_scheduled
        if is_scheduled_due and (self._is_turn_of_scheduled or not self._fresh):
            return heapq.heappop(self._scheduled)[2]
        return self._fresh.popleft() if self._fresh else None

    def _schedule(self, entry: _Entry, due: float) -> None:
        heapq.heappush(self._scheduled, (due, entry.number, entry))
        self.wake()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiters.add(waiter)
        # Without a schedule only a commit can bring something, and that wakes.
        timer = loop.call_later(_CLOCK_LOOK_SECONDS, self.wake) if self._scheduled else None
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            if timer is not None:
                timer.cancel()

    async def _reread(self, entry: _Entry) -> QueuedMessage | None:
        reading = asyncio.get_running_loop().run_in_executor(
            self._reading, self._content_reader.message, entry.number
        )
        try:
            stored = await reading
            if stored is None:
                raise QueueError("its content is gone")
        except asyncio.CancelledError:
            self._schedule(entry, self._now())
            raise
        except QueueError as error:
            # Set aside, not deleted: the next start will look at it again.
            _log.error("event=unreadable queue_id=%s error=%r", entry.queue_id, str(error))
            return None
        if entry.pending is None:
            entry.pending = _pending(stored)
        return stored.message


def _pending(stored: Stored) -> tuple[int, ...]:
    final = {recipient for recipient, event in stored.events if event.state.is_final}
    return tuple(r for r in range(len(stored.message.envelope.recipients)) if r not in final)


def _given_up(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Deferred):
        # RFC 3463 §3.5: X.4.7, delivery time expired.
        return Failed(f"5.4.7 Delivery time expired; last: {outcome.reason}")
    return outcome
