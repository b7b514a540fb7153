"""Which of the accepted messages arrived at the sink, once and unchanged."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from fixtures.sink.delivery import Delivery
from loadtests.content import token_of

# The sink keeps its last 20,000 deliveries: looked at this often it loses none below 80,000 a
# second.
_LOOK_SECONDS = 0.25


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
    """

    accepted: int
    arrived: int
    missing: int
    doubled: int
    changed: int
    in_doubt: int = 0
    in_doubt_arrived: int = 0
    unexpected: int = 0

    @property
    def is_balanced(self) -> bool:
        """Whether nothing was lost, doubled, changed or let through."""
        return not (self.missing or self.doubled or self.changed or self.unexpected)


class Arrivals:
    """Watches a sink in a thread of its own; a context manager."""

    def __init__(self, sink: Deliveries, run: str, body: bytes) -> None:
        """Describe what to look for.

        Args:
            sink: Where mail arrives.
            run: The run whose tokens count; others are left alone.
            body: What every message must hold.
        """
        self._sink = sink
        self._run = run.encode()
        self._body = body
        self._seen: Counter[bytes] = Counter()
        self._changed: set[bytes] = set()
        self._last: Delivery | None = None
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="arrivals", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def count(self) -> int:
        """How many different messages of the run have arrived so far."""
        return len(self._seen)

    def settle(self, accepted: set[bytes], within_seconds: float) -> bool:
        """Wait until all these messages have arrived; returns whether they have."""
        deadline = time.monotonic() + within_seconds
        while True:
            self.look()
            with self._lock:
                if accepted <= self._seen.keys():
                    return True
            if time.monotonic() > deadline or self._ended.wait(_LOOK_SECONDS):
                return False

    def ledger(self, accepted: set[bytes], in_doubt: set[bytes]) -> Ledger:
        """Compare with what the generator says."""
        self.look()
        with self._lock:
            seen = self._seen.keys()
            arrived = len(accepted & seen)
            return Ledger(
                accepted=len(accepted),
                arrived=arrived,
                missing=len(accepted) - arrived,
                doubled=sum(1 for times in self._seen.values() if times > 1),
                changed=len(self._changed),
                in_doubt=len(in_doubt),
                in_doubt_arrived=len(in_doubt & seen),
                unexpected=len(seen - accepted - in_doubt),
            )

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
            for one in fresh:
                self._note(one)

    def _note(self, delivery: Delivery) -> None:
        token = token_of(delivery.header)
        if token is None or not token.startswith(self._run):
            return
        self._seen[token] += 1
        if not delivery.content.endswith(b"\r\n\r\n" + self._body):
            self._changed.add(token)
        if delivery.transcript is not None:
            # A kept-open delivery connection would hold every octet of the run.
            delivery.transcript.events.clear()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self.look()
