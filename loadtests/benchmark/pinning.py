"""Server on one core, driver on another, so that neither takes the other's time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the servers run on and which the driver; the same ones if there is only one."""

    server: frozenset[int]
    driver: frozenset[int]

    @classmethod
    def choose(cls) -> Cores:
        """Take the first core for the servers and the last for the driver."""
        allowed = sorted(os.sched_getaffinity(0))
        return cls(frozenset(allowed[:1]), frozenset(allowed[-1:]))

    @property
    def are_apart(self) -> bool:
        return not self.server & self.driver

    @contextlib.contextmanager
    def for_server(self) -> Iterator[None]:
        """Give what is started inside to the server's core: children inherit the affinity."""
        os.sched_setaffinity(0, self.server)
        try:
            yield
        finally:
            os.sched_setaffinity(0, self.driver)

    @contextlib.contextmanager
    def for_driver(self) -> Iterator[None]:
        """Keep this process on the driver's core."""
        before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, self.driver)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)
