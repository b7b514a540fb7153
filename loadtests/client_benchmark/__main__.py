"""`python -m loadtests.client_benchmark`: client CPU per message, side by side, as ratios."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from loadtests.benchmark.driver import Budget, Driver
from loadtests.benchmark.workload import WIDTH, WORKLOADS, Login
from loadtests.instrument import null_site
from loadtests.schedule import Schedule
from loadtests.site import Site
from loadtests.trial import Load, conduct

_FILE = Path(__file__).with_name("smtplib_locustfile.py")
_REPOSITORY = Path(__file__).resolve().parents[2]
_OCTETS = 4096
# Client, what it is compared with, and the largest ratio.
_GOALS = (
    ("ours, W1", "Locust + smtplib, W1", 0.37),
    ("ours, W1", "raw uvloop, W1", 1.7),
    ("ours, W2", "Locust + smtplib, W2", 0.65),
)


def _ours(site: Site, seconds: float, scenario: str, schedule: Schedule | None = None) -> float:
    """CPU of our user per message, in µs."""
    load = Load(schedule, seconds=seconds, users=WIDTH, octets=_OCTETS, scenarios=(scenario,))
    measured = conduct(site, load).measurement
    return 1e6 * measured.cpu_seconds / max(measured.accepted, 1)


def _smtplib(site: Site, seconds: float, *, is_fresh: bool) -> float:
    """CPU of Locust with smtplib per message, in µs."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "cost.json"
        order = {
            "address": site.address,
            "port": site.port(),
            "host": site.host,
            "authorities": site.authorities,
            "octets": _OCTETS,
            "is_fresh": is_fresh,
            "out": str(out),
        }
        command = [sys.executable, "-m", "locust", "-f", str(_FILE), "--headless", "--users"]
        command += [str(WIDTH), "--spawn-rate", "100", "--run-time", f"{seconds:.0f}s"]
        command += ["--only-summary", "--loglevel", "ERROR", "--exit-code-on-error", "0"]
        environment = {**os.environ, "CLIENT_BENCHMARK": json.dumps(order)}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=seconds + 60
        )
        if not out.exists():
            raise RuntimeError(done.stderr.decode(errors="replace")[-500:])
        count, spent = json.loads(out.read_text())
    return 1e6 * float(spent) / max(int(count), 1)


def _uvloop(site: Site, seconds: float) -> float:
    """CPU of the raw client on uvloop per message, in µs; in a process of its own."""
    command = [sys.executable, "-m", "loadtests.client_benchmark", "--raw", str(site.port())]
    command += ["--seconds", str(seconds)]
    done = subprocess.run(
        command, cwd=_REPOSITORY, capture_output=True, text=True, timeout=seconds + 60, check=True
    )
    return float(done.stdout)


async def _raw(port: int, seconds: float) -> float:
    driver = Driver(("127.0.0.1", port), Login("anyone", "anything"), WORKLOADS["W1"])
    try:
        await driver.open_kept(WIDTH)
        budget = Budget(seconds)
        begun = time.process_time()
        await driver.run_kept(budget)
        return 1e6 * (time.process_time() - begun) / max(budget.taken, 1)
    finally:
        await driver.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure in rounds; 0 if every goal is met, 1 if one is not."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.client_benchmark")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--raw", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.raw is not None:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            sys.stdout.write(str(runner.run(_raw(options.raw, options.seconds))))
        return 0
    costs: dict[str, list[float]] = {}
    with null_site() as site:
        for _ in range(options.rounds):
            seconds = options.seconds
            schedule = Schedule.constant(1000, seconds, poisson=True)
            for name, cost in (
                ("ours, W1", _ours(site, seconds, "KeptSession")),
                ("ours, W1, 1000 planned a second", _ours(site, seconds, "KeptSession", schedule)),
                ("Locust + smtplib, W1", _smtplib(site, seconds, is_fresh=False)),
                ("raw uvloop, W1", _uvloop(site, seconds)),
                ("ours, W2", _ours(site, seconds, "NewSession")),
                ("Locust + smtplib, W2", _smtplib(site, seconds, is_fresh=True)),
            ):
                costs.setdefault(name, []).append(cost)
    out = sys.stdout
    out.write("client CPU per message, µs (median and rounds)\n")
    for name, values in costs.items():
        rounds = " ".join(f"{value:,.0f}" for value in values)
        out.write(f"{name:<34}{median(values):8,.0f}   {rounds}\n")
    is_met = True
    for ours, theirs, most in _GOALS:
        ratio = median(costs[ours]) / median(costs[theirs])
        is_met = is_met and ratio <= most
        verdict = "met" if ratio <= most else "not met"
        out.write(f"{ours} against {theirs}: {ratio:.2f}, at most {most}: {verdict}\n")
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
