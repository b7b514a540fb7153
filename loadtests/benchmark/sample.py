"""One measurement: a workload on a running server, and what it cost the server."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from loadtests.benchmark import footprint
from loadtests.benchmark.driver import Budget, Driver
from loadtests.benchmark.effort import Effort
from loadtests.benchmark.server import Running
from loadtests.benchmark.workload import WIDTH, Login, Sessions, Workload

# Slower than any server here sends on what two seconds brought.
_DRAIN_SECONDS = 60.0
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen.

    Attributes:
        cpu_seconds: Of all processes of the server.
        driver_cpu_seconds: Of this process.
        memory_octets: Of all processes of the server, at the end.
    """

    messages: int
    seconds: float
    cpu_seconds: float
    driver_cpu_seconds: float
    memory_octets: int

    @property
    def cost(self) -> float:
        """CPU of the server per message, in µs."""
        return self.cpu_seconds / self.messages * 1e6

    @property
    def rate(self) -> float:
        """Messages per second."""
        return self.messages / self.seconds

    @property
    def driver_share(self) -> float:
        """How busy the driver's core was, from 0 to 1; near 1 the rate is the driver's."""
        return self.driver_cpu_seconds / self.seconds


async def take(running: Running, login: Login, workload: Workload, effort: Effort) -> Sample:
    """Measure a workload.

    Raises:
        Exception: As `Driver.run_fresh`; also if not one message was taken.
    """
    driver = Driver(running.address, login, workload)
    try:
        if workload.sessions is Sessions.KEPT:
            await driver.open_kept(WIDTH)
        before = running.delivered() if running.delivered else 0
        warm_up = Budget(effort.warm_up_seconds)
        await _load(driver, workload, warm_up)
        await _drained(running, before + warm_up.taken)
        return await measured(driver, running, workload, effort)
    finally:
        await driver.close()


async def measured(driver: Driver, running: Running, workload: Workload, effort: Effort) -> Sample:
    """Measure with a driver whose sessions are open and warm.

    Raises:
        Exception: As `take`.
    """
    await asyncio.sleep(effort.settle_seconds)
    arrived = running.delivered() if running.delivered else 0
    before = footprint.cpu_seconds(running.pid)
    driver_before = time.process_time()
    started_at = time.monotonic()
    budget = Budget(effort.seconds, at_least=effort.at_least)
    await _load(driver, workload, budget)
    seconds = time.monotonic() - started_at
    driver_cpu = time.process_time() - driver_before
    # What is accepted is paid for when it has arrived, too.
    await _drained(running, arrived + budget.taken)
    await asyncio.sleep(effort.settle_seconds)
    return Sample(
        messages=budget.taken,
        seconds=seconds,
        cpu_seconds=footprint.cpu_seconds(running.pid) - before,
        driver_cpu_seconds=driver_cpu,
        memory_octets=footprint.memory(running.pid).total,
    )


async def _drained(running: Running, expected: int) -> None:
    if running.delivered is None:
        return
    async with asyncio.timeout(_DRAIN_SECONDS):
        # Another process counts; there is nothing to be woken by.
        while running.delivered() < expected:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)


async def _load(driver: Driver, workload: Workload, budget: Budget) -> None:
    if workload.sessions is Sessions.KEPT:
        await driver.run_kept(budget)
    else:
        await driver.run_fresh(budget)
