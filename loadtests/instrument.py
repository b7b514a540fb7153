"""Whether the generator, and not the service, was what set a figure.

Calibration: the same load, closed loop, against the null sink, before the run. Watching: CPU, time
spent waiting for a core, and lateness of the generator's own loop, during the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fixtures.certificates import CertificateAuthority
from loadtests.measurement import Measurement
from loadtests.site import Site
from loadtests.trial import Load, conduct

# A schedule above this share of the calibrated rate is not begun: what is left is for bursts.
HEADROOM = 0.8
# Locust warns at 90 % of a core too.
BUSY_SHARE = 0.9
# Ready to run, and the machine ran somebody else, for this share of the time in which messages were
# under way: that much of what they seem to take is not the service's.
DELAYED_SHARE = 0.3
# Lateness of the loop, 99th percentile; above it latencies of some tens of ms mean nothing.
LAG_SECONDS = 0.05
_HOST = "null.example"
_REPOSITORY = Path(__file__).resolve().parent.parent


class InstrumentTooSmall(Exception):
    """The generator cannot do what was asked for; the message says what would help."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the generator can do when the service costs nothing.

    Attributes:
        rate: Messages a second, closed loop, against the null sink.
        cpu_microseconds: What a message costs it.
    """

    rate: float
    cpu_microseconds: float

    @property
    def usable_rate(self) -> float:
        """Up to this rate its figures are trusted."""
        return self.rate * HEADROOM


def faults(measured: Measurement, processes: int = 1) -> tuple[str, ...]:
    """Why the generator is not to be trusted in this run; empty if it is.

    Args:
        measured: All generator processes together.
        processes: How many they were.
    """
    if measured.planned and not measured.begun:
        return (f"it began none of {measured.planned:,} planned messages",)
    # Where nothing was acknowledged there is no last acknowledgement to count up to.
    seconds = measured.elapsed_seconds * processes or measured.watched_seconds
    if not seconds:
        return ()
    found = []
    if (busy := max(measured.cpu_seconds / seconds, 0.0)) >= BUSY_SHARE:
        found.append(f"it used {busy:.0%} of its core")
    under_way = measured.seconds_under_way
    if under_way and (delayed := measured.delayed_seconds / under_way) >= DELAYED_SHARE:
        found.append(
            f"it waited for its core {min(delayed, 1.0):.0%} of the time messages were under way"
        )
    if measured.lag.count and (lag := measured.lag.percentile(99) / 1e6) > LAG_SECONDS:
        found.append(f"its loop was {lag * 1000:.0f} ms late (99th percentile)")
    return tuple(found)


def calibrate(load: Load, seconds: float = 2.0, target_core: int | None = None) -> Calibration:
    """Drive the null sink as fast as it goes with this load's messages and sessions.

    Args:
        load: Its size, users, dialogue, sessions and generator processes count.
        seconds: How long.
        target_core: Where the null sink runs, None leaves it to the system.

    Raises:
        GeneratorFailed: Locust broke down.
    """
    fast = replace(
        load, schedule=None, seconds=seconds, pace_seconds=0.0, warm_up_seconds=0.0,
        locust_options=(), web_port=None,
        scenarios=tuple(name for name in load.scenarios if name not in ABUSE),
    )  # fmt: skip
    with null_site(target_core) as site:
        measured = conduct(site, fast).measurement
    rate = measured.accepted / measured.elapsed_seconds if measured.elapsed_seconds else 0.0
    return Calibration(rate, 1e6 * measured.cpu_seconds / max(measured.accepted, 1))


def demand(peak: float, calibration: Calibration) -> None:
    """See that the generator can offer a rate.

    Raises:
        InstrumentTooSmall: It cannot.
    """
    if peak > calibration.usable_rate:
        raise InstrumentTooSmall(
            f"the schedule asks for {peak:,.0f} messages a second; this generator did "
            f"{calibration.rate:,.0f} against the null sink, so {calibration.usable_rate:,.0f} is "
            "as far as it is trusted: use --processes, further machines, or a lower rate"
        )


# They check and are no load; the null sink would admit them.
ABUSE = ("WrongCredentials", "AbusiveSender")


@contextlib.contextmanager
def null_site(core: int | None = None, books: Path | None = None) -> Iterator[Site]:
    """A null sink in a process of its own.

    Args:
        core: Where it runs, None leaves it to the system.
        books: Where it writes at its end what it took; None counts nothing.
    """
    authority = CertificateAuthority.create()
    with tempfile.TemporaryDirectory(prefix="null-sink-") as name:
        certificate, key = authority.issue([_HOST]).write(Path(name), "null")
        command = [sys.executable, "-m", "loadtests.null_sink"]
        command += ["--certificate", str(certificate), "--key", str(key)]
        command += ["--books", str(books.resolve())] if books else []
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=_REPOSITORY
        )
        try:
            assert child.stdout is not None
            ready = json.loads(child.stdout.readline())
            if core is not None:
                os.sched_setaffinity(child.pid, {core})
            yield Site(
                name="null sink",
                address=ready["address"],
                port=lambda: int(ready["port"]),
                host=_HOST,
                username="anyone",
                password="anything",
                sender="mailer@example.com",
                recipients=("nobody@null.example",),
                authorities=authority.root_pem.decode(),
                pid=lambda: child.pid,
            )
        finally:
            child.terminate()
            child.wait(10)
            if child.stdout is not None:
                child.stdout.close()
