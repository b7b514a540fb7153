"""Commits messages without end and prints each acknowledged queue ID; made to be killed."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope, Recipient
from reference_relay.queue.queue import Queue
from reference_relay.queue.queue_id import QueueIdSource
from reference_relay.queue.queued_message import QueuedMessage


async def main(directory: Path) -> None:
    """Commit from ten sides at once."""
    queue = Queue.open(directory, time.time)
    queue.start(asyncio.get_running_loop())
    ids = QueueIdSource(time.time, 0, after=queue.last_queue_id)
    envelope = Envelope(Mailbox("a", "example.com"), (Recipient(Mailbox("b", "example.org")),))

    async def client() -> None:
        while True:
            queue_id = ids.next()
            content = b"Subject: x\r\n\r\n" + b"." * 2000 + queue_id.encode() + b"\r\n"
            await queue.commit(QueuedMessage(queue_id, envelope, content, "e", "c", time.time()))
            sys.stdout.write(queue_id + "\n")
            sys.stdout.flush()

    await asyncio.gather(*(client() for _ in range(10)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
