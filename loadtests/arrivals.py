"""Which of the accepted messages arrived at the sink, once and unchanged, and how soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from fixtures.sink.delivery import Delivery
from loadtests.content import Mark, mark_of
from loadtests.percentiles import Histogram

# The sink keeps its last 20,000 deliveries: looked at this often it loses none below 80,000 a
# second.
_LOOK_SECONDS = 0.25
# A count of arrivals is one octet.
_MANY = 255

# Numbers of messages by the number of their generator process.
Numbers = Mapping[int, Sequence[int]]


class Deliveries(Protocol):
    """The part of a sink that is needed here."""

    def deliveries(self) -> Sequence[Delivery]:
        """What it still keeps, oldest first."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The books of a run: accepted = arrived + missing.

    Attributes:
        accepted: Messages acknowledged with 2yz.
        arrived: Those of them the sink has, each counted once.
        missing: Those it does not have.
        doubled: Messages that arrived more than once.
        changed: Messages whose body is not the one that was sent.
        in_doubt: Messages whose final reply never came.
        in_doubt_arrived: Those of them the sink has.
        unexpected: Messages of this run that arrived although they were refused.
        refused: Messages that nobody took, and that did not arrive.
    """

    accepted: int
    arrived: int
    missing: int
    doubled: int
    changed: int
    in_doubt: int = 0
    in_doubt_arrived: int = 0
    unexpected: int = 0
    refused: int = 0

    @property
    def is_balanced(self) -> bool:
        """Whether nothing was lost, doubled, changed or let through."""
        return not (self.missing or self.doubled or self.changed or self.unexpected)


class Arrivals:
    """Watches a sink in a thread of its own; a context manager.

    What it remembers of a message is one octet.

    Attributes:
        count: How many different messages of the run have arrived so far.
        delays: From the planned moment to the sink's end of data.
    """

    def __init__(self, sink: Deliveries, run: str, body: bytes, recipients: int = 1) -> None:
        """Describe what to look for.

        Args:
            sink: Where mail arrives.
            run: The run whose tokens count; others are left alone.
            body: What every message must hold.
            recipients: How many each message has, below 255; it may arrive in several parts.
        """
        self._each = recipients
        self._sink = sink
        self._run = run.encode()
        self._body = b"\r\n\r\n" + body
        self._seen: dict[int, bytearray] = {}
        self._changed: set[tuple[int, int]] = set()
        self._last: Delivery | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="arrivals", daemon=True)
        self.count = 0
        self.delays = Histogram()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def settle(self, wanted: int, within_seconds: float) -> bool:
        """Wait until so many messages have arrived; returns whether they have."""
        deadline = time.monotonic() + within_seconds
        while True:
            self.look()
            if self.count >= wanted:
                return True
            if time.monotonic() > deadline or self._ended.wait(_LOOK_SECONDS):
                return False

    def ledger(self, accepted: Numbers, in_doubt: Numbers, begun: int = 0) -> Ledger:
        """Compare with what the generator says.

        Args:
            accepted: Messages whose final reply was 2yz.
            in_doubt: Messages whose final reply never came.
            begun: How many messages were begun in all.
        """
        self.look()
        with self._lock:
            arrived = self._count(accepted)
            doubtful = self._count(in_doubt)
            total = sum(len(numbers) for numbers in accepted.values())
            in_doubt_total = sum(len(numbers) for numbers in in_doubt.values())
            unexpected = self.count - arrived - doubtful
            return Ledger(
                accepted=total,
                arrived=arrived,
                missing=total - arrived,
                doubled=sum(
                    len(counts) - sum(counts.count(few) for few in range(self._each + 1))
                    for counts in self._seen.values()
                ),
                changed=len(self._changed),
                in_doubt=in_doubt_total,
                in_doubt_arrived=doubtful,
                unexpected=unexpected,
                refused=max(begun - total - in_doubt_total - unexpected, 0),
            )

    def _count(self, numbers: Numbers) -> int:
        found = 0
        for worker, those in numbers.items():
            counts = self._seen.get(worker, b"")
            size = len(counts)
            found += sum(1 for number in those if number < size and counts[number] >= self._each)
        return found

    def look(self) -> None:
        """Take over what has arrived since the last look."""
        with self._lock:
            kept = self._sink.deliveries()
            fresh: list[Delivery] = []
            for one in reversed(kept):
                if one is self._last:
                    break
                fresh.append(one)
            if fresh:
                self._last = fresh[0]
            for one in reversed(fresh):
                self._note(one)

    def _note(self, delivery: Delivery) -> None:
        mark = mark_of(delivery.header)
        if mark is None or mark.run != self._run:
            return
        before = self._tally(mark, len(delivery.recipients))
        if before < self._each <= before + len(delivery.recipients):
            self.count += 1
            if mark.begun:
                self.delays.record(delivery.received_at - mark.begun / 1e6)
        if not delivery.content.endswith(self._body):
            self._changed.add((mark.worker, mark.number))
        if delivery.transcript is not None:
            # A kept-open delivery connection would hold every octet of the run.
            delivery.transcript.events.clear()

    def _tally(self, mark: Mark, recipients: int) -> int:
        """Count an arrival; returns for how many recipients the message had arrived before."""
        counts = self._seen.setdefault(mark.worker, bytearray())
        if mark.number >= len(counts):
            counts.extend(bytes(mark.number + 1 - len(counts)))
        before = counts[mark.number]
        counts[mark.number] = min(before + recipients, _MANY)
        return before

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self.look()
