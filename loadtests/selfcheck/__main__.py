"""`python -m loadtests.selfcheck`: each defect must be caught, and the sound relay must not be."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtests.capacity.grounds import relay
from loadtests.capacity.under_load import survive
from loadtests.schedule import Schedule
from loadtests.selfcheck.defects import DEFECTS, EVERY_VARIABLE
from loadtests.site import Site
from loadtests.trial import Load, Outcome, conduct

COMMAND = "{{python}} -m loadtests.selfcheck.broken_relay {name} serve --config {{config}}"
# Leaks that no excuse explains. A crash may double what was delivered and not yet settled.
_LEAKS = ("missing", "doubled", "changed", "unexpected")
_KILLED_LEAKS = ("missing", "changed")
_STRIKES = 3


@dataclass(frozen=True, slots=True)
class Trial:
    """What is done to a relay to bring a defect out.

    Attributes:
        rate: Messages a second.
        seconds: How long.
        every: The defect strikes every so many messages.
        is_killed: Whether it is killed once in the middle.
        octets: Size of each message.
        signs: Whether the relay signs; without DKIM it carries twice as many.
    """

    rate: float
    seconds: float
    every: int
    is_killed: bool = False
    octets: int = 4096
    signs: bool = True


def caught(name: str, trial: Trial) -> list[str]:
    """Load a relay with this defect; returns what gave it away, empty if nothing did."""
    with (
        _variable(EVERY_VARIABLE, str(trial.every)),
        relay(command=COMMAND.format(name=name), signs=trial.signs) as opened,
    ):
        outcome = _loaded(opened.site, trial)
    signs = [text for text in outcome.measurement.failures if text.startswith("fails open")]
    assert outcome.ledger is not None
    leaks = _KILLED_LEAKS if trial.is_killed else _LEAKS
    counts = [(leak, getattr(outcome.ledger, leak)) for leak in leaks]
    total = outcome.ledger.accepted
    return signs + [f"{count} of {total:,} {leak}" for leak, count in counts if count]


def _loaded(site: Site, trial: Trial) -> Outcome:
    load = Load(
        schedule=Schedule.constant(trial.rate, trial.seconds, poisson=True),
        users=20,
        octets=trial.octets,
        dialogue="pipelined",
        scenarios=("KeptSession", "AbusiveSender"),
        # What a busy machine makes late is sent late: all that was planned is what is compared.
        drain_seconds=2.0 if trial.is_killed else 300.0,
        settle_seconds=60.0,
    )
    return survive(site, load) if trial.is_killed else conduct(site, load)


@contextlib.contextmanager
def _variable(name: str, text: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = text
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def main(arguments: Sequence[str] | None = None) -> int:
    """Try them; 0 if each defect was caught and the sound relay was not accused."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.selfcheck", description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(DEFECTS)}; all if left out")
    parser.add_argument("--every", type=int, default=10_000, metavar="N", help="one message in N")
    parser.add_argument("--rate", type=float, default=1500.0, help="messages a second")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.names if name not in DEFECTS]
    if unknown:
        sys.stderr.write(f"no defect {', '.join(unknown)}; there are {', '.join(DEFECTS)}\n")
        return 2
    # Three times the defect may strike, and once would be enough.
    seconds = _STRIKES * 1.05 * options.every / options.rate
    rare = Trial(options.rate, seconds, options.every, octets=1024, signs=False)
    trials = {
        "none": [rare, Trial(150, 4, 1, is_killed=True)],
        "dropped": [rare],
        "doubled": [rare],
        "acknowledged-early": [Trial(150, 4, 1, is_killed=True)],
        "open-when-busy": [Trial(100, 4, 1)],
    }
    wrong = 0
    for name in options.names or DEFECTS:
        signs = [sign for trial in trials[name] for sign in caught(name, trial)]
        is_right = bool(signs) == (name != "none")
        wrong += not is_right
        said = "; ".join(signs) or "nothing"
        sys.stdout.write(f"{'ok ' if is_right else 'NOT'} {name}: {said}\n")
        sys.stdout.flush()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
