"""A queue that keeps nothing: what acceptance costs without the disk. For benchmarks."""

from __future__ import annotations

from collections.abc import Callable

from reference_relay.queue.queued_message import QueuedMessage


class Discard:
    """Takes the place of the queue behind the doors."""

    is_full = False

    def hand_over(self, message: QueuedMessage, done: Callable[[Exception | None], None]) -> None:
        """Say at once that it is done; the message is gone."""
        done(None)
