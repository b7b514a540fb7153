"""How much is measured: the full benchmark and the quick one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """Counts and times of a run.

    Attributes:
        rounds: How often every server is measured with every workload, in turn.
        seconds: Each measurement; two seconds of a busy core are 200 of the kernel's ticks.
        at_least: Messages of a measurement, if the server is slow.
        warm_up_seconds: Load before it, over the same sessions; Node compiles what is hot.
        settle_seconds: Silence before each reading, in which the server ends what it has begun.
        sessions: After how many W2 sessions the growth of memory is read.
        idle_sessions: How many are held while W1 runs.
        idle_rounds: How often that is compared with W1 alone.
    """

    rounds: int = 3
    seconds: float = 2.0
    at_least: int = 200
    warm_up_seconds: float = 1.0
    settle_seconds: float = 0.2
    sessions: int = 10_000
    idle_sessions: int = 5_000
    idle_rounds: int = 3


FULL = Effort()
# Shows that everything works; its figures are worth nothing.
QUICK = Effort(
    rounds=1,
    seconds=0.3,
    at_least=10,
    warm_up_seconds=0.1,
    settle_seconds=0.1,
    sessions=200,
    idle_sessions=200,
    idle_rounds=1,
)
