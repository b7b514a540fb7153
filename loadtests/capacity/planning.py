"""From what messages and sessions cost to relays, cores and generators for a wanted rate.

The model: a session costs s, a message m, so n messages a session cost s/n + m each; one core gives
1/(s/n + m) a second. Both come from two measurements, with and without a session for each message.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.capacity.scalability import Law

# Of a relay's capacity: what is left is for bursts and for the relay that is being restarted.
_USED_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU of the service, in seconds.

    Attributes:
        session: Connect, TLS handshake, AUTH and what follows from them.
        message: Envelope, content, durable storage, delivery.
    """

    session: float
    message: float

    @classmethod
    def of(cls, kept: float, fresh: float, messages_per_session: float = 1.0) -> Costs:
        """Tell them apart.

        Args:
            kept: CPU seconds a message in kept sessions.
            fresh: The same with few messages a session.
            messages_per_session: So many.
        """
        return cls(max(fresh - kept, 0.0) * messages_per_session, kept)

    def rate(self, messages_per_session: float, cores: float = 1.0) -> float:
        """Messages a second that so many cores carry."""
        return cores / (self.session / messages_per_session + self.message)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a wanted rate takes.

    Attributes:
        workers: Of each relay.
        relays: How many, one more than carry it, so that one may be missing.
        cores: Of all relays.
        generators: Processes that can offer it.
        is_extrapolated: Whether more workers are meant than were measured.
    """

    workers: int
    relays: int
    cores: int
    generators: int
    is_extrapolated: bool


def plan(
    wanted: float,
    costs: Costs,
    messages_per_session: float,
    generator_rate: float,
    *,
    workers: int = 1,
    law: Law | None = None,
) -> Plan:
    """Turn a rate into machines.

    Args:
        wanted: Messages a second.
        costs: Of the service.
        messages_per_session: Of its users.
        generator_rate: What one generator process is trusted with.
        workers: Of each relay, a core each.
        law: How workers scale; None takes them as independent.

    Raises:
        NotFitted: So many workers are beyond what the law may be asked for.
    """
    one = costs.rate(messages_per_session) * _USED_SHARE
    each = one * workers if law is None else one * law.at(workers) / law.at(1)
    relays = math.ceil(wanted / each) + 1
    return Plan(
        workers,
        relays,
        relays * workers,
        math.ceil(wanted / generator_rate),
        law is not None and workers > law.largest,
    )


def curve(
    costs: Costs, counts: Sequence[int] = (1, 2, 5, 10, 20, 50, 100, 1000)
) -> list[tuple[float, float]]:
    """Messages a session and what one core carries then."""
    return [(float(count), costs.rate(count)) for count in counts]
