"""What was asked: every query in order, to be read back and waited for."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fake_dns.message import Transport

# Enough for any test to look back on, little enough for a load test to forget (some 30 MB).
DEFAULT_CAPACITY: Final = 100_000


@dataclass(frozen=True, slots=True)
class Query:
    """One query as it came; `rcode` is None when it was left without a reply.

    `number` counts from 1 and never repeats; `asked_at` is in seconds of the server's clock;
    `name` keeps its case and has no final dot; `edns_octets` is None without EDNS.
    """

    number: int
    asked_at: float
    name: str
    type: str
    transport: Transport
    client: tuple[str, int]
    rcode: str | None
    edns_octets: int | None

    def matches(self, name: str | None, type: str | None, transport: Transport | None) -> bool:
        """Whether name (in any case, final dot or not), type and transport are these."""
        return (
            (name is None or _folded(self.name) == _folded(name))
            and (type is None or self.type == type.upper())
            and (transport is None or self.transport is transport)
        )


class NotAsked(TimeoutError):
    """Nobody asked in time; the message lists what was asked last."""


class QueryLog:
    """Written by the server's thread, read and waited on by any other."""

    def __init__(
        self,
        capacity: int = DEFAULT_CAPACITY,
        now: Callable[[], float] = time.time,
        on_query: Callable[[Query], None] | None = None,
    ) -> None:
        self._queries: Final[deque[Query]] = deque(maxlen=capacity)
        self._arrived: Final = threading.Condition()
        self._now: Final = now
        self._on_query: Final = on_query
        self._count = 0

    def record(
        self,
        name: str,
        type: str,
        transport: Transport,
        client: tuple[str, int],
        rcode: str | None,
        edns_octets: int | None,
    ) -> None:
        """Write one query and wake those who wait."""
        with self._arrived:
            self._count += 1
            query = Query(
                self._count, self._now(), name, type, transport, client, rcode, edns_octets
            )
            self._queries.append(query)
            self._arrived.notify_all()
        if self._on_query is not None:
            self._on_query(query)

    def queries(
        self,
        name: str | None = None,
        type: str | None = None,
        transport: Transport | str | None = None,
    ) -> tuple[Query, ...]:
        """Return what was asked, oldest first; None matches all.

        Raises:
            ValueError: No such transport.
        """
        carried = Transport(transport) if transport is not None else None
        with self._arrived:
            return tuple(q for q in self._queries if q.matches(name, type, carried))

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

        Args:
            name: What is asked for, in any case.
            type: `TXT`, `MX`, …; None for any.
            within: Seconds to wait.
            transport: `udp` or `tcp`; None for any.
            after: Only queries later than this one count.

        Raises:
            NotAsked: The time is over.
            ValueError: No such transport.
        """
        carried = Transport(transport) if transport is not None else None
        floor = after.number if after is not None else 0

        def first() -> Query | None:
            candidates = (q for q in self._queries if q.number > floor)
            return next((q for q in candidates if q.matches(name, type, carried)), None)

        with self._arrived:
            found = self._arrived.wait_for(first, timeout=within)
            if found is None:
                raise NotAsked(self._complaint(name, type, within))
            return found

    def forget(self) -> None:
        """Drop what was asked so far; numbers go on."""
        with self._arrived:
            self._queries.clear()

    def _complaint(self, name: str, type: str | None, within: float) -> str:
        latest = ", ".join(f"{q.name} {q.type} ({q.transport})" for q in list(self._queries)[-8:])
        return (
            f"nobody asked for {name} {type or 'of any type'} within {within:g} s;"
            f" asked last: {latest or 'nothing'}"
        )


def _folded(name: str) -> str:
    return (name[:-1] if name.endswith(".") and name != "." else name).lower()
