"""The name server a test holds in its hand: zones, faults and the log over running servers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, Self

from fake_dns.certificate import Certificate, make_certificate
from fake_dns.clock import Clock
from fake_dns.evidence import Evidence
from fake_dns.fault import Fault
from fake_dns.fault_book import FaultBook, OpenRule, plan
from fake_dns.fleet import Fleet, Wanted
from fake_dns.message import Transport
from fake_dns.name import Name
from fake_dns.options import Options
from fake_dns.query_log import Query, QueryLog
from fake_dns.responder import Responder
from fake_dns.serving import Endpoint, Ports
from fake_dns.workers import State
from fake_dns.zone import Zone
from fake_dns.zone_set import Publication, ZoneSet

MAIN: Final = "main"


Snapshot = State


class FakeDNS(Evidence):
    """Real name servers on loopback, in a thread and an event loop of their own.

    Zones, faults and the log may be used from any thread, before, while and after it runs.
    """

    def __init__(
        self,
        zones: Iterable[Zone] = (),
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        servers: Iterable[str] = (),
        resolvers: Iterable[str] = (),
        tls: bool | Certificate = False,
        now: Callable[[], float] = time.time,
        on_query: Callable[[Query], None] | None = None,
        options: Options | None = None,
    ) -> None:
        """Hold the zones; nothing is bound before `start`.

        Args:
            zones: What to be authoritative for; everything else is refused.
            address: Where to listen, IPv4 or IPv6.
            port: For UDP and TCP of the main server; 0 lets the kernel choose.
            servers: Names of further servers of the same zones, each on a port of its own.
            resolvers: The same, of servers that remember what they said, as a resolver does.
            tls: Whether to answer over TLS too, with a certificate made for it or a given one.
            now: Clock of the zones and the log, in seconds; a `Clock` or anything that counts.
            on_query: Called in the server's thread after each query; must be quick.
            options: What few tests change.

        Raises:
            ZoneError: Two zones have one origin.
            ValueError: Two servers have one name, or several workers are to do what only one can.
        """
        self.address: Final = address
        self.clock: Final = now if isinstance(now, Clock) else Clock(now)
        self.certificate: Final = make_certificate(address) if tls is True else tls or None
        self._options: Final = options or Options()
        self._wanted_port: Final = port
        resolvers = tuple(resolvers)
        self._names: Final = (MAIN, *servers, *resolvers)
        if len(set(self._names)) < len(self._names):
            raise ValueError(f"servers {', '.join(self._names)}; expected each name once")
        if self._options.workers > 1 and (resolvers or self.clock.source is not time.time):
            raise ValueError("several workers; expected no resolvers and no clock but real time")
        self._endpoints: dict[str, Endpoint] = {}
        self._changes: Final = threading.Lock()
        self._faults: Final = FaultBook()
        log = QueryLog(self._options.keep_queries, on_query)
        self._responder: Final = Responder(
            Publication(ZoneSet(zone.in_service(self.clock()) for zone in zones)),
            self._faults,
            log,
            udp_octets=self._options.udp_octets,
            now=self.clock,
            resolvers=resolvers,
        )
        self._fleet: Fleet | None = None
        super().__init__(log, self._responder.counters, self._flush)

    def start(self) -> Self:
        """Bind and serve; the ports are known and queries are kept from here on.

        Raises:
            CannotListen: Port in use, no permission, or no address of this machine.
            RuntimeError: It runs already.
        """
        if self._fleet is not None:
            raise RuntimeError("this FakeDNS is running")
        wanted = Wanted(
            self._names,
            self.address,
            Ports(self._wanted_port, self._options.tls_port if self.certificate else None),
            self.certificate,
            self._options.event_loop,
        )
        fleet = Fleet(wanted, self._responder, self._options.workers)
        self._endpoints = fleet.start(
            self._state(), lambda told: self._take_in(told.entries, told.counted)
        )
        self._fleet = fleet
        return self

    def stop(self) -> None:
        """Close every socket and end the thread; harmless when it does not run."""
        if self._fleet is not None:
            self._fleet.stop()
            self._fleet = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def port(self) -> int:
        """The number of the main server's UDP and TCP port; 0 before the first start."""
        return self._endpoints[MAIN].port if self._endpoints else 0

    @property
    def tls_port(self) -> int | None:
        """The number of the main server's TLS port; None without DNS over TLS."""
        return self._endpoints[MAIN].tls_port if self._endpoints else None

    @property
    def servers(self) -> dict[str, Endpoint]:
        """Where each server answers, by name; empty before the first start."""
        return dict(self._endpoints)

    @property
    def zones(self) -> tuple[Zone, ...]:
        """The zones in force."""
        return tuple(self._responder.publication.zones)

    def zone(self, origin: str) -> Zone | None:
        """The zone with this origin, if any."""
        return self._responder.publication.zones.get(Name.parse(origin))

    def add(self, zone: Zone) -> None:
        """Serve one more zone.

        Raises:
            ZoneError: There is one with this origin; `replace` puts a new one in its place.
        """
        self._change(lambda zones, now: zones.added(zone.in_service(now)))

    def replace(self, *zones: Zone, instead_of: Iterable[str] = ()) -> None:
        """Serve these zones instead of those with their origins, if any, in one step.

        Args:
            zones: What is served from now on.
            instead_of: Origins of more zones that go in the same step.

        Raises:
            MalformedName: An origin is no name.
        """
        gone = [Name.parse(origin) for origin in instead_of]
        self._change(
            lambda old, now: old.removed(*gone).replaced(*(zone.in_service(now) for zone in zones))
        )

    def remove(self, *origins: str) -> bool:
        """Serve zones no longer, in one step; False when there was none of them."""
        names = [Name.parse(origin) for origin in origins]
        was_there = any(self._responder.publication.zones.get(name) for name in names)
        self._change(lambda zones, _: zones.removed(*names))
        return was_there

    def _change(self, change: Callable[[ZoneSet, float], ZoneSet]) -> None:
        with self._changes:
            published, now = self._responder.publication, self.clock()
            self._responder.publication = published.changed(change(published.zones, now), now)
            self._publish()

    def _state(self) -> State:
        return State(self._responder.publication, self._faults.rules, self.clock.added)

    def _publish(self) -> None:
        """Have the other processes, if any, answer as this one does; the lock is held."""
        if self._fleet is not None:
            self._fleet.publish(self._state())

    def _flush(self) -> None:
        if self._fleet is not None:
            self._fleet.flush()

    def advance(self, seconds: float) -> None:
        """Move the clock of zones, caches and the log on.

        Raises:
            ValueError: A step back.
        """
        with self._changes:
            self.clock.advance(seconds)
            self._publish()

    def inject(
        self,
        *faults: Fault | None,
        name: str | None = None,
        type: str | None = None,
        transport: Transport | str | None = None,
        client: str | None = None,
        server: str | None = None,
        times: int | None = None,
        repeat: bool = False,
        chance: float = 1.0,
        seed: int = 0,
    ) -> int:
        """Misbehave on the queries that match; return the number of the rule, for `withdraw`.

        Args:
            faults: What goes wrong, one per query in turn; None in their midst is the true reply.
            name: The name asked for, in any case; None for any.
            type: `TXT`, `MX`, …; None for any.
            transport: `udp`, `tcp` or `tls`; None for all.
            client: Address or network of who asks; None for anybody.
            server: Name of the server asked; None for all.
            times: How many queries it meets; None is for ever with one fault, once through
                with several.
            repeat: Whether several faults start over at their end, for ever.
            chance: With what probability a query that matches is met.
            seed: Chooses the sequence of chances and jitters; the same seed, the same sequence.

        Raises:
            MalformedName: The name is none.
            ValueError: No such type, transport or server, or a number out of its range.
        """
        if server is not None and server not in self._names:
            raise ValueError(f"{server!r} is no server; expected {', '.join(self._names)}")
        rule = plan(
            faults,
            name=name,
            type=type,
            transport=transport,
            client=client,
            server=server,
            times=times,
            repeat=repeat,
            chance=chance,
            seed=seed,
        )
        if self._options.workers > 1 and rule.is_counting:
            raise ValueError("a fault that counts queries; expected one worker to count them")
        with self._changes:
            number = self._faults.add(rule)
            self._publish()
        return number

    def withdraw(self, number: int) -> bool:
        """Forget one rule; False when it is not in force any more."""
        with self._changes:
            was_there = self._faults.remove(number)
            self._publish()
        return was_there

    def clear_faults(self) -> None:
        """Behave again."""
        with self._changes:
            self._faults.rules = ()
            self._publish()

    @property
    def faults(self) -> tuple[OpenRule, ...]:
        """The rules in force, and how many queries each has met."""
        return self._faults.rules

    def snapshot(self) -> Snapshot:
        """Note zones, faults and clock as they are, to come back to."""
        with self._changes:
            return self._state()

    def rollback(self, snapshot: Snapshot) -> None:
        """Put zones, faults and clock back; forget the queries and what resolvers remember."""
        with self._changes:
            self._responder.publication = snapshot.publication
            self._faults.rules = snapshot.rules
            self.clock.added = snapshot.clock_added
            self._responder.forget_answers()
            self._publish()
        self.forget_queries()
