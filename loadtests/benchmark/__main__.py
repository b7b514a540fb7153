"""`python -m loadtests.benchmark`: what a message costs the relay and its peers, in one run."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from types import FrameType

from rich.console import Console

from loadtests.benchmark import endurance, rounds
from loadtests.benchmark.effort import FULL, QUICK, Effort
from loadtests.benchmark.field import PEERS, Field
from loadtests.benchmark.machine import Machine
from loadtests.benchmark.pinning import Cores
from loadtests.benchmark.report import Outcome, page, show
from loadtests.benchmark.workload import WORKLOADS

_REPOSITORY = Path(__file__).resolve().parents[2]
# Ignored by version control, like all that nox makes.
_CACHE = _REPOSITORY / ".nox" / "benchmark-peers"
# In a log nobody wraps for us.
_PLAIN_WIDTH = 140


class ExitCode(IntEnum):
    """Part of the program's promise."""

    MEASURED = 0
    USAGE = 2
    RELAY_FAILED = 4
    INTERRUPTED = 130


_EXIT_CODES = """\
exit codes:
  0  measured; whether the targets are met is in the table
  2  usage: wrong option, a page that cannot be written, or a machine that cannot measure
  4  the reference relay did not come up or refused the driver's mail
  130  interrupted
"""


class Unsuitable(Exception):
    """It cannot be done here as asked."""


def _names(known: Collection[str]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        asked = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
        if unknown := [name for name in asked if name not in known]:
            raise argparse.ArgumentTypeError(
                f"expected names out of {','.join(known)}, found {unknown[0]!r}"
            )
        return asked

    return parse


def _rounds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 100:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 100, found {text!r}")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    program = argparse.ArgumentParser(
        prog="python -m loadtests.benchmark",
        description=__doc__,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    program.add_argument(
        "--quick", action="store_true", help="see in under a minute that everything works"
    )
    program.add_argument(
        "--rounds", type=_rounds, help=f"rounds of the whole field (default: {FULL.rounds})"
    )
    program.add_argument(
        "--workloads",
        type=_names(WORKLOADS),
        default=tuple(WORKLOADS),
        metavar="NAMES",
        help=f"some of {','.join(WORKLOADS)} (default: all)",
    )
    program.add_argument(
        "--peers",
        type=_names(PEERS),
        default=tuple(PEERS),
        metavar="NAMES",
        help=f'some of {",".join(PEERS)} (default: all; "" for none)',
    )
    program.add_argument(
        "--no-memory", action="store_true", help="leave out memory and idle sessions"
    )
    program.add_argument(
        "--write", type=Path, metavar="FILE", help="write the page too, as docs/performance.md is"
    )
    program.add_argument(
        "--cache",
        type=Path,
        default=_CACHE,
        metavar="FOLDER",
        help="where fetched peers are kept (default: .nox/benchmark-peers)",
    )
    return program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    options = parser().parse_args(arguments)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
    try:
        _demand_suitable(options.write, options.cache)
        outcome = _measure(options)
        show(outcome, console)
        if options.write is not None:
            options.write.write_text(page(outcome), encoding="utf-8")
    except (Unsuitable, OSError) as error:
        return _complain(error, ExitCode.USAGE)
    except rounds.RelayFailed as error:
        return _complain(error, ExitCode.RELAY_FAILED)
    except KeyboardInterrupt:
        return _complain("interrupted", ExitCode.INTERRUPTED)
    return ExitCode.MEASURED


def _demand_suitable(page_file: Path | None, cache: Path) -> None:
    if not sys.platform.startswith("linux") or not Path("/proc/self/smaps_rollup").exists():
        raise Unsuitable("expected Linux with /proc: CPU and memory are read there")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        if page_file is not None:
            page_file.parent.mkdir(parents=True, exist_ok=True)
            if page_file.is_dir() or not os.access(page_file.parent, os.W_OK):
                raise Unsuitable(f"expected a file that can be written: {page_file}")
    except OSError as error:
        where = error.filename or page_file
        raise Unsuitable(f"expected a place to write: {where}: {error.strerror}") from None


def _measure(options: argparse.Namespace) -> Outcome:
    effort: Effort = QUICK if options.quick else FULL
    if options.rounds:
        effort = replace(effort, rounds=options.rounds)
    workloads = [WORKLOADS[name] for name in options.workloads]
    machine = Machine.here()
    cores = Cores.choose()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder, cores.for_driver():
        # Postfix and Exim work as users of their own, and must get to their files.
        Path(folder).chmod(0o755)
        field = Field(options.peers, Path(folder), options.cache.resolve(), cores)
        samples = rounds.run(field, workloads, effort, _tell)
        endured = None if options.no_memory else endurance.run(field, effort, _tell)
    return Outcome(
        machine=machine,
        effort=effort,
        is_quick=options.quick,
        are_cores_apart=cores.are_apart,
        workloads=workloads,
        competitors=field.competitors,
        missing=field.missing,
        samples=samples,
        endurance=endured,
    )


def _tell(text: str) -> None:
    # On a terminal each line takes the place of the last one.
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
    else:
        sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _complain(reason: object, code: ExitCode) -> ExitCode:
    sys.stderr.write(f"benchmark: {reason}\n")
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # A CI job that is cancelled sends SIGTERM: then, too, what was started must end.
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
