"""A queue, an agent and scripted hosts on loopback, for the tests of delivery."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from reference_relay.delivery.agent import Agent, DeliverySettings, Signs, Timeouts
from reference_relay.delivery.tests.scripted_host import ScriptedHost
from reference_relay.delivery.tests.test_route import StubResolver
from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope, Recipient
from reference_relay.queue.queue import Queue
from reference_relay.queue.queue_id import QueueIdSource
from reference_relay.queue.queued_message import QueuedMessage, RecipientStatus

START = 1_700_000_000.0
LOOPBACK = (ip_network("127.0.0.0/8"),)
QUICK = Timeouts(
    connect_seconds=2, greeting_seconds=0.2, command_seconds=0.2, data_seconds=0.2,
    block_seconds=0.2, content_seconds=0.2, idle_seconds=2, quit_seconds=0.2,
)  # fmt: skip
SETTINGS = DeliverySettings((), reachable_networks=LOOPBACK, stop_seconds=0.2)


class Clock:
    """A clock that stands until it is moved."""

    time = START

    def __call__(self) -> float:
        return self.time


@dataclass
class World:
    """A queue with an agent at work."""

    queue: Queue
    clock: Clock
    resolver: StubResolver
    serial: int = 0

    async def send(self, *recipients: str, content: bytes = b"Subject: x\r\n\r\nhi\r\n") -> str:
        """Commit a message; return its queue ID."""
        self.serial += 1
        queue_id = f"Q{self.serial}"
        mailboxes = tuple(Recipient(Mailbox(*address.rsplit("@", 1))) for address in recipients)
        envelope = Envelope(Mailbox("a", "example.com"), mailboxes)
        await self.queue.commit(
            QueuedMessage(queue_id, envelope, content, "us-south/public", "cfg", START)
        )
        return queue_id

    async def recipients(self, queue_id: str, *states: str) -> Sequence[RecipientStatus]:
        """Wait until the recipients are in these states."""
        async with asyncio.timeout(10):
            while True:
                status = self.queue.status(queue_id)
                assert status is not None
                if [each.state.value for each in status.recipients] == list(states):
                    return status.recipients
                await asyncio.sleep(0.005)

    async def move_clock(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.time += seconds
        self.queue.wake()


class Stamp:
    """A signer that leaves a recognisable field."""

    def sign(self, content: bytes, timestamp: int) -> bytes:
        return b"DKIM-Signature: t=%d; l=%d\r\n" % (timestamp, len(content))


@asynccontextmanager
async def world(
    directory: Path,
    port: int,
    *,
    mx: dict[str, list[tuple[int, str]] | Exception] | None = None,
    hosts: dict[str, list[str] | Exception] | None = None,
    outgoing: Sequence[str] = (),
    signer: Signs | None = None,
    timeouts: Timeouts = QUICK,
    settings: DeliverySettings | None = None,
) -> AsyncIterator[World]:
    clock = Clock()
    queue = Queue.open(directory, clock)
    queue.start(asyncio.get_running_loop())
    resolver = StubResolver(
        mx or {"d.example": [(10, "mx.example")]}, hosts or {"mx.example": ["127.0.0.1"]}
    )
    agent = Agent(
        queue,
        dataclasses.replace(settings or SETTINGS, port=port, timeouts=timeouts),
        signer_for=lambda configuration_id: signer,
        outgoing_addresses=lambda endpoint: outgoing,
        now=clock,
        hostname="relay.example.net",
        next_queue_id=QueueIdSource(clock, 0).next,
        resolver=resolver,
        shuffle=lambda hosts: None,
    )
    running = asyncio.create_task(agent.run())
    try:
        yield World(queue, clock, resolver)
    finally:
        async with asyncio.timeout(10):
            await agent.stop()
            await running
            await queue.stop()


@asynccontextmanager
async def host(
    script: ScriptedHost, address: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[int]:
    try:
        yield await script.start(address, port)
    finally:
        await script.stop()
