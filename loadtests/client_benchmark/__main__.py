"""`python -m loadtests.client_benchmark`: client CPU per message, side by side, as ratios."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from loadtests.benchmark.machine import Machine
from loadtests.client_benchmark.clients import CLIENTS, drive_raw, merged_error, time_timers
from loadtests.client_benchmark.goals import judged
from loadtests.client_benchmark.page import page
from loadtests.instrument import null_site
from loadtests.progress import Progress


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests.client_benchmark")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="the tables, for the docs")
    parser.add_argument("--timer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--raw", type=int, help=argparse.SUPPRESS)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure in rounds; 0 if every goal is met, 1 if one is not."""
    options = _parser().parse_args(arguments)
    if options.raw is not None:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            sys.stdout.write(str(runner.run(drive_raw(options.raw, options.seconds))))
        return 0
    if options.timer:
        sys.stdout.write(str(time_timers()))
        return 0
    machine = Machine.here()
    costs: dict[str, list[float]] = {name: [] for name in CLIENTS}
    errors = []
    with null_site() as site, Progress(Console(stderr=True, highlight=False)) as progress:
        for number in range(options.rounds):
            progress.stage(f"round {number + 1} of {options.rounds}")
            for name, cost in CLIENTS.items():
                progress.detail(name)
                costs[name].append(cost(site, options.seconds))
            errors.append(merged_error(site, options.seconds))
    findings = judged(costs, errors)
    text = page(costs, findings, machine, options.rounds, options.seconds)
    sys.stdout.write(text)
    if options.write is not None:
        options.write.write_text(text, encoding="utf-8")
    return 0 if all(one.is_met for one in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
