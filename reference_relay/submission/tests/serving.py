"""A listener in a loop of its own, with the limits a test wants and a clock that it moves."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reference_relay.queue.queued_message import QueuedMessage
from reference_relay.service.address_set import AddressSet
from reference_relay.service.cbr import Context, Rule, Zone
from reference_relay.service.directory import Directory
from reference_relay.service.model import (
    Configuration,
    Endpoint,
    EndpointType,
    Instance,
    Standing,
    User,
    VerificationState,
)
from reference_relay.submission.context import SubmissionContext
from reference_relay.submission.listener import Listener
from reference_relay.submission.settings import Limits, Rates
from reference_relay.submission.tests.client import Client
from reference_relay.submission.tls_layer import server_context

MESSAGE = b"From: a@example.com\r\nSubject: t\r\n\r\nhello\r\n.\r\n"
USERS = ("user", "other")


@dataclass
class Spool:
    """Keeps committed messages; while `gate` is closed it does not get to it."""

    messages: list[QueuedMessage] = field(default_factory=list)
    is_full: bool = False
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def hand_over(self, message: QueuedMessage, done: Callable[[Exception | None], None]) -> None:
        def committed(_: object) -> None:
            self.messages.append(message)
            done(None)

        waiting = asyncio.ensure_future(self.gate.wait())
        waiting.add_done_callback(committed)


class Passwords:
    """Everybody's password is "pass"; who gave it once signs in without waiting."""

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def remembers(self, password_hash: str, username: bytes, password: bytes) -> bool:
        return password == b"pass" and username in self._known

    async def verify(self, password_hash: str | None, username: bytes, password: bytes) -> bool:
        fits = password_hash is not None and password == b"pass"
        if fits:
            self._known.add(username)
        return fits


@dataclass
class Served:
    """What is being served, and how to reach into it."""

    listener: Listener
    spool: Spool
    loop: asyncio.AbstractEventLoop
    clock: list[float]
    port: int = 0
    encrypted_port: int = 0

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something inside the loop and wait for it."""
        return self.start(work).result(20)

    def start(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run something inside the loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def connect(self) -> Client:
        """Connect and leave the greeting unread."""
        return Client(self.port)

    def secure(self) -> Client:
        """Connect, STARTTLS, and stay unauthenticated."""
        client = self.connect()
        client.read_clear()
        client.clear(b"EHLO client.example\r\n")
        client.clear(b"STARTTLS\r\n")
        client.handshake()
        return client

    def session(self, user: str = "user") -> Client:
        """Connect and sign in."""
        client = self.secure()
        assert sign_in(client, user).startswith(b"235 ")
        return client


def sign_in(client: Client, user: str = "user", *, is_right: bool = True) -> bytes:
    """Return the reply to AUTH, with the right password or another one."""
    response = f"\0{user}\0{'pass' if is_right else 'fail'}"
    return client.say(b"AUTH PLAIN " + b64encode(response.encode()) + b"\r\n")


def begin(client: Client, upto: str = "DATA") -> None:
    """Open a transaction up to this command."""
    commands = {
        "MAIL": b"MAIL FROM:<a@example.com>\r\n",
        "RCPT": b"RCPT TO:<b@example.net>\r\n",
        "DATA": b"DATA\r\n",
    }
    for name, line in commands.items():
        assert client.say(line)[:1] in b"23"
        if name == upto:
            return


@contextlib.contextmanager
def served(
    certificate: Path,
    *,
    limits: Limits | None = None,
    rates: Rates | None = None,
    zone: str = "127.0.0.1",
    uses_uvloop: bool = False,
) -> Iterator[Served]:
    """Serve an endpoint for two users, on a port for STARTTLS and one for implicit TLS."""
    verified = Standing(*[VerificationState.VERIFIED] * 3)
    users = tuple(User(name, "hash") for name in USERS)
    configuration = Configuration("c", "example.com", "s", None, verified, users)
    rules = (Rule((Context((Zone("z", AddressSet.parse(zone)),)),)),)
    directory = Directory("seed-2025", [Instance("i", "us-south", rules, (configuration,))])
    spool, clock, numbers = Spool(), [1000.0], iter(range(1000000))
    context = SubmissionContext(
        hostname="relay.example.net",
        directory=lambda: directory,
        queue=spool,
        passwords=Passwords(),
        next_queue_id=lambda: f"Q{next(numbers)}",
        now=lambda: clock[0],
        limits=limits or Limits(),
        rates=rates or Rates(),
    )
    endpoint = Endpoint("us-south", EndpointType.PUBLIC, "mx.example.net", ())
    loop = _new_loop(uses_uvloop)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listener = Listener(endpoint, server_context(str(certificate), str(certificate)), context)
    serving = Served(listener, spool, loop, clock)

    async def start() -> None:
        spool.gate.set()
        serving.port = await listener.start("127.0.0.1", 0)
        serving.encrypted_port = await listener.start("127.0.0.1", 0, is_encrypted=True)

    try:
        serving.run(start())
        yield serving
    finally:
        serving.run(listener.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def _new_loop(uses_uvloop: bool) -> asyncio.AbstractEventLoop:
    if not uses_uvloop:
        return asyncio.new_event_loop()
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
