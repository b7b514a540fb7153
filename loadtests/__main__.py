"""`python -m loadtests`: load a submission service and say what it took."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import sys
from collections.abc import Callable, Sequence
from enum import IntEnum
from types import FrameType

from rich.console import Console

from fixtures.profile import DEFAULT_PROFILE, ProfileError, load_profile
from fixtures.relay_process import RelayNotReady
from fixtures.transcript import SECRETS
from loadtests.progress import Progress
from loadtests.result import show
from loadtests.run import GeneratorFailed, NotReady, Order, run


class ExitCode(IntEnum):
    """Part of the program's promise."""

    GOOD = 0
    NOT_GOOD = 1
    USAGE = 2
    HARNESS_FAULT = 4
    INTERRUPTED = 130


_STANDARD = Order()

_EXIT_CODES = """\
exit codes:
  0  everything sent was accepted, and everything accepted arrived once and unchanged
  1  messages failed, were lost, doubled or changed, or none was accepted
  2  usage: wrong option or profile, or the target does not take a single message
  4  harness fault: Locust broke down
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
        default=_STANDARD.seconds,
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
    return program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = parser().parse_args(arguments)
    order = Order(options.seconds, options.users, options.size, options.phases)
    console = Console(highlight=False)
    try:
        if importlib.util.find_spec("locust") is None:
            raise NotReady("Locust is not installed here: run `nox -s load`")
        profile = load_profile(options.target)
        with Progress(console) as progress:
            result = run(order, profile, progress)
    except (NotReady, ProfileError, RelayNotReady) as error:
        return _complain(error, ExitCode.USAGE)
    except GeneratorFailed as error:
        return _complain(error, ExitCode.HARNESS_FAULT)
    except KeyboardInterrupt:
        return _complain("interrupted", ExitCode.INTERRUPTED)
    show(result, console)
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
