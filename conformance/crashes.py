"""Ways to break a relay under load."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fixtures.disk import UnreliableDisk
from fixtures.relay_process import RelayNotReady, RelayProcess

# A worker without a supervisor ends by itself; so long it may take.
_ORPHAN_SECONDS = 60.0
_RESTART_SECONDS = 30.0


class Crash(Protocol):
    """Something terrible, and the end of it."""

    def strike(self, chance: random.Random, stop: Callable[[], None]) -> None:
        """Break the relay; return when it is there again.

        Args:
            chance: Decides what is open.
            stop: Tells whoever submits to stop, for the case that connections survive.

        Raises:
            RelayNotReady: It did not come back.
        """


class RelayKilled:
    """SIGKILL to the process that was started."""

    def __init__(self, relay: RelayProcess) -> None:
        self._relay = relay

    def strike(self, chance: random.Random, stop: Callable[[], None]) -> None:
        """Kill and restart."""
        self._relay.kill()
        self._relay.start()


class PowerCut:
    """SIGKILL, and the disk forgets whatever was not synced.

    Attributes:
        disk: The one that the relay's state is on.
    """

    def __init__(self, relay: RelayProcess, disk: UnreliableDisk) -> None:
        self._relay = relay
        self.disk = disk

    def strike(self, chance: random.Random, stop: Callable[[], None]) -> None:
        """Cut the power, and restart."""
        self._relay.kill()
        self.disk.cut()
        self._relay.start()


class WorkerOrSupervisorKilled:
    """SIGKILL to one process of a relay of several: mostly a worker, now and then the first."""

    def __init__(self, relay: RelayProcess) -> None:
        self._relay = relay

    def strike(self, chance: random.Random, stop: Callable[[], None]) -> None:
        """Kill one of the processes, and wait until there are as many as before."""
        first = self._relay.pid
        workers = children_of(first or 0)
        if not workers or chance.random() < 0.25:
            self._relay.kill()
            stop()
            _wait(lambda: not any(map(is_alive, workers)), _ORPHAN_SECONDS, "orphans do not end")
            self._relay.start()
            return
        victim = chance.choice(workers)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)

        def is_replaced() -> bool:
            now = children_of(first or 0)
            return victim not in now and len(now) == len(workers)

        _wait(is_replaced, _RESTART_SECONDS, "the worker is not replaced")
        stop()


def children_of(pid: int) -> list[int]:
    """Return the process ids of the direct children of a process."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        return [int(word) for word in text.split()]
    return []


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a dead one that nobody has fetched does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _wait(is_so: Callable[[], bool], within: float, otherwise: str) -> None:
    deadline = time.monotonic() + within
    while not is_so():
        if time.monotonic() > deadline:
            raise RelayNotReady(f"{otherwise} within {within:g} s")
        time.sleep(0.01)
