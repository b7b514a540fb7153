"""The rounds: every workload on every server, in turn, so that a drift of the machine hits all."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from statistics import median

from loadtests.benchmark import sample
from loadtests.benchmark.conversation import UnexpectedReply
from loadtests.benchmark.effort import Effort
from loadtests.benchmark.field import RELAYS, Field
from loadtests.benchmark.sample import Sample
from loadtests.benchmark.server import Promise
from loadtests.benchmark.workload import Workload

# What a server that misbehaves, or is gone, does to the driver.
SERVER_FAULTS = (OSError, ssl.SSLError, UnexpectedReply, TimeoutError)
# The workloads with a target for the whole way of a message; the others would only take time.
_ASKED = {Promise.DELIVERED: ("W1", "W2"), Promise.SIGNED: ("W1",)}


class RelayFailed(Exception):
    """The reference relay itself could not be measured; there is nothing to compare."""


class Samples:
    """All samples of a run, by server and workload."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], list[Sample]] = {}

    def add(self, server: str, workload: str, one: Sample) -> None:
        """Keep a sample."""
        self._taken.setdefault((server, workload), []).append(one)

    def of(self, server: str, workload: str) -> Sequence[Sample]:
        """Return the samples in the order of the rounds; none if it was not measured."""
        return self._taken.get((server, workload), ())

    def costs(self, server: str, workload: str) -> list[float]:
        """Return the costs in µs per message in the order of the rounds."""
        return [one.cost for one in self.of(server, workload)]

    def median_cost(self, server: str, workload: str) -> float | None:
        """Return the median cost in µs per message."""
        costs = self.costs(server, workload)
        return median(costs) if costs else None

    def forget(self, server: str) -> None:
        """Drop what is known of a server that failed: half a comparison is none."""
        for key in [key for key in self._taken if key[0] == server]:
            del self._taken[key]


def run(
    field: Field, workloads: Sequence[Workload], effort: Effort, tell: Callable[[str], None]
) -> Samples:
    """Measure. A peer that fails is dropped from the field and from the samples.

    Raises:
        RelayFailed: The reference relay did not come up or did not take the driver's mail.
    """
    samples = Samples()
    for number in range(1, effort.rounds + 1):
        tell(f"round {number} of {effort.rounds}: starting")
        with field.running([one.server for one in field.competitors]) as running:
            _demand_relays(field)
            for workload in workloads:
                for competitor in tuple(field.competitors):
                    server = competitor.server
                    if workload.key not in _ASKED.get(server.promise, (workload.key,)):
                        continue
                    tell(f"round {number} of {effort.rounds}: {workload.key} on {server.title}")
                    try:
                        taken = asyncio.run(
                            sample.take(running[server.key], field.login, workload, effort)
                        )
                    except SERVER_FAULTS as error:
                        field.drop(server, f"failed in {workload.key}: {str(error) or 'stuck'}")
                        _demand_relays(field)
                        samples.forget(server.key)
                    else:
                        samples.add(server.key, workload.key, taken)
    return samples


def _demand_relays(field: Field) -> None:
    for relay in RELAYS:
        if relay.key in field.missing:
            raise RelayFailed(f"{relay.key}: {field.missing[relay.key]}")
