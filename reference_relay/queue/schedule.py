"""What is due when, in memory: fresh mail, retries, and what an operator has set aside."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from reference_relay.queue.queued_message import QueuedMessage


class Place(Enum):
    """Where an unsettled message is."""

    WAITING = "waiting"
    """Due now or later."""
    READING = "reading"
    """Due, and its content is being fetched from the disk."""
    CLAIMED = "claimed"
    HELD = "held"
    DAMAGED = "damaged"
    """The disk does not give back what was written; an operator has to look at it."""


@dataclass(slots=True, eq=False)
class Entry:
    """What memory knows of an unsettled message.

    Attributes:
        message: With its content, while that is kept in memory.
        pending: Recipients without a final outcome; None: the spool knows.
        outstanding: Recipients of the present attempt that have no outcome yet.
        is_held: An operator wants no further attempt for now.
        is_warned: The sender has heard that it is late.
        is_overdue: What the present attempt was told about that.
        ticket: Its valid place in the schedule; older ones are void.
    """

    number: int
    queue_id: str
    accepted_at: float
    attempts: int = 0
    place: Place = Place.WAITING
    message: QueuedMessage | None = None
    pending: tuple[int, ...] | None = None
    outstanding: set[int] = field(default_factory=set)
    is_held: bool = False
    is_warned: bool = False
    is_overdue: bool = False
    due: float = 0.0
    ticket: int = 0


class Schedule:
    """The entries that wait. Whatever is taken or cancelled is not in it any more."""

    def __init__(self) -> None:
        self._ready: deque[tuple[Entry, int]] = deque()
        self._reread: deque[tuple[Entry, int]] = deque()
        self._later: list[tuple[float, int, int, Entry]] = []
        self._is_turn_of_later = False

    @property
    def next_due(self) -> float | None:
        """When to look again; None when nothing waits for the clock."""
        return self._later[0][0] if self._later else None

    def add_ready(self, entry: Entry) -> None:
        """Put in an entry that is due now."""
        self._enter(entry)
        self._ready.append((entry, entry.ticket))

    def add_reread(self, entry: Entry) -> None:
        """Put back an entry that had been taken out, now that its content is in memory."""
        self._enter(entry)
        self._reread.append((entry, entry.ticket))

    def add_later(self, entry: Entry, due: float) -> None:
        """Put in an entry that is due at a time, seconds since the epoch."""
        self._enter(entry)
        entry.due = due
        heapq.heappush(self._later, (due, entry.number, entry.ticket, entry))

    def cancel(self, entry: Entry, place: Place) -> None:
        """Take an entry out, wherever it waits."""
        entry.ticket += 1
        entry.place = place

    def take(self, now: float) -> Entry | None:
        """Take out the next entry that is due, if there is one."""
        # In turn, so that neither a backlog nor a stream of new mail starves the other.
        self._is_turn_of_later = not self._is_turn_of_later
        if self._is_turn_of_later:
            return _first(self._reread) or self.take_later(now) or _first(self._ready)
        return _first(self._ready) or _first(self._reread) or self.take_later(now)

    def take_later(self, now: float) -> Entry | None:
        """Take out the next entry that waited for the clock, if it is due."""
        later = self._later
        while later and later[0][0] <= now:
            _, _, ticket, entry = heapq.heappop(later)
            if ticket == entry.ticket:
                return entry
        return None

    def _enter(self, entry: Entry) -> None:
        entry.ticket += 1
        entry.place = Place.WAITING


def _first(waiting: deque[tuple[Entry, int]]) -> Entry | None:
    while waiting:
        entry, ticket = waiting.popleft()
        if ticket == entry.ticket:
            return entry
    return None
