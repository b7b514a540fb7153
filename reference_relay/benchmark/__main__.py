"""`python -m reference_relay.benchmark VARIANT serve --config FILE`, `fill` and `claim`.

VARIANT is `group` (the relay as it is), `single` (each message is synced by itself) or `log`.
`fill FOLDER COUNT OCTETS` puts messages into a queue and dies by SIGKILL; `claim FOLDER` opens it
again, claims everything, and prints how long that took.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

from reference_relay import cli
from reference_relay.benchmark.log_spool import LogSpool
from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope, Recipient
from reference_relay.queue import journal
from reference_relay.queue import queue as queue_module
from reference_relay.queue.queue import Queue
from reference_relay.queue.queue_id import QueueIdSource
from reference_relay.queue.queued_message import QueuedMessage

_AT_ONCE = 500
VARIANTS = ("group", "single", "log")


def main(arguments: list[str]) -> int:
    """Run one of the orders."""
    match arguments:
        case ["fill", folder, count, octets]:
            asyncio.run(_fill(Path(folder), int(count), int(octets)))
        case ["claim", folder]:
            sys.stdout.write(json.dumps(asyncio.run(_claim(Path(folder)))) + "\n")
        case [variant, *rest] if variant in VARIANTS:
            if variant == "single":
                setattr(journal, "_BATCH_MESSAGES", 1)  # noqa: B010 - a constant for everybody else
            if variant == "log":
                setattr(queue_module, "Spool", LogSpool)  # noqa: B010 - as above
            return cli.main(rest)
        case _:
            sys.stderr.write(__doc__ or "")
            return 2
    return 0


async def _fill(folder: Path, count: int, octets: int) -> None:
    queue = Queue.open(folder, time.time)
    queue.start(asyncio.get_running_loop())
    ids = QueueIdSource(time.time, 0, queue.last_queue_id)
    recipient = Recipient(Mailbox("recipient", "recipient.example"))
    envelope = Envelope(Mailbox("mailer", "example.com"), (recipient,))
    header = b"From: <mailer@example.com>\r\nSubject: recovery\r\n\r\n"
    content = header + (b"x" * 70 + b"\r\n") * (octets // 72)
    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(
            *(
                queue.commit(
                    QueuedMessage(ids.next(), envelope, content, "us-south/public", "", time.time())
                )
                for _ in range(min(_AT_ONCE, count - start))
            )
        )
    os.kill(os.getpid(), signal.SIGKILL)


async def _claim(folder: Path) -> dict[str, float]:
    began = time.monotonic()
    queue = Queue.open(folder, time.time)
    opened = time.monotonic() - began
    queue.start(asyncio.get_running_loop())
    await queue.claim()
    first = time.monotonic() - began
    count = queue.depth
    for _ in range(count - 1):
        await queue.claim()
    claimed = time.monotonic() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    await queue.stop()
    return {
        "messages": count,
        "opened_seconds": opened,
        "first_seconds": first,
        "all_seconds": claimed,
        "memory_octets": memory,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
