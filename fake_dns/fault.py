"""Planned misbehaviour: what may go wrong, as values, and which query it meets."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fake_dns.message import Request, Transport
from fake_dns.name import Name


@dataclass(frozen=True, slots=True)
class Silence:
    """No reply."""


@dataclass(frozen=True, slots=True)
class Delay:
    """The true reply, held back for some seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class ServerFailure:
    """SERVFAIL instead of an answer."""


@dataclass(frozen=True, slots=True)
class Refused:
    """REFUSED instead of an answer."""


@dataclass(frozen=True, slots=True)
class Truncated:
    """TC=1 and nothing else over UDP, whatever fits; over TCP the true reply."""


@dataclass(frozen=True, slots=True)
class Garbled:
    """The true reply with everything behind the question made unreadable."""


Fault = Silence | Delay | ServerFailure | Refused | Truncated | Garbled


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A fault and the queries it meets: what is None matches all; `times` counts down to none."""

    fault: Fault
    name: Name | None = None
    type: str | None = None
    transport: Transport | None = None
    times: int | None = None

    def matches(self, request: Request, transport: Transport) -> bool:
        """Whether this query is one that the fault is meant for."""
        return (
            (self.name is None or self.name.key == request.name.key)
            and (self.type is None or self.type == request.type)
            and (self.transport is None or self.transport is transport)
        )


class FaultBook:
    """The rules in force, first match wins; shared between a test and the server's thread."""

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self._lock: Final = threading.Lock()
        self._open: list[tuple[FaultRule, int | None]] = [(rule, rule.times) for rule in rules]

    def add(self, rule: FaultRule) -> None:
        """Put a rule behind the others."""
        with self._lock:
            self._open.append((rule, rule.times))

    def clear(self) -> None:
        """Forget every rule."""
        with self._lock:
            self._open.clear()

    def take(self, request: Request, transport: Transport) -> Fault | None:
        """Choose the fault for one query, if any, and count it."""
        with self._lock:
            for index, (rule, left) in enumerate(self._open):
                if rule.matches(request, transport):
                    if left == 1:
                        del self._open[index]
                    elif left is not None:
                        self._open[index] = (rule, left - 1)
                    return rule.fault
        return None

    def __bool__(self) -> bool:
        return bool(self._open)
