"""What an operator may say about the queue."""

from __future__ import annotations

from dataclasses import dataclass, field

from reference_relay.queue.retry import RetrySchedule
from reference_relay.queue.room import RoomLimits


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """When to try again, when to refuse, what to remember.

    Attributes:
        retention_seconds: How long after acceptance the status of settled mail is kept.
    """

    retry: RetrySchedule = field(default_factory=RetrySchedule)
    room: RoomLimits = field(default_factory=RoomLimits)
    # Longer than the give-up time, so that no message outlives its own history.
    retention_seconds: float = 7 * 86400.0
