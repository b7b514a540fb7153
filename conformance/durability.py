"""Is 250 a promise? The relay is broken at random moments under load, and nothing may be missing.

`python -m conformance.durability --rounds 50` breaks embedded relays some milliseconds after a
250, lets them go on, and so on; then every message that was acknowledged has to be at the sink,
whole (RFC 5321 §6.1, requirement RLY-14). `--crash` says how they are broken.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from operator import add
from pathlib import Path

from conformance.crash_trial import SENDERS, Tally, Trial, Unmeasured
from conformance.crashes import Crash, PowerCut, RelayKilled, WorkerOrSupervisorKilled
from conformance.verdict import ExitCode
from fixtures.disk import NoCompiler, UnreliableDisk
from fixtures.profile import DEFAULT_PROFILE, Profile, load_profile
from fixtures.relay_process import RelayNotReady
from fixtures.target import NotAvailable, ProfileError, Target
from fixtures.world import World

CRASHES = ("relay", "processes", "power")
# Of the sectors that were not synced, what a power cut leaves: a cache writes back as it likes.
_LEAK_PERCENT = 30
_TOLD_EVERY = 10


@contextlib.contextmanager
def breakable(
    profile: Profile, crash: str, relay_command: str = ""
) -> Iterator[tuple[Target, Crash]]:
    """Start a relay that can be broken in one of the ways of `CRASHES`.

    Raises:
        NotAvailable: The profile's relay is not ours, or there is no compiler.
        RelayNotReady: It did not come up.
    """
    if not profile.is_embedded:
        raise NotAvailable("the relay is not ours to kill")
    with tempfile.TemporaryDirectory(prefix="durability-") as name:
        folder = Path(name) / "world"
        folder.mkdir(mode=0o700)
        match crash:
            case "power":
                try:
                    disk = UnreliableDisk(
                        folder / "state", Path(name) / "disk", leak_percent=_LEAK_PERCENT
                    )
                except NoCompiler as error:
                    raise NotAvailable(str(error)) from None
                world = World(
                    profile, command=relay_command, folder=folder, environment=disk.environment
                )
                with world:
                    yield world.target(), PowerCut(world.relay, disk)
            case "processes":
                workers = {"workers": {"count": 2}}
                with World(
                    profile, command=relay_command, folder=folder, settings=workers
                ) as world:
                    yield world.target(), WorkerOrSupervisorKilled(world.relay)
            case _:
                with World(profile, command=relay_command, folder=folder) as world:
                    yield world.target(), RelayKilled(world.relay)


def hold(
    relays: Sequence[tuple[Target, Crash]],
    seed: int,
    rounds: int,
    *,
    senders: int = SENDERS,
    deadline: float = float("inf"),
) -> Tally:
    """Break several relays at the same time and add up what became of the messages.

    Args:
        relays: Each with the way in which it is broken.
        seed: Of the first relay's trial; the next ones' follow.
        rounds: How many there are in all.
        senders: How many sessions submit to each relay at the same time.
        deadline: A `time.monotonic()` after which no new round begins.

    Raises:
        Unmeasured: A relay did not come back, or acknowledged nothing.
    """
    told = _Told()

    def trial(number: int) -> Tally:
        target, crash = relays[number]
        # The first ones take what does not come out even.
        share = (rounds + len(relays) - 1 - number) // len(relays)
        own = Trial(target, seed + number, senders=senders, crash=crash)
        return own.run(share, deadline=deadline, tell=told.one_more)

    # They mostly wait, for a relay to start or for a reply.
    with ThreadPoolExecutor(len(relays)) as threads:
        return reduce(add, threads.map(trial, range(len(relays))))


class _Told:
    """Says now and then how far all trials together are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._began = time.monotonic()
        self._rounds = 0

    def one_more(self) -> None:
        with self._lock:
            self._rounds += 1
            if self._rounds % _TOLD_EVERY == 0:
                say(f"round {self._rounds} after {time.monotonic() - self._began:.0f} s")


def parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    program = argparse.ArgumentParser(prog="python -m conformance.durability", description=__doc__)
    program.add_argument(
        "--rounds", type=_count, default=50, help="crashes in all (default: %(default)s)"
    )
    program.add_argument(
        "--crash",
        choices=CRASHES,
        default="relay",
        help="kill the relay (default), one of two workers or their supervisor, or cut the power",
    )
    program.add_argument("--seed", type=int, help="repeats the random choices of another run")
    program.add_argument("--relays", type=_count, default=1, help="how many share the rounds")
    program.add_argument(
        "--senders", type=_count, default=SENDERS, help="for each relay (default: %(default)s)"
    )
    program.add_argument(
        "--seconds", type=float, default=600.0, help="limit of time (default: %(default)s)"
    )
    program.add_argument("--target", default=str(DEFAULT_PROFILE), help="an embedded profile")
    program.add_argument("--relay-command", default="", help="start this relay instead")
    return program


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is no count: give 1 or more")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program: exit 0 when every 250 was kept, 1 when not, 3 when it was cut short."""
    options = parser().parse_args(arguments)
    seed = random.SystemRandom().getrandbits(32) if options.seed is None else options.seed
    say(f"seed {seed}")
    deadline = time.monotonic() + options.seconds
    try:
        profile = load_profile(options.target)
        with contextlib.ExitStack() as stack:
            relays = [
                stack.enter_context(breakable(profile, options.crash, options.relay_command))
                for _ in range(options.relays)
            ]
            tally = hold(relays, seed, options.rounds, senders=options.senders, deadline=deadline)
    except (ProfileError, NotAvailable) as error:
        say(f"{error}")
        return ExitCode.USAGE
    except Unmeasured as error:
        say(f"inconclusive: {error}")
        return ExitCode.INCONCLUSIVE
    except (RelayNotReady, OSError) as error:
        say(f"harness fault: {error}")
        return ExitCode.HARNESS_FAULT
    say(f"{tally}")
    balance = tally.balance
    for name in ("lost", "cut", "unexcused", "misdirected", "contradicted"):
        for one in getattr(balance, name):
            say(f"{name}: {one}")
    if not tally.is_kept:
        return ExitCode.NOT_CONFORMANT
    if tally.rounds < options.rounds:
        say(f"inconclusive: {options.seconds:g} s were over after {tally.rounds} rounds")
        return ExitCode.INCONCLUSIVE
    return ExitCode.CONFORMANT


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
