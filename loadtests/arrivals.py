"""Which of the accepted messages arrived at the sink, once and unchanged, and how soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol, Self

from fixtures.sink.delivery import Delivery
from loadtests.content import mark_of
from loadtests.ledger import Ledger, Numbers, Tally
from loadtests.percentiles import Histogram

# The sink keeps its last 20,000 deliveries: looked at this often it loses none below 80,000 a
# second.
_LOOK_SECONDS = 0.25


class Deliveries(Protocol):
    """The part of a sink that is needed here."""

    def deliveries(self) -> Sequence[Delivery]:
        """What it still keeps, oldest first."""


class Arrivals:
    """Watches a sink in a thread of its own; a context manager.

    What it remembers of a message is one octet.

    Attributes:
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
        self._tally = Tally(recipients)
        self._sink = sink
        self._run = run.encode()
        self._body = b"\r\n\r\n" + body
        self._changed: set[tuple[int, int]] = set()
        self._last: Delivery | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="arrivals", daemon=True)
        self.delays = Histogram()

    @property
    def count(self) -> int:
        """How many different messages of the run have arrived so far."""
        return self._tally.count

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
            return self._tally.ledger(accepted, in_doubt, begun, len(self._changed))

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
        if self._tally.note(mark.worker, mark.number, len(delivery.recipients)) and mark.begun:
            self.delays.record(delivery.received_at - mark.begun / 1e6)
        if not delivery.content.endswith(self._body):
            self._changed.add((mark.worker, mark.number))
        if delivery.transcript is not None:
            # A kept-open delivery connection would hold every octet of the run.
            delivery.transcript.events.clear()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self.look()
