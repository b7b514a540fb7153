"""`python -m loadtests.demonstration`: what a closed loop hides.

The reference relay is stopped for five seconds (SIGSTOP, SIGCONT) while two generators load it side
by side: ours, whose arrivals are planned, and a plain closed loop, as most load tests are.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from loadtests.benchmark import footprint
from loadtests.capacity.grounds import relay
from loadtests.measurement import Measurement
from loadtests.phase import Phase
from loadtests.schedule import Schedule
from loadtests.site import Site
from loadtests.trial import Load, Outcome, conduct

STALL_SECONDS = 5.0
_SECONDS = 16.0
RATE = 40.0
_PERCENTS = (50.0, 90.0, 99.0)
# Half of the stall: nothing else on a machine, however busy, makes a message wait so long.
_FELT_MICROSECONDS = int(STALL_SECONDS / 2 * 1e6)
CLOSED_USERS = 2


@dataclass(frozen=True, slots=True)
class Seen:
    """One stall, seen by two generators.

    Attributes:
        planned: Ours; its response counts from the planned moment.
        closed: A closed loop; it counts from when it began a message.
    """

    planned: Outcome
    closed: Outcome

    @property
    def ours(self) -> tuple[float, ...]:
        """Percentiles 50, 90 and 99 in ms."""
        return _percentiles(self.planned, Phase.RESPONSE)

    @property
    def theirs(self) -> tuple[float, ...]:
        """The same of the closed loop."""
        return _percentiles(self.closed, Phase.MESSAGE)

    @property
    def felt(self) -> tuple[int, int]:
        """How many messages waited half of the stall or longer: ours, the closed loop's."""
        ours = self.planned.measurement.phases[Phase.RESPONSE]
        theirs = self.closed.measurement.phases[Phase.MESSAGE]
        return ours.above(_FELT_MICROSECONDS), theirs.above(_FELT_MICROSECONDS)


def _percentiles(outcome: Outcome, phase: Phase) -> tuple[float, ...]:
    histogram = outcome.measurement.phases[phase]
    return tuple(histogram.percentile(percent) / 1000 for percent in _PERCENTS)


def stall(site: Site) -> Seen:
    """Load a relay from two sides and stop it for five seconds in the middle."""
    planned = Load(Schedule.constant(RATE, _SECONDS, poisson=True), users=10, drain_seconds=20)
    # Two users at twice the rate together; they wait for replies, as users of a closed loop do.
    closed = Load(
        seconds=_SECONDS + 1, users=CLOSED_USERS, scenarios=("PacedUser",), pace_seconds=1 / RATE
    )
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="stall-") as name:
        folder = Path(name)

        def run(key: str, load: Load) -> None:
            outcomes[key] = conduct(site, load, folder=folder / key)

        threads = [
            threading.Thread(target=run, args=pair)
            for pair in (("planned", planned), ("closed", closed))
        ]
        for thread in threads:
            thread.start()
        _stop_for_a_while(site, folder / "planned", folder / "closed")
        for thread in threads:
            thread.join()
    return Seen(outcomes["planned"], outcomes["closed"])


def _stop_for_a_while(site: Site, *folders: Path) -> None:
    """Wait until both generators are at work, then stop the relay's processes."""
    due = time.monotonic() + 60
    while time.monotonic() < due:
        seen = [Measurement.merged(one.glob("measurement-*.json")).accepted for one in folders]
        if min(seen) > RATE:
            break
        time.sleep(0.1)
    pid = site.pid()
    assert pid is not None
    processes = [one.pid for one in footprint.members(pid)]
    for one in processes:
        os.kill(one, signal.SIGSTOP)
    try:
        time.sleep(STALL_SECONDS)
    finally:
        for one in processes:
            os.kill(one, signal.SIGCONT)


def main() -> int:
    """Show it; 0 if our 99th percentile moved by seconds and the other hardly."""
    with relay() as opened:
        seen = stall(opened.site)
    out = sys.stdout
    out.write(f"relay stopped for {STALL_SECONDS:g} s; ms at p50, p90, p99, and messages\n")
    for name, values, outcome in (
        ("planned arrivals", seen.ours, seen.planned),
        ("closed loop", seen.theirs, seen.closed),
    ):
        row = "".join(f"{value:10,.1f}" for value in values)
        out.write(f"{name:<18}{row}{outcome.measurement.accepted:10,}\n")
    out.write(f"waited {STALL_SECONDS / 2:g} s or longer: {seen.felt[0]} and {seen.felt[1]}\n")
    return 0 if seen.ours[-1] > 1000 > 10 * seen.theirs[-1] else 1


if __name__ == "__main__":
    sys.exit(main())
