"""What more workers of the reference relay cost: CPU per message, and the law it follows.

The machine that measures has few cores, and service, generator and sink share them, so that a rate
says nothing of more workers. CPU per message does: n workers that cost c(n) a message carry
n / c(n) on n cores. What workers wait for without spending CPU (one disk, one lock) is not in it.
"""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.capacity import grounds
from loadtests.capacity.scalability import Fit, Point, fit
from loadtests.progress import Progress
from loadtests.trial import Load, Outcome, conduct

# Each twice: three sizes measured once would fit three parameters without a rest, and the intervals
# would be none.
COUNTS = (1, 2, 3, 4, 1, 2, 3, 4)
# So many that every worker has sessions, wherever the kernel puts them.
_USERS = 32


@dataclass(frozen=True, slots=True)
class Scaling:
    """What was measured over workers.

    Attributes:
        costs: Workers, and CPU seconds a message; each number of workers more than once.
        fitted: The law of n / c(n).
    """

    costs: tuple[Point, ...]
    fitted: Fit


def measure(*, signs: bool, seconds: float, octets: int, progress: Progress) -> Scaling:
    """Start the reference relay with one worker, two, three, four, twice, and load each.

    Raises:
        NotFitted: What was measured follows no law.
        GeneratorFailed: Locust broke down.
    """
    costs = []
    for count in COUNTS:
        progress.stage(f"{count} worker{'s' * (count > 1)}")
        with grounds.relay(signs=signs, workers=count) as opened:
            outcome = conduct(opened.site, Load(seconds=seconds, users=_USERS, octets=octets))
        costs.append((float(count), cost(outcome)))
    return Scaling(tuple(sorted(costs)), fit([(count, count / one) for count, one in costs]))


def cost(outcome: Outcome) -> float:
    """CPU of the service in seconds per accepted message; 0 where its processes are not seen."""
    looks = outcome.evidence.looks
    if not outcome.measurement.accepted or not looks:
        return 0.0
    return (looks[-1].cpu_seconds - looks[0].cpu_seconds) / outcome.measurement.accepted
