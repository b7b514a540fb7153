"""`python -m loadtests.queue`: SQLite or a log, one sync or many, and how fast a crash is over.

Writes `docs/queue.md` with `--write`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from loadtests.benchmark.machine import Machine
from loadtests.queue.paths import VARIANTS, CountingSink, Way, first_delivery, measured, relay

# design: the log has to make the whole way this much cheaper.
LOG_AT_MOST = 0.75
GROUP_AT_MOST = 0.40
FIRST_SECONDS, ALL_SECONDS = 5.0, 30.0
_OCTETS = 4096
_PROGRAM_SECONDS = 600


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure; whether the targets are met is in the table."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.queue", description=__doc__)
    parser.add_argument("--messages", type=int, default=3000, help="per measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--queued", type=int, default=100_000, help="messages to recover")
    parser.add_argument("--write", type=Path, metavar="FILE", help="the page to write")
    options = parser.parse_args(arguments)
    ways: dict[str, list[Way]] = {variant: [] for variant in VARIANTS}
    for number in range(options.rounds):
        for variant in VARIANTS:
            way = measured(variant, options.messages)
            ways[variant].append(way)
            say(f"round {number + 1} {variant}: {way.cost:.0f} us, {way.seconds:.1f} s")
    recovery = recovered(options.queued)
    text = page(ways, recovery, options.messages, options.rounds)
    say(text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")
    return 0


def recovered(count: int) -> Mapping[str, float]:
    """Fill a queue, kill its owner, and let others find it."""
    with tempfile.TemporaryDirectory(prefix="queue-") as name:
        shard = Path(name) / "state" / "shard-0"
        # It ran here before it was killed: its files are there, and its modules compiled.
        with relay("group", CountingSink(), Path(name)):
            pass
        _program("fill", str(shard), str(count), str(_OCTETS))
        # Through a relay as it is started by anybody; what it delivers meanwhile is not in the way.
        found = json.loads(_program("claim", str(shard)))
        return {**found, "delivery_seconds": first_delivery(Path(name))}


def _program(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "reference_relay.benchmark", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        timeout=_PROGRAM_SECONDS,
        check=False,
    ).stdout


def page(
    ways: Mapping[str, Sequence[Way]], recovery: Mapping[str, float], messages: int, rounds: int
) -> str:
    """Write the page."""
    cost = {variant: median(way.cost for way in ways[variant]) for variant in VARIANTS}
    rate = {
        variant: median(way.messages / way.seconds for way in ways[variant]) for variant in VARIANTS
    }
    rows = [
        ("one sync per batch, SQLite: the relay as it is", "group"),
        ("one sync per message, SQLite", "single"),
        ("one sync per batch, bare log", "log"),
    ]
    table = "\n".join(
        f"| {title} | {cost[key]:.0f} | {cost[key] / cost['group']:.2f} | {rate[key]:.0f} |"
        for title, key in rows
    )
    group, log = cost["group"] / cost["single"], cost["log"] / cost["group"]
    verdict = "SQLite stays" if log > LOG_AT_MOST else "the log should replace SQLite"
    here = Machine.here()
    megabytes = recovery["memory_octets"] / 1e6
    first, delivery = recovery["first_seconds"], recovery["delivery_seconds"]
    checks = [
        _row(
            "group commit against one sync per message, CPU",
            f"{group:.2f}",
            f"{GROUP_AT_MOST:.2f}",
            group <= GROUP_AT_MOST,
        ),
        _row("recovery: first message claimed", f"{first:.1f} s", f"{FIRST_SECONDS:g} s",
             first <= FIRST_SECONDS),
        _row("recovery: first delivery, from the start of the program", f"{delivery:.1f} s",
             f"{FIRST_SECONDS:g} s", delivery <= FIRST_SECONDS),
        _row("recovery: all claimed", f"{recovery['all_seconds']:.1f} s", f"{ALL_SECONDS:g} s",
             recovery["all_seconds"] <= ALL_SECONDS),
    ]  # fmt: skip
    return f"""\
# The queue, measured

Written by `nox -s bench_queue`; figures are medians of {rounds} rounds of {messages} messages.

{here.processor}, {here.cores} cores, {here.memory_gib} GiB, {here.system}; {here.date},
load average {here.load:.1f}, commit {here.commit}.

The whole way of a message: STARTTLS and AUTH once, then W1 (4 KiB, each command waits) over 20 kept
sessions, until the sink has everything. CPU of the relay alone, without DKIM.

| spool | CPU per message, µs | against the first | messages/s |
|---|---|---|---|
{table}

The bare log is the least that any log could cost: checksummed records, one write, one sync; no
index, no recovery, no look-up of status. It takes {log:.2f} of the CPU of the whole way with
SQLite; to replace it, a complete log would have to stay below {LOG_AT_MOST:.2f}. So {verdict}.

| target | measured | at most | met |
|---|---|---|---|
{"".join(checks)}
Recovery was of {recovery["messages"]:.0f} messages of 4 KiB after `kill -9`; opening the file
took {recovery["opened_seconds"]:.1f} s; with all of them claimed the process had
{megabytes:.0f} MB.
"""


def _row(what: str, found: str, wanted: str, is_met: bool) -> str:
    return f"| {what} | {found} | {wanted} | {'yes' if is_met else 'no'} |\n"


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
