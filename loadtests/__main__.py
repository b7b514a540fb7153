"""`python -m loadtests`: load a submission service and say what it took."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from pathlib import Path
from types import FrameType

from rich.console import Console

from fixtures.profile import DEFAULT_PROFILE, ProfileError, load_profile
from fixtures.relay_process import RelayNotReady
from fixtures.transcript import SECRETS
from loadtests.instrument import ABUSE, InstrumentTooSmall, calibrate, demand, faults
from loadtests.progress import Progress
from loadtests.result import show
from loadtests.run import run
from loadtests.schedule import BadSchedule, Schedule
from loadtests.site import NotReady
from loadtests.trial import GeneratorFailed, Load, NoRoom


class ExitCode(IntEnum):
    """Part of the program's promise."""

    GOOD = 0
    NOT_GOOD = 1
    USAGE = 2
    INCONCLUSIVE = 3
    HARNESS_FAULT = 4
    INSTRUMENT = 5
    NO_ROOM = 6
    INTERRUPTED = 130


_STANDARD = Load()
_SCENARIOS = {
    "kept": "KeptSession",
    "new": "NewSession",
    "resumed": "ResumedSession",
    "many": "ManyRecipients",
    "own-client": "OwnClient",
}

_EXIT_CODES = """\
exit codes:
  0  everything sent was accepted, and everything accepted arrived once and unchanged
  1  messages failed, were not sent in time, were lost, doubled or changed, or none was accepted
  2  usage: wrong option or profile, or the target does not take a single message
  4  harness fault: Locust broke down
  5  refused: the generator was, or would have been, the limit itself
  6  the results could not be written
  130  interrupted
"""


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"a whole number from {least} to {most}, not {text!r}")
        return value

    return parse


def parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    program = argparse.ArgumentParser(
        prog="python -m loadtests",
        description=__doc__,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    program.add_argument(
        "--seconds",
        type=_whole(1, 86_400),
        default=int(_STANDARD.seconds),
        help="how long messages are sent (default: %(default)s)",
    )
    program.add_argument(
        "--users",
        type=_whole(1, 10_000),
        default=_STANDARD.users,
        help="users at a time, each with a session of its own (default: %(default)s)",
    )
    program.add_argument(
        "--size",
        type=_whole(1, 1 << 30),
        default=_STANDARD.octets,
        metavar="OCTETS",
        help="size of each message with its header (default: %(default)s)",
    )
    program.add_argument(
        "--target",
        default=str(DEFAULT_PROFILE),
        metavar="PROFILE",
        help="profile of the service to load; the embedded reference relay if left out",
    )
    program.add_argument(
        "--phases",
        action="store_true",
        help="give Locust an entry for each phase of each message too; makes each a third dearer",
    )
    program.add_argument(
        "--arrivals",
        metavar="SCHEDULE",
        help="open arrivals: constant:RATE, poisson:RATE, steps:R,R,…, ramp:FROM-TO, levels:RATE "
        "(80, 100, 120 %% of it) or trace:FILE.csv; a closed loop if left out",
    )
    program.add_argument("--seed", type=_whole(0, 1 << 31), default=1, help="of Poisson arrivals")
    program.add_argument(
        "--scenario", choices=_SCENARIOS, default="kept", help="what users do (default: kept)"
    )
    program.add_argument(
        "--with-abuse",
        action="store_true",
        help="beside them one user with wrong passwords and one with a foreign sender",
    )
    program.add_argument(
        "--dialogue",
        choices=("stepwise", "pipelined", "chunked"),
        default="stepwise",
        help="one command at a time, RFC 2920 pipelining, or RFC 3030 BDAT",
    )
    program.add_argument(
        "--messages-per-session", type=_whole(0, 1 << 30), default=0, help="0 keeps sessions"
    )
    program.add_argument(
        "--processes", type=_whole(1, 256), default=1, help="generator processes (default: 1)"
    )
    program.add_argument(
        "--web", type=_whole(1, 65_535), metavar="PORT", help="run under Locust's web page"
    )
    program.add_argument("--csv", metavar="PREFIX", help="Locust's statistics as CSV files")
    program.add_argument("--html", metavar="FILE", help="Locust's own report")
    program.add_argument("--out", type=Path, metavar="FOLDER", help="keep the raw files there")
    return program


def load_of(options: argparse.Namespace) -> Load:
    """What the command line asks for.

    Raises:
        BadSchedule: Of --arrivals no schedule can be made.
    """
    schedule = None
    if options.arrivals:
        schedule = Schedule.parse(options.arrivals, options.seconds, options.seed)
    scenarios = (_SCENARIOS[options.scenario],)
    locust = []
    if options.csv:
        locust += ["--csv", str(Path(options.csv).resolve())]
    if options.html:
        locust += ["--html", str(Path(options.html).resolve())]
    return Load(
        schedule=schedule,
        seconds=options.seconds,
        users=options.users + (2 if options.with_abuse else 0),
        octets=options.size,
        scenarios=(*scenarios, *(ABUSE if options.with_abuse else ())),
        dialogue=options.dialogue,
        messages_per_session=options.messages_per_session,
        has_phase_entries=options.phases,
        processes=options.processes,
        locust_options=tuple(locust),
        web_port=options.web,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = parser().parse_args(arguments)
    console = Console(highlight=False)
    try:
        if importlib.util.find_spec("locust") is None:
            raise NotReady("Locust is not installed here: run `nox -s load`")
        load = load_of(options)
        profile = load_profile(options.target)
        with Progress(console) as progress:
            if load.schedule is not None:
                progress.stage("calibrating the generator against the null sink")
                demand(load.schedule.peak, calibrate(load))
            result = run(load, profile, progress, options.out)
    except (NotReady, BadSchedule, ProfileError, RelayNotReady) as error:
        return _complain(error, ExitCode.USAGE)
    except GeneratorFailed as error:
        return _complain(error, ExitCode.HARNESS_FAULT)
    except InstrumentTooSmall as error:
        return _complain(error, ExitCode.INSTRUMENT)
    except NoRoom as error:
        return _complain(error, ExitCode.NO_ROOM)
    except KeyboardInterrupt:
        return _complain("interrupted", ExitCode.INTERRUPTED)
    show(result, console)
    if result.outcome.has_no_room:
        return _complain(result.outcome.cut_off, ExitCode.NO_ROOM)
    if result.outcome.is_partial:
        return ExitCode.INTERRUPTED
    if load.schedule is not None and (found := faults(result.measurement, load.processes)):
        reason = "; ".join(found)
        return _complain(f"refused, the generator was the limit: {reason}", ExitCode.INSTRUMENT)
    return ExitCode.GOOD if result.is_good else ExitCode.NOT_GOOD


def _complain(reason: object, code: ExitCode) -> ExitCode:
    sys.stderr.write(f"loadtests: {SECRETS.redact_text(str(reason))}\n")
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # A CI job that is cancelled sends SIGTERM: then, too, what was started must end.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
