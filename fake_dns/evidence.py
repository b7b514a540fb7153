"""What was asked, as a test reads it: filtered, waited for, held against what was expected."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from fake_dns.expectation import must_be_expected, unexpected
from fake_dns.message import Transport
from fake_dns.query_log import Entry, Query, QueryLog

_COUNTERS: Final = ("answered", "rejected", "dropped")


class Evidence:
    """The log of one FakeDNS, complete at every reading."""

    def __init__(
        self, log: QueryLog, counters: Mapping[str, int], complete: Callable[[], None]
    ) -> None:
        self._log: Final = log
        self._counters: Final = counters
        self._complete: Final = complete
        self._told: Final[Counter[str]] = Counter()
        self._telling: Final = threading.Lock()

    def _take_in(self, entries: Iterable[Entry], counted: Mapping[str, int]) -> None:
        """Add what another process was asked; called by a thread per process."""
        with self._telling:
            self._log.record_all(entries)
            self._told.update(counted)

    def queries(
        self,
        name: str | None = None,
        type: str | None = None,
        transport: Transport | str | None = None,
        server: str | None = None,
    ) -> tuple[Query, ...]:
        """Return what was asked, oldest first; None matches all."""
        self._complete()
        return self._log.queries(name, type, transport, server)

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

        Raises:
            NotAsked: The time is over; says what was asked instead.
        """
        return self._log.wait_for(
            name, type, within, transport=transport, server=server, after=after
        )

    def unexpected(self, *expected: str) -> tuple[Query, ...]:
        """Return what nobody should have asked.

        Args:
            expected: What may be asked, `"example.com"`, `"example.com MX"` or `"*.example.com"`;
                without any, whatever lies in a zone may be.

        Raises:
            ValueError: An expectation that is none.
        """
        return unexpected(self.queries(), expected)

    def must_be_expected(self, *expected: str) -> None:
        """Fail when something was asked that is not expected; the arguments are `unexpected`'s.

        Raises:
            UnexpectedQuery: Lists what was asked.
            ValueError: An expectation that is none.
        """
        must_be_expected(self.queries(), expected)

    def forget_queries(self) -> None:
        """Drop what was asked so far."""
        self._complete()
        self._log.forget()

    @property
    def counters(self) -> dict[str, int]:
        """How many packets were `answered`, `rejected` (no question) and `dropped` (no reply)."""
        self._complete()
        return {name: self._counters[name] + self._told[name] for name in _COUNTERS}
