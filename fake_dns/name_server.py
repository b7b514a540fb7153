"""The name server a test holds in its hand: zones, faults and the log over a running server."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final, Self

from fake_dns.fault import Fault, FaultBook, FaultRule
from fake_dns.message import Transport
from fake_dns.name import Name
from fake_dns.query_log import Query, QueryLog
from fake_dns.record import type_code
from fake_dns.responder import DEFAULT_UDP_OCTETS, Responder
from fake_dns.server import Server, bind
from fake_dns.zone import Zone, ZoneSet


class FakeDNS:
    """A real name server on loopback, in a thread and an event loop of its own.

    Zones, faults and the log may be used from any thread, before, while and after it runs.
    """

    def __init__(
        self,
        zones: Iterable[Zone] = (),
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        udp_octets: int = DEFAULT_UDP_OCTETS,
        now: Callable[[], float] = time.time,
        on_query: Callable[[Query], None] | None = None,
    ) -> None:
        """Hold the zones; nothing is bound before `start`.

        Args:
            zones: What to be authoritative for; everything else is refused.
            address: Where to listen, IPv4 or IPv6.
            port: For UDP and TCP alike; 0 lets the kernel choose.
            udp_octets: Most that is sent over UDP, whatever the client offers.
            now: Clock of the query log, in seconds.
            on_query: Called in the server's thread after each query; must be quick.

        Raises:
            ZoneError: Two zones have one origin.
        """
        self.address: Final = address
        self._wanted_port: Final = port
        self._port = 0
        self._changes: Final = threading.Lock()
        self._faults: Final = FaultBook()
        self._log: Final = QueryLog(now=now, on_query=on_query)
        self._responder: Final = Responder(ZoneSet(zones), self._faults, self._log, udp_octets)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None

    def start(self) -> Self:
        """Bind and serve; the port is known and queries are kept from here on.

        Raises:
            CannotListen: Port in use, no permission, or no address of this machine.
            RuntimeError: It runs already.
        """
        if self._thread is not None:
            raise RuntimeError("this FakeDNS is running")
        udp, tcp = bind(self.address, self._wanted_port)
        self._port = tcp.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        server = Server(self._responder, udp, tcp)
        self._thread = threading.Thread(
            target=_serve, args=(self._loop, server, self._stopping), name="fake-dns", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every socket and end the thread; harmless when it does not run."""
        if self._thread is None or self._loop is None or self._stopping is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = self._loop = self._stopping = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The number of the UDP and TCP port; 0 before the first start."""
        return self._port

    @property
    def zones(self) -> tuple[Zone, ...]:
        """The zones in force."""
        return tuple(self._responder.zones)

    def zone(self, origin: str) -> Zone | None:
        """The zone with this origin, if any."""
        return self._responder.zones.get(Name.parse(origin))

    def add(self, zone: Zone) -> None:
        """Serve one more zone.

        Raises:
            ZoneError: There is one with this origin; `replace` puts a new one in its place.
        """
        with self._changes:
            self._responder.zones = self._responder.zones.added(zone)

    def replace(self, zone: Zone) -> None:
        """Serve this zone instead of the one with its origin, if any, in one step."""
        with self._changes:
            self._responder.zones = self._responder.zones.replaced(zone)

    def remove(self, origin: str) -> bool:
        """Serve a zone no longer; False when there was none.

        Raises:
            MalformedName: The origin is no name.
        """
        name = Name.parse(origin)
        with self._changes:
            was_there = self._responder.zones.get(name) is not None
            self._responder.zones = self._responder.zones.removed(name)
        return was_there

    def inject(
        self,
        fault: Fault,
        *,
        name: str | None = None,
        type: str | None = None,
        transport: Transport | str | None = None,
        times: int | None = None,
    ) -> None:
        """Misbehave on the queries that match; the first fault that matches wins.

        Args:
            fault: What goes wrong.
            name: The name asked for, in any case; None for any.
            type: `TXT`, `MX`, …; None for any.
            transport: `udp` or `tcp`; None for both.
            times: How many queries it meets; None for all.

        Raises:
            MalformedName: The name is none.
            ValueError: No such type or transport, or fewer than one time.
        """
        if type is not None and type_code(type.upper()) is None:
            raise ValueError(f"{type!r} is no record type")
        if times is not None and times < 1:
            raise ValueError(f"times is {times}; expected at least 1, or None for always")
        self._faults.add(
            FaultRule(
                fault,
                Name.parse(name) if name is not None else None,
                type.upper() if type is not None else None,
                Transport(transport) if transport is not None else None,
                times,
            )
        )

    def clear_faults(self) -> None:
        """Behave again."""
        self._faults.clear()

    def queries(
        self,
        name: str | None = None,
        type: str | None = None,
        transport: Transport | str | None = None,
    ) -> tuple[Query, ...]:
        """Return what was asked, oldest first; None matches all."""
        return self._log.queries(name, type, transport)

    def wait_for(
        self,
        name: str,
        type: str | None = None,
        within: float = 5.0,
        *,
        transport: Transport | str | None = None,
        after: Query | None = None,
    ) -> Query:
        """Return the first such query, asked already or within so many seconds.

        Raises:
            NotAsked: The time is over; says what was asked instead.
        """
        return self._log.wait_for(name, type, within, transport=transport, after=after)

    def forget_queries(self) -> None:
        """Drop what was asked so far."""
        self._log.forget()

    @property
    def counters(self) -> dict[str, int]:
        """How many packets were `answered`, `rejected` (no question) and `dropped` (no reply)."""
        names = ("answered", "rejected", "dropped")
        return {name: self._responder.counters[name] for name in names}


def _serve(loop: asyncio.AbstractEventLoop, server: Server, stopping: asyncio.Event) -> None:
    async def run() -> None:
        await server.open()
        try:
            await stopping.wait()
        finally:
            await server.close()

    try:
        loop.run_until_complete(run())
    finally:
        loop.close()
