"""What was asked: every query in order, to be read back and waited for."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from fake_dns.message import Transport

# Enough for any test to look back on, little enough for a load test to forget (some 30 MB).
DEFAULT_CAPACITY: Final = 100_000

# name, type, transport, server, client, rcode, edns_octets, is_in_zone, asked_at
Entry = tuple[str, str, Transport, str, tuple[str, int], str | None, int | None, bool, float]


@dataclass(frozen=True, slots=True)
class Query:
    """One query as it came; `rcode` is None when it was left without a reply.

    `number` counts from 1 and never repeats; `asked_at` is in seconds of the server's clock;
    `name` keeps its case and has no final dot; `edns_octets` is None without EDNS; `server` is the
    one that was asked; `is_in_zone` is False for a name in no zone that it serves.
    """

    number: int
    name: str
    type: str
    transport: Transport
    server: str
    client: tuple[str, int]
    rcode: str | None
    edns_octets: int | None
    is_in_zone: bool
    asked_at: float

    def matches(
        self, name: str | None, type: str | None, transport: Transport | None, server: str | None
    ) -> bool:
        """Whether name (in any case, final dot or not), type, transport and server are these."""
        return (
            (name is None or _folded(self.name) == _folded(name))
            and (type is None or self.type == type.upper())
            and (transport is None or self.transport is transport)
            and (server is None or self.server == server)
        )


class NotAsked(TimeoutError):
    """Nobody asked in time; the message lists what was asked last."""


class QueryLog:
    """Written by the server's thread, read and waited on by any other."""

    def __init__(
        self,
        capacity: int = DEFAULT_CAPACITY,
        on_query: Callable[[Query], None] | None = None,
    ) -> None:
        # Kept as tuples: making a value of each would be a tenth of the cost of a reply.
        self._entries: Final[deque[Entry]] = deque(maxlen=capacity)
        self._arrived: Final = threading.Condition()
        self._waiting = 0
        self._on_query: Final = on_query
        self._count = 0

    @property
    def count(self) -> int:
        """How many queries were written so far, those forgotten included."""
        return self._count

    def record(self, entry: Entry) -> None:
        """Write one query and wake those who wait."""
        with self._arrived:
            self._entries.append(entry)
            self._count = number = self._count + 1
            if self._waiting:
                self._arrived.notify_all()
        if self._on_query is not None:
            self._on_query(Query(number, *entry))

    def record_all(self, entries: Iterable[Entry]) -> None:
        """Write several queries and wake those who wait."""
        for entry in entries:
            self.record(entry)

    def queries(
        self,
        name: str | None = None,
        type: str | None = None,
        transport: Transport | str | None = None,
        server: str | None = None,
        after: int = 0,
    ) -> tuple[Query, ...]:
        """Return what was asked after the query of that number, oldest first; None matches all.

        Raises:
            ValueError: No such transport.
        """
        carried = Transport(transport) if transport is not None else None
        found = (q for q in self._kept() if q.matches(name, type, carried, server))
        return tuple(q for q in found if q.number > after)

    def wait_for(
        self,
        name: str,
        type: str | None = None,
        within: float = 5.0,
        *,
        transport: Transport | str | None = None,
        server: str | None = None,
        after: Query | None = None,
    ) -> Query:
        """Return the first such query, asked already or within so many seconds.

        Args:
            name: What is asked for, in any case.
            type: `TXT`, `MX`, …; None for any.
            within: Seconds to wait.
            transport: `udp`, `tcp` or `tls`; None for any.
            server: The server asked; None for any.
            after: Only queries later than this one count.

        Raises:
            NotAsked: The time is over.
            ValueError: No such transport.
        """
        carried = Transport(transport) if transport is not None else None
        floor = after.number if after is not None else 0

        def first() -> Query | None:
            nonlocal floor
            for query in self._kept_after(floor):
                floor = query.number
                if query.matches(name, type, carried, server):
                    return query
            return None

        with self._arrived:
            self._waiting += 1
            try:
                found = self._arrived.wait_for(first, timeout=within)
            finally:
                self._waiting -= 1
        if found is None:
            raise NotAsked(self._complaint(name, type, within))
        return found

    def forget(self) -> None:
        """Drop what was asked so far; numbers go on."""
        with self._arrived:
            self._entries.clear()

    def _kept(self) -> list[Query]:
        with self._arrived:
            entries, count = list(self._entries), self._count
        first = count - len(entries) + 1
        return [Query(number, *entry) for number, entry in enumerate(entries, first)]

    def _kept_after(self, floor: int) -> Iterable[Query]:
        """Go through the newest, oldest first; the lock is held."""
        newest: list[Query] = []
        number = self._count
        for entry in reversed(self._entries):
            if number <= floor:
                break
            newest.append(Query(number, *entry))
            number -= 1
        return reversed(newest)

    def _complaint(self, name: str, type: str | None, within: float) -> str:
        latest = ", ".join(f"{q.name} {q.type} ({q.transport})" for q in self._kept()[-8:])
        return (
            f"nobody asked for {name} {type or 'of any type'} within {within:g} s;"
            f" asked last: {latest or 'nothing'}"
        )


def _folded(name: str) -> str:
    return (name[:-1] if name.endswith(".") and name != "." else name).lower()
