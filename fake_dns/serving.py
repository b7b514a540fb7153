"""A running server: its sockets, its event loop, its thread.

The loop is uvloop where that is installed, asyncio's own everywhere else.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from fake_dns.server import Server
from fake_dns.sockets import Listening, bind, bind_stream


class EventLoop(StrEnum):
    """Which loop to run on; AUTO takes uvloop when it can be imported."""

    AUTO = "auto"
    ASYNCIO = "asyncio"
    UVLOOP = "uvloop"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one server answers; `tls_port` is None without DNS over TLS."""

    address: str
    port: int
    tls_port: int | None


@dataclass(frozen=True, slots=True)
class Ports:
    """The numbers wanted for the first server; 0 is the kernel's choice, no `tls` is no TLS."""

    plain: int = 0
    tls: int | None = None
    is_shared: bool = False


def bind_all(servers: Iterable[str], address: str, ports: Ports) -> tuple[Listening, ...]:
    """Bind the sockets of every server; the numbers of all but the first are the kernel's choice.

    Raises:
        CannotListen: Port in use, no permission, or no address of this machine.
    """
    bound: list[Listening] = []
    if ports.is_shared:
        # Sharing a number with a stranger would go unnoticed: it has to be free first.
        probe = bind_exactly("", address, Ports(ports.plain, ports.tls))
        probe.close()
    try:
        for server in servers:
            bound.append(bind_exactly(server, address, ports))
            ports = Ports(0, None if ports.tls is None else 0, ports.is_shared)
    except BaseException:
        for one in bound:
            one.close()
        raise
    return tuple(bound)


def bind_exactly(server: str, address: str, ports: Ports) -> Listening:
    """Bind the sockets of one server.

    Raises:
        CannotListen: Port in use, no permission, or no address of this machine.
    """
    udp, tcp = bind(address, ports.plain, is_shared=ports.is_shared)
    try:
        tls = None
        if ports.tls is not None:
            tls = bind_stream(address, ports.tls, is_shared=ports.is_shared)
    except BaseException:
        udp.close()
        tcp.close()
        raise
    return Listening(server, udp, tcp, tls)


def new_event_loop(choice: EventLoop) -> asyncio.AbstractEventLoop:
    """Make a loop.

    Raises:
        ImportError: uvloop is asked for and not installed.
    """
    if choice is EventLoop.ASYNCIO:
        return asyncio.new_event_loop()
    try:
        # By name: it is an extra of the wheel, and types are checked without it.
        loop: asyncio.AbstractEventLoop = importlib.import_module("uvloop").new_event_loop()
    except ImportError:
        if choice is EventLoop.UVLOOP:
            raise
        return asyncio.new_event_loop()
    return loop


class ServingThread:
    """Runs one server on a loop and in a thread of its own."""

    def __init__(self, server: Server, choice: EventLoop) -> None:
        self._loop = new_event_loop(choice)
        self._stopping = asyncio.Event()
        self._server = server
        self._thread = threading.Thread(target=self._run, name="fake-dns", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Close every socket and wait for the thread to end."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        await self._server.open()
        try:
            await self._stopping.wait()
        finally:
            await self._server.close()
