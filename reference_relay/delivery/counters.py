"""What delivery counts: plain numbers, read when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reference_relay.queue.queued_message import Deferred, Delivered, Failed, Outcome


@dataclass(slots=True)
class DeliveryCounters:
    """Recipients by the outcome of an attempt, since the start of the agent."""

    delivered: int = 0
    deferred: int = 0
    failed: int = 0

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count the outcomes of an attempt, as the queue recorded them."""
        for outcome in outcomes:
            match outcome:
                case Delivered():
                    self.delivered += 1
                case Deferred():
                    self.deferred += 1
                case Failed():
                    self.failed += 1
