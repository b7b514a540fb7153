"""Memory and idle sessions of the reference relay: rows without a peer."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from loadtests.benchmark import footprint, sample
from loadtests.benchmark.driver import Budget, Driver
from loadtests.benchmark.effort import Effort
from loadtests.benchmark.field import DISCARDING_RELAY, Field
from loadtests.benchmark.rounds import SERVER_FAULTS, RelayFailed
from loadtests.benchmark.server import Running
from loadtests.benchmark.workload import WIDTH, WORKLOADS, Login

# Besides the sessions: listeners, the queue's files, the interpreter's own.
_SPARE_FILES = 200
# What Python and OpenSSL keep for good after their first use is there by then.
_WARM_UP_SESSIONS = 200
# Slower than any server here opens sessions.
_SECONDS_PER_SESSION = 0.05


@dataclass(frozen=True, slots=True)
class Endurance:
    """What was seen.

    Attributes:
        sessions: W2 sessions between two readings.
        growth_octets: How much memory grew over them.
        idle_sessions: Authenticated sessions held; 0 if the limit of open files forbids.
        octets_per_session: Memory of each.
        burdened: Cost of W1 beside them divided by that of W1 alone, one for each round.
    """

    sessions: int
    growth_octets: int
    idle_sessions: int
    octets_per_session: float
    burdened: tuple[float, ...]

    @property
    def burden(self) -> float:
        """The median of `burdened`."""
        return median(self.burdened)


def run(field: Field, effort: Effort, tell: Callable[[str], None]) -> Endurance:
    """Measure, on a relay that discards; what a queue keeps would be no growth of the relay.

    Raises:
        RelayFailed: The reference relay did not come up or did not take the driver's mail.
    """
    idle_sessions = effort.idle_sessions if _may_open(effort.idle_sessions) else 0
    try:
        with field.running([DISCARDING_RELAY]) as running:
            if DISCARDING_RELAY.key not in running:
                raise RelayFailed(field.missing[DISCARDING_RELAY.key])
            relay = running[DISCARDING_RELAY.key]
            tell(f"memory: {effort.sessions} sessions one after another")
            growth = asyncio.run(_growth(relay, field.login, effort))
            tell(f"memory: {idle_sessions} idle sessions")
            burdened, held = asyncio.run(_burden(relay, field.login, effort, idle_sessions))
    except SERVER_FAULTS as error:
        raise RelayFailed(f"memory: {str(error) or 'stuck'}") from error
    return Endurance(effort.sessions, growth, idle_sessions, held, burdened)


async def _growth(relay: Running, login: Login, effort: Effort) -> int:
    driver = Driver(relay.address, login, WORKLOADS["W2"])
    await _run_exactly(driver, _WARM_UP_SESSIONS)
    await asyncio.sleep(effort.settle_seconds)
    before = footprint.memory(relay.pid).anonymous
    await _run_exactly(driver, effort.sessions)
    await asyncio.sleep(effort.settle_seconds)
    return footprint.memory(relay.pid).anonymous - before


async def _burden(
    relay: Running, login: Login, effort: Effort, idle_sessions: int
) -> tuple[tuple[float, ...], float]:
    if not idle_sessions:
        return (), 0.0
    workload = WORKLOADS["W1"]
    working = Driver(relay.address, login, workload)
    await working.open_kept(WIDTH)
    await working.run_kept(Budget(effort.warm_up_seconds))
    burdened: list[float] = []
    held: list[float] = []
    for _ in range(effort.idle_rounds):
        alone = await sample.measured(working, relay, workload, effort)
        before = footprint.memory(relay.pid).anonymous
        idle = Driver(relay.address, login, workload)
        await idle.open_kept(idle_sessions)
        held.append((footprint.memory(relay.pid).anonymous - before) / idle_sessions)
        beside = await sample.measured(working, relay, workload, effort)
        await idle.close()
        alone_again = await sample.measured(working, relay, workload, effort)
        burdened.append(beside.cost / ((alone.cost + alone_again.cost) / 2))
    await working.close()
    # Later rounds find memory that the first one has left behind.
    return tuple(burdened), held[0]


async def _run_exactly(driver: Driver, sessions: int) -> None:
    budget = Budget(sessions * _SECONDS_PER_SESSION, at_least=sessions, at_most=sessions)
    await driver.run_fresh(budget)
    if budget.taken < sessions:
        raise TimeoutError(f"only {budget.taken} of {sessions} sessions in time")


def _may_open(sessions: int) -> bool:
    """Raise the limit of open files, for us and for the servers that we start from now on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = sessions + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            return False
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return True
