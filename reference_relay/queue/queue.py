"""The queue: commit, claim, settle (RFC 5321 §4.5.4, §6.1).

Commit returns when the message is durable. Until a recipient is settled for good, a crash at
any moment leads to another attempt, never to a loss.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reference_relay.queue.counters import QueueCounters
from reference_relay.queue.journal import Journal, Retention
from reference_relay.queue.queued_message import (
    ClaimedMessage,
    Deferred,
    Failed,
    MessageStatus,
    Obeyed,
    Order,
    Outcome,
    QueuedMessage,
    StatusEvent,
    event_of,
)
from reference_relay.queue.room import Room
from reference_relay.queue.schedule import Entry, Place, Schedule
from reference_relay.queue.settings import QueueSettings
from reference_relay.queue.spool import QueueFull, Settlement, Spool
from reference_relay.queue.spool_file import QueueError
from reference_relay.queue.spool_reader import Selection, Stored
from reference_relay.queue.status import message_status

__all__ = ["Queue", "QueueError", "QueueFull", "QueueSettings"]

_log = logging.getLogger(__name__)

# Content kept in memory for the first delivery; what exceeds it is reread from the spool.
_MEMORY_OCTETS = 64 * 1024 * 1024
# A clock that jumps wakes us; the system's may be set by others, who tell nobody.
_CLOCK_LOOK_SECONDS = 60.0
# How many messages are reread with one change of threads, which costs as much as reading ten.
_READ_AT_ONCE = 32
_DELETED = Failed("5.7.0 Deleted from the queue by an operator")

# Makes the relay's own mail about outcomes as they are recorded.
Notify = Callable[[Mapping[int, Outcome]], Sequence[QueuedMessage]]


def _nobody(_recorded: Mapping[int, Outcome]) -> Sequence[QueuedMessage]:
    return ()


class Queue:
    """The queue of one shard. All methods belong to the event loop's thread."""

    def __init__(
        self, spool: Spool, directory: Path, now: Callable[[], float], settings: QueueSettings
    ) -> None:
        self._spool = spool
        self._retry = settings.retry
        self._now = now
        self._room = Room(directory, settings.room)
        self._status_reader = spool.reader()
        self._content_reader = spool.reader()
        self._reading = ThreadPoolExecutor(1, "queue-read")
        retention = Retention(now, settings.retention_seconds)
        self._journal = Journal(spool, retention, self._activate, self._settled)
        self._last_number, self._last_queue_id = spool.last()
        self._entries: dict[str, Entry] = {}
        self._schedule = Schedule()
        self._memory_octets = 0
        self._unwritten: dict[int, list[tuple[int, StatusEvent]]] = {}
        self._waiters: set[asyncio.Future[None]] = set()

    @classmethod
    def open(
        cls, directory: Path, now: Callable[[], float], settings: QueueSettings | None = None
    ) -> Queue:
        """Open the queue in a directory, made if need be, and recover what is not settled.

        Args:
            directory: this shard's own.
            now: the relay's clock, seconds since the epoch; also called from the commit thread.
            settings: retries, limits, retention.

        Raises:
            QueueError: not writable, in use, of an unknown version, or not readable.
        """
        spool = Spool.open(directory)
        try:
            queue = cls(spool, directory, now, settings or QueueSettings())
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
        return len(self._entries)

    @property
    def is_full(self) -> bool:
        """Whether mail has to be refused now, for the time being."""
        return self._room.is_full(len(self._entries))

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

    def places(self) -> Mapping[Place, int]:
        """Count the unsettled messages by where they are."""
        found = dict.fromkeys(Place, 0)
        for entry in self._entries.values():
            found[entry.place] += 1
        return found

    async def commit(self, message: QueuedMessage) -> None:
        """Return when the message is durable; from then on it will be delivered.

        A caller that is cancelled meanwhile does not undo the commit.

        Raises:
            QueueFull: there is no room, on the disk or in the queue.
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
            QueueFull: there is no room; `done` is not called.
            QueueError: the queue is closed; nor is it then.
        """
        if self.is_full:
            raise QueueFull("the queue is full")
        self._journal.commit(*self._numbered(message), done)

    async def claim(self) -> ClaimedMessage:
        """Wait for the next due message and hand it out for one attempt."""
        while True:
            entry = self._schedule.take(self._now())
            if entry is None:
                await self._wait()
                continue
            if entry.message is None:
                await self._reread(entry)
                continue
            message, entry.message = entry.message, None
            self._memory_octets -= len(message.content)
            if entry.is_held:
                entry.place = Place.HELD
                continue
            pending = entry.pending or ()
            entry.place = Place.CLAIMED
            entry.attempts += 1
            entry.outstanding = set(pending)
            entry.is_overdue = not entry.is_warned and self._retry.is_overdue(
                entry.accepted_at, self._now()
            )
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
        entry = self._entries.get(queue_id)
        if (
            entry is None
            or entry.place is not Place.CLAIMED
            or not outcomes.keys() <= entry.outstanding
        ):
            raise ValueError(f"{queue_id} is not claimed for all of {sorted(outcomes)}")
        now = self._now()
        recorded = dict(outcomes)
        if any(isinstance(each, Deferred) for each in outcomes.values()) and (
            self._next_attempt(entry, now) is None
        ):
            recorded = {recipient: _given_up(outcome) for recipient, outcome in outcomes.items()}
        notifications = tuple(self._numbered(message) for message in notify(recorded))
        final = {r for r, outcome in recorded.items() if not isinstance(outcome, Deferred)}
        entry.outstanding.difference_update(outcomes)
        entry.pending = tuple(r for r in entry.pending or () if r not in final)
        retry = None
        if entry.pending and not entry.outstanding:
            due = self._next_attempt(entry, now)
            # The time may have run out between two destinations: the next attempt will say so.
            retry = (entry.attempts, now if due is None else due)
        is_warning = entry.is_overdue and bool(notifications)
        entry.is_warned = entry.is_warned or is_warning
        self._record(
            Settlement(
                number=entry.number,
                events=tuple((r, event_of(outcome, now)) for r, outcome in recorded.items()),
                retry=retry,
                is_final=not entry.pending,
                is_warned=is_warning,
                notifications=notifications,
            )
        )
        if retry is not None:
            self._put_back(entry, retry[1])
        elif not entry.pending:
            del self._entries[queue_id]
        return recorded

    def release(self, queue_id: str) -> None:
        """Put a claimed message back, due at once, as if the attempt had not begun."""
        entry = self._entries.get(queue_id)
        if entry is not None and entry.place is Place.CLAIMED:
            entry.attempts -= 1
            self._put_back(entry, self._now())

    def status(self, queue_id: str) -> MessageStatus | None:
        """Return what became of an accepted message, or None if it is not known (any more).

        Raises:
            QueueError: the spool cannot be read.
        """
        stored = self._status_reader.status(queue_id)
        return None if stored is None else self._status_of(stored)

    async def select(self, selection: Selection) -> list[MessageStatus]:
        """Return what became of some messages, the latest first.

        Raises:
            QueueError: the spool cannot be read.
        """
        # Beside the loop: an unusual selection may have to look at everything.
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._reading, self._content_reader.select, selection)
        return [self._status_of(stored) for stored in found]

    async def obey(self, order: Order, queue_ids: Collection[str] | None) -> Obeyed:
        """Do what an operator wants, to some messages or to all; durable on return.

        Held mail is not attempted until it is released, which makes it due at once; neither ends
        an attempt under way. Flushing makes due at once what waits for its retry. What is deleted
        counts as bounced, and nobody gets a DSN.

        Raises:
            QueueError: it is not durable yet.
        """
        wanted = list(self._entries) if queue_ids is None else queue_ids
        entries = [(each, self._entries.get(each)) for each in wanted]
        done, busy = 0, []
        for queue_id, entry in entries:
            if entry is None:
                continue
            if order is Order.DELETE and entry.place in (Place.CLAIMED, Place.READING):
                busy.append(queue_id)
            elif self._obey(order, entry):
                done += 1
        if done:
            await self._journal.flush()
        return Obeyed(done, tuple(busy), tuple(each for each, entry in entries if entry is None))

    def wake(self) -> None:
        """Look at the clock now: it was moved, or something became due."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _obey(self, order: Order, entry: Entry) -> bool:
        """Do one thing to one message; return whether that changed anything."""
        match order:
            case Order.HOLD if not entry.is_held:
                entry.is_held = True
                if entry.place is Place.WAITING:
                    self._schedule.cancel(entry, Place.HELD)
                self._record(Settlement(entry.number, (), is_held=True))
                return True
            case Order.RELEASE if entry.is_held:
                entry.is_held = False
                if entry.place is Place.HELD:
                    self._put_back(entry, self._now())
                self._record(Settlement(entry.number, (), is_held=False))
                return True
            case Order.FLUSH if entry.place is Place.WAITING:
                self._schedule.add_ready(entry)
                self.wake()
                return True
            case Order.DELETE:
                self._delete(entry)
                return True
            case _:
                return False

    def _delete(self, entry: Entry) -> None:
        self._schedule.cancel(entry, Place.HELD)
        self._forget_content(entry)
        if entry.pending is None:
            stored = self._status_reader.status(entry.queue_id)
            entry.pending = stored.pending if stored is not None else ()
        event = event_of(_DELETED, self._now())
        events = tuple((recipient, event) for recipient in entry.pending)
        self._record(Settlement(entry.number, events, is_final=True))
        del self._entries[entry.queue_id]

    def _status_of(self, stored: Stored) -> MessageStatus:
        # What is written but not yet reported as written would show twice.
        unwritten = [e for e in self._unwritten.get(stored.number, ()) if e not in stored.events]
        entry = self._entries.get(stored.message.queue_id)
        return message_status(stored, unwritten, entry)

    def _recover(self) -> None:
        # A hundred thousand objects that all stay: to look through them over and over for garbage
        # would double the time.
        was_collecting = gc.isenabled()
        gc.disable()
        try:
            self._recover_entries()
        finally:
            if was_collecting:
                gc.enable()

    def _recover_entries(self) -> None:
        for each in self._spool.unsettled():
            entry = Entry(each.number, each.queue_id, each.accepted_at, each.attempts)
            entry.is_warned = bool(each.is_warned)
            entry.is_held = bool(each.is_held)
            self._entries[each.queue_id] = entry
            if entry.is_held:
                entry.place = Place.HELD
            else:
                # Never attempted: due at once, whatever the clock says after a restart.
                self._schedule.add_later(entry, each.next_attempt or 0.0)

    def _next_attempt(self, entry: Entry, now: float) -> float | None:
        return self._retry.next_attempt(entry.accepted_at, entry.attempts, now)

    def _numbered(self, message: QueuedMessage) -> tuple[int, QueuedMessage]:
        self._last_number += 1
        return self._last_number, message

    def _activate(self, written: Sequence[tuple[int, QueuedMessage]]) -> None:
        for number, message in written:
            entry = Entry(number, message.queue_id, message.accepted_at)
            entry.pending = tuple(range(len(message.envelope.recipients)))
            self._remember_content(entry, message)
            self._entries[entry.queue_id] = entry
            self._schedule.add_ready(entry)
        if written:
            self.wake()

    def _remember_content(self, entry: Entry, message: QueuedMessage) -> None:
        if self._memory_octets + len(message.content) <= _MEMORY_OCTETS:
            entry.message = message
            self._memory_octets += len(message.content)

    def _forget_content(self, entry: Entry) -> None:
        if entry.message is not None:
            self._memory_octets -= len(entry.message.content)
            entry.message = None

    def _record(self, settlement: Settlement) -> None:
        if settlement.events:
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

    def _put_back(self, entry: Entry, due: float) -> None:
        if entry.is_held:
            entry.place = Place.HELD
            return
        self._schedule.add_later(entry, due)
        self.wake()

    async def _wait(self) -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._waiters.add(waiter)
        # Without a schedule only a commit can bring something, and that wakes.
        timer = None
        next_due = self._schedule.next_due
        if next_due is not None:
            left = max(next_due - self._now(), 0.0)
            timer = loop.call_later(min(left, _CLOCK_LOOK_SECONDS), self.wake)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)
            if timer is not None:
                timer.cancel()

    async def _reread(self, first: Entry) -> None:
        """Fetch the content of an entry and of those due behind it, and make them ready."""
        entries = [first]
        while len(entries) < _READ_AT_ONCE and (more := self._schedule.take_later(self._now())):
            entries.append(more)
        for entry in entries:
            entry.place = Place.READING
        numbers = [entry.number for entry in entries if entry.message is None]
        reading = asyncio.get_running_loop().run_in_executor(
            self._reading, self._content_reader.each_message, numbers
        )
        try:
            found = await reading
        except asyncio.CancelledError:
            for entry in entries:
                self._put_back(entry, self._now())
            raise
        for entry in entries:
            stored = found.get(entry.number)
            if isinstance(stored, Stored):
                if entry.pending is None:
                    entry.pending = stored.pending
                # Whatever the limit: these are the next to be delivered.
                entry.message = stored.message
                self._memory_octets += len(stored.message.content)
            elif entry.message is None:
                # Set aside, not deleted: the next start will look at it again.
                entry.place = Place.DAMAGED
                _log.error("event=quarantined queue_id=%s error=%r", entry.queue_id, str(stored))
                continue
            self._schedule.add_reread(entry)


def _given_up(outcome: Outcome) -> Outcome:
    if isinstance(outcome, Deferred):
        # RFC 3463 §3.5: X.4.7, delivery time expired.
        reason = f"5.4.7 Delivery time expired; last: {outcome.reason}"
        return Failed(reason, outcome.host, outcome.reply)
    return outcome
