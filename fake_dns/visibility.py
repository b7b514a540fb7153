"""When and where a record set can be seen: from, until, and on which servers.

An instant is a number of seconds on the server's clock, or "+90", "+5m", "+72h" after the zone
is put in service. Knows nothing of records.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

_AFTER: Final = re.compile(r"\+([0-9]+(?:\.[0-9]+)?)([smhd]?)", re.ASCII)
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class MalformedInstant(ValueError):
    """No instant; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Instant:
    """Seconds on the server's clock, or after the zone was put in service."""

    seconds: float
    is_relative: bool = False

    @classmethod
    def parse(cls, value: object) -> Instant:
        """Read an instant: a number, a date with time and offset, or "+90", "+5m", "+72h", "+3d".

        Raises:
            MalformedInstant: Anything else.
        """
        expected = 'seconds on the clock, a date with time and offset, or "+90", "+5m", "+72h"'
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return cls(float(value))
        if isinstance(value, str):
            if after := _AFTER.fullmatch(value):
                return cls(float(after[1]) * _UNITS[after[2]], is_relative=True)
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                raise MalformedInstant(f"{value!r}; expected {expected}") from None
        if isinstance(value, datetime) and value.tzinfo is not None:
            return cls(value.timestamp())
        raise MalformedInstant(f"{value!r}; expected {expected}")

    def after(self, beginning: float) -> Instant:
        """The same on the clock, for a zone put in service at `beginning`."""
        return Instant(beginning + self.seconds) if self.is_relative else self

    @property
    def written(self) -> float | str:
        """The form that `parse` reads back."""
        return f"+{self.seconds:g}" if self.is_relative else self.seconds


BEGINNING: Final = Instant(-math.inf)
END: Final = Instant(math.inf)


@dataclass(frozen=True, slots=True)
class Visibility:
    """From `start`, before `end`, on these servers; no server named means all."""

    start: Instant = BEGINNING
    end: Instant = END
    servers: frozenset[str] = frozenset()

    def after(self, beginning: float) -> Visibility:
        """The same with both instants on the clock."""
        return replace(self, start=self.start.after(beginning), end=self.end.after(beginning))

    def includes(self, server: str, now: float) -> bool:
        """Whether this server shows it now; both instants must be on the clock."""
        return self.start.seconds <= now < self.end.seconds and (
            not self.servers or server in self.servers
        )

    def overlaps(self, other: Visibility) -> bool:
        """Whether some server may at some time show both."""
        if self.servers and other.servers and not self.servers & other.servers:
            return False
        return not (_is_over(self.end, other.start) or _is_over(other.end, self.start))

    @property
    def is_relative(self) -> bool:
        """Whether an instant counts from the zone's own beginning."""
        return self.start.is_relative or self.end.is_relative


ALWAYS: Final = Visibility()


def boundaries(visibilities: Iterable[Visibility]) -> list[float]:
    """The instants at which something appears or goes, in order."""
    instants = {edge.seconds for one in visibilities for edge in (one.start, one.end)}
    return sorted(instant for instant in instants if math.isfinite(instant))


def _is_over(end: Instant, start: Instant) -> bool:
    # One on the clock and one not cannot be compared before the zone is in service.
    return end.is_relative is start.is_relative and end.seconds <= start.seconds
