"""The whole way of a message, from MAIL to the sink, through a relay with one spool or another."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fake_dns import Zone
from fixtures.profile import DEFAULT_PROFILE, load_profile
from fixtures.sink import Delivery, SinkMX
from fixtures.world import World
from loadtests.benchmark import footprint
from loadtests.benchmark.driver import Budget, Driver
from loadtests.benchmark.workload import WIDTH, WORKLOADS, Login

VARIANTS = ("group", "single", "log")
_DRAIN_SECONDS = 120.0
_LONGEST_SECONDS = 600.0
_WARM_UP = 60


@dataclass(frozen=True, slots=True)
class Way:
    """One measurement.

    Attributes:
        cpu_seconds: Of the relay, from the first MAIL until the sink had everything.
        seconds: The same by the clock on the wall.
    """

    messages: int
    cpu_seconds: float
    seconds: float

    @property
    def cost(self) -> float:
        """CPU per message, in µs."""
        return self.cpu_seconds / self.messages * 1e6


class CountingSink:
    """A sink that keeps nothing but the number of messages, and the time of the first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.taken = 0
        self.first_at = 0.0
        self.sink = SinkMX(retention=1, has_transcripts=False, on_delivery=self._take)

    def wait_for(self, count: int, within: float = _DRAIN_SECONDS) -> None:
        """Wait until so many have arrived.

        Raises:
            TimeoutError: They have not.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self.taken >= count, within):
                raise TimeoutError(f"{self.taken} of {count} messages arrived in {within:g} s")

    def _take(self, delivery: Delivery) -> None:
        with self._changed:
            self.first_at = self.first_at or time.monotonic()
            self.taken += 1
            self._changed.notify_all()


@contextmanager
def relay(variant: str, sink: CountingSink, folder: Path | None = None) -> Iterator[World]:
    """Start a relay whose recipients are at the sink; it does not sign."""
    world = World(
        load_profile(DEFAULT_PROFILE),
        command=f"{{python}} -m reference_relay.benchmark {variant} serve --config {{config}}",
        folder=folder,
        signs=False,
        sink=sink.sink,
    )
    world.dns.add(Zone("recipient.example", {"@": {"MX": "10 mx.strict.sink.example."}}))
    with world:
        yield world


def measured(variant: str, messages: int) -> Way:
    """Send so many messages of W1 over 20 kept sessions, and wait until all have arrived.

    Raises:
        TimeoutError: They have not.
    """
    sink = CountingSink()
    with relay(variant, sink) as world:
        target = world.target()
        account, endpoint = target.account(), target.endpoint()
        pid = world.relay.pid
        assert pid is not None
        before = began = 0.0

        async def drive() -> None:
            nonlocal before, began
            login = Login(account.username, account.password)
            driver = Driver((endpoint.addresses[0], endpoint.port), login, WORKLOADS["W1"])
            try:
                await driver.open_kept(WIDTH)
                await driver.run_kept(Budget(_DRAIN_SECONDS, at_most=_WARM_UP))
                await asyncio.to_thread(sink.wait_for, _WARM_UP)
                before, began = footprint.cpu_seconds(pid), time.monotonic()
                await driver.run_kept(Budget(_LONGEST_SECONDS, at_most=messages))
                await asyncio.to_thread(sink.wait_for, _WARM_UP + messages)
            finally:
                await driver.close()

        asyncio.run(drive())
        cpu = footprint.cpu_seconds(pid) - before
        return Way(messages, cpu, time.monotonic() - began)


def first_delivery(folder: Path) -> float:
    """Start a relay on the queue in a world's folder; tell when its first delivery came.

    Returns:
        Seconds since the relay's process was started.

    Raises:
        TimeoutError: There is none.
    """
    sink = CountingSink()
    with relay("group", sink, folder) as world:
        pid = world.relay.pid
        assert pid is not None
        ticks = min(one.start_tick for one in footprint.members(pid))
        sink.wait_for(1)
    # Both clocks begin when the machine does.
    return sink.first_at - ticks / os.sysconf("SC_CLK_TCK")
