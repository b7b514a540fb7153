"""A management API over HTTP, with a store in memory and nobody at the doors of SMTP."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from reference_relay.clock import Clock
from reference_relay.management.app import ManagementContext
from reference_relay.management.metrics_text import Family
from reference_relay.management.server import ManagementServer
from reference_relay.queue.queued_message import MessageStatus, Obeyed, Order
from reference_relay.queue.spool_reader import Selection
from reference_relay.service.directory import Directory
from reference_relay.service.service import Service
from reference_relay.service.store import Store
from reference_relay.service.verification import (
    DomainClaim,
    Verification,
    VerificationState,
    VerificationType,
)

TOKEN = "t0ken"


class Relay:
    """Enforces at once; it has the mail that it is given."""

    workers_up = (1, 1)

    def __init__(self) -> None:
        self.directory = Directory("seed-2025", [])
        self.clock = Clock(is_virtual=True)
        self.published = 0
        self.mail: list[MessageStatus] = []

    async def publish(self, directory: Directory) -> None:
        self.directory = directory
        self.published += 1

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    async def metrics(self) -> Sequence[Family]:
        return []

    async def status(self, queue_id: str) -> MessageStatus | None:
        return next((one for one in self.mail if one.queue_id == queue_id), None)

    async def select(self, selection: Selection) -> Sequence[MessageStatus]:
        return [
            one
            for one in self.mail
            if (selection.before is None or one.queue_id < selection.before)
            and selection.configuration_id in (None, one.configuration_id)
            and (selection.accepted_from or 0) <= one.accepted_at
            and one.accepted_at < (selection.accepted_before or inf)
        ][: selection.limit]

    async def obey(self, what: Order, queue_ids: Collection[str] | None) -> Obeyed:
        return Obeyed(0, unknown=tuple(queue_ids or ()))

    async def places(self) -> Mapping[str, int]:
        return dict.fromkeys(("waiting", "reading", "claimed", "held", "damaged"), 0)


class Domains:
    """Finds what it was told to find."""

    def __init__(self) -> None:
        self.state = VerificationState.VERIFIED

    async def verify(self, claim: DomainClaim, type: VerificationType) -> Verification:
        return replace(claim.verification(type), state=self.state, last_checked=1.0)


@dataclass
class Served:
    """What runs."""

    port: int
    relay: Relay
    domains: Domains
    service: Service = field(repr=False)
    loop: asyncio.AbstractEventLoop = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def served(url: str = "sqlite://") -> Iterator[Served]:
    """Serve in a thread of its own."""
    ready: queue.SimpleQueue[Served] = queue.SimpleQueue()
    stopping = asyncio.Event()

    async def run() -> None:
        relay, domains = Relay(), Domains()
        service = Service(Store(url), "seed-2025", relay.clock)
        service.start(relay.publish)
        context = ManagementContext(relay, service, domains, lambda: str(uuid.uuid4()))
        server = ManagementServer(context, TOKEN)
        port = await server.start("127.0.0.1", 0)
        ready.put(Served(port, relay, domains, service, asyncio.get_running_loop()))
        await stopping.wait()
        await server.stop()
        await service.stop()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    running = ready.get(timeout=20)
    try:
        yield running
    finally:
        running.loop.call_soon_threadsafe(stopping.set)
        thread.join(20)
