"""A queue that keeps nothing: what acceptance costs without the disk. For benchmarks."""

from __future__ import annotations

from reference_relay.queue.queued_message import QueuedMessage


class Discard:
    """Takes the place of the queue behind the doors."""

    async def commit(self, message: QueuedMessage) -> None:
        """Return at once; the message is gone."""
