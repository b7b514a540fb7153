"""Which query meets which fault: rules with counts, sequences, chances and seeds."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from fake_dns.fault import Delay, Fault, Rotating
from fake_dns.message import Request, Transport
from fake_dns.name import Name
from fake_dns.record import canonical_type, type_code

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a query came from and arrived: transport, address and port of the client, server."""

    transport: Transport
    client: tuple[str, int] = ("", 0)
    server: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """The queries that a rule is meant for; what is None matches all."""

    name: Name | None = None
    type: str | None = None
    transport: Transport | None = None
    client: Network | None = None
    server: str | None = None

    def holds(self, request: Request, origin: Origin) -> bool:
        """Whether this query is one of them."""
        return (
            (self.name is None or self.name.key == request.name.key)
            and (self.type is None or self.type == request.type)
            and (self.transport is None or self.transport is origin.transport)
            and (self.server is None or self.server == origin.server)
            and (self.client is None or ip_address(origin.client[0]) in self.client)
        )


@dataclass(frozen=True, slots=True)
class FaultRule:
    """A plan and the queries it meets.

    Attributes:
        plan: One fault per query, taken in turn; None in its place is the true reply.
        match: Which queries.
        times: How many queries it meets in all; None for ever, starting over at the end.
        chance: With what probability it meets a query that matches.
        seed: Chooses the sequence of chances and jitters; the same seed, the same sequence.
    """

    plan: tuple[Fault | None, ...]
    match: Match = field(default_factory=Match)
    times: int | None = None
    chance: float = 1.0
    seed: int = 0

    @property
    def is_counting(self) -> bool:
        """Whether what it does depends on how many queries came before."""
        return self.times is not None or len(self.plan) > 1 or isinstance(self.plan[0], Rotating)


def plan(
    faults: Sequence[Fault | None],
    *,
    name: str | None = None,
    type: str | None = None,
    transport: Transport | str | None = None,
    client: str | None = None,
    server: str | None = None,
    times: int | None = None,
    repeat: bool = False,
    chance: float = 1.0,
    seed: int = 0,
) -> FaultRule:
    """Make a rule from what a test says; the arguments are those of `FakeDNS.inject`.

    Raises:
        MalformedName: The name is none.
        ValueError: No fault, no such type or transport, no address, fewer than one time, or a
            chance that is none.
    """
    if not faults:
        raise ValueError("no fault is given; expected at least one")
    if type is not None and type_code(type.upper()) is None:
        raise ValueError(f"{type!r} is no record type")
    if times is not None and times < 1:
        raise ValueError(f"times is {times}; expected at least 1, or None for always")
    if not 0.0 < chance <= 1.0:
        raise ValueError(f"chance is {chance}; expected more than 0, at most 1")
    if times is None and len(faults) > 1 and not repeat:
        times = len(faults)
    match = Match(
        Name.parse(name) if name is not None else None,
        canonical_type(type.upper()) if type is not None else None,
        Transport(transport) if transport is not None else None,
        ip_network(client) if client is not None else None,
        server,
    )
    return FaultRule(tuple(faults), match, times, chance, seed)


@dataclass(frozen=True, slots=True)
class OpenRule:
    """A rule in force: its number, how many queries it was held against, how many it met."""

    number: int
    rule: FaultRule
    seen: int = 0
    met: int = 0

    def meet(self) -> tuple[OpenRule, Fault | None, bool]:
        """Hold one more query against it: what is left, the fault, and whether it met the query."""
        rule, seen = self.rule, replace(self, seen=self.seen + 1)
        if rule.chance < 1.0 and self._drawn("chance") >= rule.chance:
            return seen, None, False
        fault = self._settled(rule.plan[self.met % len(rule.plan)])
        return replace(seen, met=self.met + 1), fault, True

    def _settled(self, fault: Fault | None) -> Fault | None:
        """Draw what a fault leaves open: a delay's jitter, how far a rotation has come."""
        match fault:
            case Delay(seconds=seconds, jitter_seconds=jitter, then=then):
                extra = jitter * self._drawn("jitter") if jitter else 0.0
                return Delay(seconds + extra, then=self._settled(then))
            case Rotating(by=by):
                return Rotating(by * self.met)
            case _:
                return fault

    def _drawn(self, purpose: str) -> float:
        # A generator per draw, so that a rollback needs nothing but the counts.
        seed = f"{self.rule.seed}/{self.seen}/{purpose}"
        return random.Random(seed).random()  # noqa: S311  # repeatable on purpose

    @property
    def is_spent(self) -> bool:
        """Whether it has met as many queries as it was planned for."""
        return self.rule.times is not None and self.met >= self.rule.times


class FaultBook:
    """The rules in force, first match wins; shared between a test and the server's thread."""

    def __init__(self, rules: Iterable[FaultRule] = ()) -> None:
        self._lock: Final = threading.Lock()
        self._count = 0
        self._open: tuple[OpenRule, ...] = ()
        for rule in rules:
            self.add(rule)

    def add(self, rule: FaultRule) -> int:
        """Put a rule behind the others; return its number."""
        with self._lock:
            self._count += 1
            self._open = (*self._open, OpenRule(self._count, rule))
            return self._count

    def remove(self, number: int) -> bool:
        """Forget one rule; False when it is not in force."""
        with self._lock:
            left = tuple(one for one in self._open if one.number != number)
            is_gone = len(left) < len(self._open)
            self._open = left
            return is_gone

    @property
    def rules(self) -> tuple[OpenRule, ...]:
        """The rules in force, as they stand; setting them puts an earlier state back."""
        return self._open

    @rules.setter
    def rules(self, rules: tuple[OpenRule, ...]) -> None:
        with self._lock:
            self._open = rules
            self._count = max((self._count, *(one.number for one in rules)))

    def take(self, request: Request, origin: Origin) -> Fault | None:
        """Choose the fault for one query, if any, and count it."""
        with self._lock:
            for index, one in enumerate(self._open):
                if not one.rule.match.holds(request, origin):
                    continue
                left, fault, is_met = one.meet()
                if is_met and fault is not None and origin.transport not in fault.transports:
                    # It waits for a query that it can do something to.
                    continue
                rest = () if left.is_spent else (left,)
                self._open = (*self._open[:index], *rest, *self._open[index + 1 :])
                if is_met:
                    return fault
        return None

    def __bool__(self) -> bool:
        return bool(self._open)
