"""`python -m loadtests.endurance`: a million messages in one run; memory is flat, books balance.

The far side is the null sink, which counts what it takes by token in a process of its own; the
generator's word is compared with that, message by message.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from loadtests.__main__ import ExitCode
from loadtests.content import MessageTemplate
from loadtests.instrument import calibrate, null_site
from loadtests.ledger import Ledger
from loadtests.measurement import Measurement, read_numbers
from loadtests.null_sink import read_books
from loadtests.plan import Plan
from loadtests.progress import Progress
from loadtests.schedule import Schedule
from loadtests.trial import GeneratorFailed, Load, NoRoom, conduct

_MIB = 1 << 20
# Series of a row a second, histograms and Locust's own tables have their size by then; what is
# more grows with the messages.
_GROWTH_OCTETS = 16 * _MIB
# Of what the generator did in its calibration; a busy machine must not make it late for ever.
_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class Endured:
    """What a long run came to.

    Attributes:
        wanted: How many messages were planned.
        measurement: The generator's.
        ledger: Its books against the far side's.
    """

    wanted: int
    measurement: Measurement
    ledger: Ledger

    @property
    def growth_octets(self) -> int:
        """By how much the generator's memory grew after its first seconds."""
        return self.measurement.memory_late - self.measurement.memory_early

    @property
    def is_good(self) -> bool:
        """Whether every planned message was taken once and unchanged, in memory that is flat."""
        is_complete = self.ledger.accepted == self.ledger.arrived == self.wanted
        return is_complete and self.ledger.is_balanced and self.growth_octets <= _GROWTH_OCTETS


def endure(messages: int, octets: int, users: int, rate: float, progress: Progress) -> Endured:
    """Plan so many messages at a rate and send them all.

    Raises:
        GeneratorFailed: Locust broke down.
        NoRoom: The books could not be written.
    """
    seconds = messages / rate
    # What falls behind on a busy machine is sent late, not dropped.
    load = Load(
        Schedule.constant(rate, seconds), users=users, octets=octets, dialogue="pipelined",
        drain_seconds=60 + 2 * seconds,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="endurance-") as name:
        folder = Path(name)
        books = folder / "books.json"
        with null_site(books=books) as site:
            progress.stage(f"{messages:,} messages, {rate:,.0f} planned a second")
            outcome = conduct(site, load, folder=folder, say=progress.detail)
        plan = Plan.read(folder / "plan.json")
        body = MessageTemplate.render(plan.sender, plan.recipients[0], octets).body
        tally, changed = read_books(books, plan.run, body)
        measured = outcome.measurement
        accepted, in_doubt = read_numbers(folder, "accepted"), read_numbers(folder, "in-doubt")
        begun = measured.planned - measured.unsent
        return Endured(messages, measured, tally.ledger(accepted, in_doubt, begun, changed))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 if memory was flat and the books balance, 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.endurance", description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, help="a second; what the generator can if left out")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--size", type=int, default=4096, metavar="OCTETS")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    try:
        with Progress(console) as progress:
            rate = options.rate
            if not rate:
                progress.stage("calibrating the generator")
                fast = Load(users=options.users, octets=options.size, dialogue="pipelined")
                rate = calibrate(fast, 3.0).rate * _SHARE
            seen = endure(options.messages, options.size, options.users, rate, progress)
    except GeneratorFailed as error:
        sys.stderr.write(f"endurance: {error}\n")
        return ExitCode.HARNESS_FAULT
    except NoRoom as error:
        sys.stderr.write(f"endurance: {error}\n")
        return ExitCode.NO_ROOM
    measured, ledger = seen.measurement, seen.ledger
    early, late = measured.memory_early / _MIB, measured.memory_late / _MIB
    seconds = max(measured.elapsed_seconds, 1e-9)
    console.print(
        f"{ledger.accepted:,} of {seen.wanted:,} accepted in {seconds:,.0f} s, "
        f"{ledger.accepted / seconds:,.0f} a second; the far side has {ledger.arrived:,} of them, "
        f"{ledger.missing:,} missing, {ledger.doubled:,} doubled, {ledger.changed:,} changed"
    )
    console.print(
        f"generator's memory: {early:,.1f} MiB after 5 s, {late:,.1f} MiB at the end "
        f"({seen.growth_octets / _MIB:+,.1f}, at most +{_GROWTH_OCTETS / _MIB:.0f}); "
        f"{1e6 * measured.cpu_seconds / max(measured.accepted, 1):,.0f} µs CPU a message"
    )
    return ExitCode.GOOD if seen.is_good else ExitCode.NOT_GOOD


if __name__ == "__main__":
    sys.exit(main())
