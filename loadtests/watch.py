"""Seen from beside a run: CPU of the service, its backlog, the generator's own word."""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Self

from loadtests.arrivals import Arrivals
from loadtests.benchmark import footprint
from loadtests.percentiles import Histogram

_LOOK_SECONDS = 0.5
_STATISTICS = Path("/proc/stat")
_PRESSURE = Path("/proc/pressure/io")


@dataclass(frozen=True, slots=True)
class Look:
    """One look.

    Attributes:
        at: Seconds since the watch began.
        planned: Messages planned so far.
        accepted: Messages accepted so far.
        failed: Attempts that failed so far.
        arrived: Messages at the sink so far.
        cpu_seconds: What the service's processes have used so far.
        written_octets: What they have written to disk so far.
        stalled_seconds: How long somebody on this machine has waited for a disk so far.
        p99: 99th percentile of the response so far, µs.
        sink_seconds: What this process, in which the sink runs, has used so far.
    """

    at: float
    planned: int = 0
    accepted: int = 0
    failed: int = 0
    arrived: int = 0
    cpu_seconds: float = 0.0
    written_octets: int = 0
    stalled_seconds: float = 0.0
    p99: float = 0.0
    sink_seconds: float = 0.0

    @property
    def backlog(self) -> int:
        """Accepted and not arrived: what the service holds in its queue."""
        return max(self.accepted - self.arrived, 0)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen during a run.

    Attributes:
        looks: One every half a second.
        is_relay_seen: Whether the service's processes could be watched.
        is_sink_seen: Whether arrivals could.
        cores: On how many cores the service may run.
        foreign_share: Cores that others kept busy just before and after, while the run was idle.
    """

    looks: tuple[Look, ...] = ()
    is_relay_seen: bool = False
    is_sink_seen: bool = False
    cores: int = 1
    foreign_share: float = 0.0

    def sending(self) -> tuple[Look, ...]:
        """The looks between the first message and the last, the first fifth left out."""
        busy = [one for one in self.looks if one.planned]
        if len(busy) < 3:
            return tuple(busy)
        ends = next(
            (number for number, one in enumerate(busy) if one.planned == busy[-1].planned),
            len(busy) - 1,
        )
        kept = busy[: ends + 1]
        return tuple(kept[len(kept) // 5 :])

    @property
    def cpu_share(self) -> float:
        """Cores that the service kept busy while messages were sent."""
        return self._rate("cpu_seconds")

    @property
    def stalled_share(self) -> float:
        """Share of the time in which somebody waited for a disk."""
        return self._rate("stalled_seconds")

    @property
    def sink_share(self) -> float:
        """Cores that the sink's process kept busy."""
        return self._rate("sink_seconds")

    @property
    def written_per_second(self) -> float:
        """Octets a second that the service wrote."""
        return self._rate("written_octets")

    @property
    def backlog_growth(self) -> float:
        """Messages a second by which the queue grew: the slope of a straight line."""
        looks = self.sending()
        if not self.is_sink_seen or len(looks) < 3:
            return 0.0
        middle = fmean(one.at for one in looks)
        spread = sum((one.at - middle) ** 2 for one in looks)
        return sum((one.at - middle) * one.backlog for one in looks) / spread if spread else 0.0

    def _rate(self, name: str) -> float:
        looks = self.sending()
        if len(looks) < 2 or looks[-1].at <= looks[0].at:
            return 0.0
        change: float = getattr(looks[-1], name) - getattr(looks[0], name)
        return change / (looks[-1].at - looks[0].at)


class Watch:
    """Looks twice a second, in a thread of its own; a context manager."""

    def __init__(
        self, pid: Callable[[], int | None], folder: Path, arrivals: Arrivals | None
    ) -> None:
        """Describe what to look at.

        Args:
            pid: The service's first process, None if it is not ours to see.
            folder: Where the generator's processes leave their measurements.
            arrivals: What has reached the sink.
        """
        self._pid = pid
        self._folder = folder
        self._arrivals = arrivals
        self._looks: list[Look] = []
        self._begun = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def evidence(self) -> Evidence:
        """Everything seen."""
        pid = self._pid()
        cores = 1
        if pid is not None:
            with contextlib.suppress(OSError):
                cores = len(os.sched_getaffinity(pid))
        return Evidence(tuple(self._looks), pid is not None, self._arrivals is not None, cores)

    @property
    def sent_for(self) -> float:
        """For how many seconds messages have been sent, as far as was seen."""
        first = next((one.at for one in self._looks if one.planned), None)
        return 0.0 if first is None else time.monotonic() - self._begun - first

    def line(self) -> str:
        """Rate, percentile, errors and queue, for a terminal."""
        if len(self._looks) < 2 or not self._looks[-1].planned:
            return ""
        now = self._looks[-1]
        before = self._looks[max(len(self._looks) - 5, 0)]
        rate = (now.accepted - before.accepted) / (now.at - before.at)
        text = f"{rate:,.0f}/s, p99 {now.p99 / 1000:,.1f} ms, {now.failed:,} errors, "
        return text + (f"{now.backlog:,} in the queue, " if self._arrivals is not None else "")

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        planned = accepted = failed = 0
        p99 = 0.0
        for path in self._folder.glob("measurement-*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                table = json.loads(path.read_bytes())
                planned += table["planned"]
                accepted += table["accepted"]
                failed += sum(table["failures"].values())
                p99 = max(p99, _p99(table["phases"]["message"]))
        pid = self._pid()
        self._looks.append(
            Look(
                time.monotonic() - self._begun,
                planned,
                accepted,
                failed,
                self._arrivals.count if self._arrivals is not None else 0,
                footprint.cpu_seconds(pid) if pid is not None else 0.0,
                _written(pid) if pid is not None else 0,
                _stalled(),
                p99,
                time.process_time(),
            )
        )


def _p99(table: Mapping[str, Any]) -> float:
    histogram = Histogram.from_json(table)
    return histogram.percentile(99) if histogram.count else 0.0


def _written(pid: int) -> int:
    total = 0
    for one in footprint.members(pid):
        with contextlib.suppress(OSError, ValueError):
            text = Path(f"/proc/{one.pid}/io").read_text()
            total += int(text.partition("\nwrite_bytes: ")[2].split()[0])
    return total


def foreign_share(pid: int | None, seconds: float = 0.5) -> float:
    """Cores that others keep busy now, while neither service nor generator have anything to do.

    During a run this cannot be told: what a service's processes spend that nobody waits for (Exim's
    deliveries) would be taken for somebody else's.

    Args:
        pid: The service's first process, None if it is not ours to see.
        seconds: How long to look.
    """

    def spent() -> float:
        own = footprint.cpu_seconds(pid) if pid is not None else 0.0
        return _machine() - own - time.process_time()

    before, begun = spent(), time.monotonic()
    time.sleep(seconds)
    return max((spent() - before) / (time.monotonic() - begun), 0.0)


def _machine() -> float:
    """CPU of all processes on this machine so far, in seconds; 0 where Linux does not tell."""
    try:
        words = _STATISTICS.read_text().split("\n", 1)[0].split()
    except OSError:
        return 0.0
    # user, nice and system (proc(5)); interrupts are nobody's.
    return sum(map(int, words[1:4])) / os.sysconf("SC_CLK_TCK")


def _stalled() -> float:
    """Time some task on this machine has waited for input or output, where Linux tells."""
    try:
        return int(_PRESSURE.read_text().split("\n")[0].rpartition("total=")[2]) / 1e6
    except (OSError, ValueError):
        return 0.0
