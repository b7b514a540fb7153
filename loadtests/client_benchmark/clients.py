"""The clients side by side, each driving the null sink; each gives its CPU per message in µs."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path

from loadtests.benchmark.driver import Budget, Driver
from loadtests.benchmark.workload import WIDTH, WORKLOADS, Login
from loadtests.measurement import Measurement
from loadtests.phase import Phase
from loadtests.schedule import Schedule
from loadtests.site import Site
from loadtests.trial import Load, conduct

_HERE = Path(__file__).parent
_OWN_FILE = _HERE / "own_locustfile.py"
_SMTPLIB_FILE = _HERE / "smtplib_locustfile.py"
_REPOSITORY = _HERE.parents[1]
_OCTETS = 4096
# More than a core can send: both users of the comparison always have a next message.
_PLANNED_RATE = 15_000.0
_TIMERS = 50_000
_PERCENTS = (50.0, 90.0, 99.0, 99.9)

OURS_W1, OURS_W2 = "ours, W1", "ours, W2"
SMTPLIB_W1, SMTPLIB_W2 = "Locust + smtplib, W1", "Locust + smtplib, W2"
UVLOOP = "raw uvloop, W1"
PLANNED = "ours, W1, arrivals planned (with a timer each)"
BARE = "ours, W1, without schedule, histograms and ledger"

Client = Callable[[Site, float], float]


def _cost(measured: Measurement) -> float:
    return 1e6 * measured.cpu_seconds / max(measured.accepted, 1)


def ours(site: Site, seconds: float, scenario: str = "KeptSession") -> float:
    """Our user in a closed loop, with histograms and ledger."""
    load = Load(seconds=seconds, users=WIDTH, octets=_OCTETS, scenarios=(scenario,))
    return _cost(conduct(site, load).measurement)


def planned(site: Site, seconds: float) -> float:
    """Our user with all it has: a schedule that it cannot keep up with, so that it never idles."""
    schedule = Schedule.constant(_PLANNED_RATE, seconds, poisson=True)
    load = Load(schedule, users=WIDTH, octets=_OCTETS, drain_seconds=0.0)
    return _cost(conduct(site, load).measurement) + timer(seconds)


def timer(_: float = 0.0) -> float:
    """What it costs to wait for a planned moment, which that user never does."""
    command = [sys.executable, "-m", "loadtests.client_benchmark", "--timer"]
    done = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True, check=True)
    return float(done.stdout)


def time_timers() -> float:
    """CPU of one `gevent.sleep` in µs, beside others as many as there are users."""
    import gevent

    def wait() -> None:
        for _ in range(_TIMERS // WIDTH):
            gevent.sleep(1e-5)

    begun = time.process_time()
    gevent.joinall([gevent.spawn(wait) for _ in range(WIDTH)])
    return 1e6 * (time.process_time() - begun) / _TIMERS


def bare(site: Site, seconds: float) -> float:
    """Our user with nothing but the dialogue and Locust's event."""
    load = Load(
        seconds=seconds, users=WIDTH, octets=_OCTETS, scenarios=("BareSession",),
        locustfile=_OWN_FILE,
    )  # fmt: skip
    return _cost(conduct(site, load).measurement)


def smtplib(site: Site, seconds: float, *, is_fresh: bool) -> float:
    """Locust with the standard library's client."""
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
        command = [sys.executable, "-m", "locust", "-f", str(_SMTPLIB_FILE), "--headless"]
        command += ["--users", str(WIDTH), "--spawn-rate", "100", "--run-time", f"{seconds:.0f}s"]
        command += ["--only-summary", "--loglevel", "ERROR", "--exit-code-on-error", "0"]
        environment = {**os.environ, "CLIENT_BENCHMARK": json.dumps(order)}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, timeout=seconds + 60
        )
        if not out.exists():
            raise RuntimeError(done.stderr.decode(errors="replace")[-500:])
        count, spent = json.loads(out.read_text())
    if not count:
        raise RuntimeError("Locust + smtplib sent nothing")
    return 1e6 * float(spent) / int(count)


def uvloop(site: Site, seconds: float) -> float:
    """The raw client of the server benchmark on uvloop, in a process of its own."""
    command = [sys.executable, "-m", "loadtests.client_benchmark", "--raw", str(site.port())]
    command += ["--seconds", str(seconds)]
    done = subprocess.run(
        command, cwd=_REPOSITORY, capture_output=True, text=True, timeout=seconds + 60, check=True
    )
    return float(done.stdout)


async def drive_raw(port: int, seconds: float) -> float:
    """Be that client."""
    driver = Driver(("127.0.0.1", port), Login("anyone", "anything"), WORKLOADS["W1"])
    try:
        await driver.open_kept(WIDTH)
        budget = Budget(seconds)
        begun = time.process_time()
        await driver.run_kept(budget)
        return 1e6 * (time.process_time() - begun) / max(budget.taken, 1)
    finally:
        await driver.close()


CLIENTS: Mapping[str, Client] = {
    OURS_W1: ours,
    SMTPLIB_W1: lambda site, seconds: smtplib(site, seconds, is_fresh=False),
    UVLOOP: uvloop,
    OURS_W2: lambda site, seconds: ours(site, seconds, "NewSession"),
    SMTPLIB_W2: lambda site, seconds: smtplib(site, seconds, is_fresh=True),
    PLANNED: planned,
    BARE: bare,
}


def merged_error(site: Site, seconds: float) -> float:
    """Largest deviation of the percentiles of two merged processes from those of the raw data.

    Returns:
        As a share of the raw data's percentile, over p50, p90, p99 and p99.9.
    """
    load = Load(
        seconds=seconds, users=WIDTH, octets=_OCTETS, scenarios=("RawSession",),
        processes=2, locustfile=_OWN_FILE,
    )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="raw-") as name:
        folder = Path(name)
        merged = conduct(site, load, folder=folder).measurement.phases[Phase.MESSAGE]
        raw = array("d")
        for path in folder.glob("raw-*"):
            raw.frombytes(path.read_bytes())
    if len(raw) != merged.count:
        raise RuntimeError(f"{len(raw)} durations, {merged.count} of them in the histogram")
    ordered = sorted(raw)
    errors = []
    for percent in _PERCENTS:
        # Nearest rank, as the histogram has it.
        exact = 1e6 * ordered[max(math.ceil(round(percent / 100 * len(ordered), 6)), 1) - 1]
        errors.append(abs(merged.percentile(percent) / exact - 1))
    return max(errors)
