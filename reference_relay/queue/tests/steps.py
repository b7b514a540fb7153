"""What the tests of the queue share: a clock, messages, and a queue that closes itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope, Recipient
from reference_relay.queue.queue import Queue
from reference_relay.queue.queued_message import QueuedMessage, RecipientState
from reference_relay.queue.settings import QueueSettings

START = 1_700_000_000.0
DAY = 86400.0


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> float:
        return self.time


def message(queue_id: str, *recipients: str, content: bytes = b"Subject: x\r\n\r\nhi\r\n",
            at: float = START) -> QueuedMessage:  # fmt: skip
    mailboxes = [Mailbox(*address.rsplit("@", 1)) for address in recipients or ("b@example.org",)]
    envelope = Envelope(Mailbox("a", "example.com"), tuple(Recipient(each) for each in mailboxes))
    return QueuedMessage(queue_id, envelope, content, "us-south/public", "cfg", at)


@asynccontextmanager
async def opened(
    directory: Path, clock: Clock | None = None, settings: QueueSettings | None = None
) -> AsyncIterator[Queue]:
    """Open a queue, start it, and stop it at the end."""
    queue = Queue.open(directory, clock or Clock(), settings)
    queue.start(asyncio.get_running_loop())
    try:
        yield queue
    finally:
        async with asyncio.timeout(10):
            await queue.stop()


def states(queue: Queue, queue_id: str) -> list[RecipientState]:
    """Return the state of each recipient of a message that is on record."""
    status = queue.status(queue_id)
    assert status is not None
    return [recipient.state for recipient in status.recipients]
