"""What one generator process measured, collected while it runs and merged afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from loadtests.percentiles import Histogram
from loadtests.phase import Phase

# Plain sums over all processes; `begun`, `ended` and what is a maximum merge otherwise.
_SUMS = ("planned", "accepted", "in_doubt", "unsent", "cpu_seconds", "delayed_seconds",
         "watched_seconds", "memory_early", "memory_late")  # fmt: skip


# Sessions are open and buffers have their size after these.
_EARLY_SECONDS = 5.0


class Measurement:
    """Durations, outcomes and cost of a run.

    Attributes:
        phases: A histogram for each phase.
        lag: How late the generator's own loop was, looked at many times a second.
        failures: How often each "phase: kind" happened.
        refused: How often somebody who must be refused was, by phase and reply.
        series: For each second of the run: planned, accepted, failed, longest response in µs.
        planned: Messages whose planned moment came; in a closed loop those begun.
        accepted: Messages whose final reply was 2yz.
        in_doubt: Messages sent whose final reply never came.
        unsent: Planned messages that could not be sent in time.
        begun: Unix time of the first message, 0 if there was none.
        ended: Unix time of the last acknowledgement.
        watched_seconds: How long the process has looked at itself, from its first message on.
        cpu_seconds: User and system time of the process meanwhile.
        delayed_seconds: How long it was ready to run, and the machine ran something else.
        memory_early: Octets of memory after the first seconds, of all processes.
        memory_late: The same at the end.
        busiest: Largest share of a core that a process used in any one second.
    """

    def __init__(self) -> None:
        self.phases = {phase: Histogram() for phase in Phase}
        self.lag = Histogram()
        self.failures: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.series: dict[int, list[int]] = {}
        self.planned = 0
        self.accepted = 0
        self.in_doubt = 0
        self.unsent = 0
        self.begun = 0.0
        self.ended = 0.0
        self.watched_seconds = 0.0
        self.cpu_seconds = 0.0
        self.delayed_seconds = 0.0
        self.memory_early = 0
        self.memory_late = 0
        self.busiest = 0.0

    @property
    def elapsed_seconds(self) -> float:
        """From the first message begun to the last one acknowledged."""
        return max(self.ended - self.begun, 0.0)

    @property
    def seconds_under_way(self) -> float:
        """For how long a message was under way at least, in all processes together.

        Messages beside each other count once each, but never more than the time that went by.
        """
        histogram = self.phases[Phase.MESSAGE]
        if not histogram.count:
            return self.watched_seconds
        # Those of the warm-up are in no histogram.
        seconds = histogram.total / 1e6 * max(self.accepted / histogram.count, 1.0)
        return min(seconds, self.watched_seconds)

    @property
    def failed(self) -> int:
        """Attempts that ended in a refusal or a lost connection."""
        return self.failures.total()

    def merge(self, other: Measurement) -> None:
        """Add what another process measured at the same time."""
        for phase, histogram in other.phases.items():
            self.phases[phase].merge(histogram)
        self.lag.merge(other.lag)
        self.failures.update(other.failures)
        self.refused.update(other.refused)
        for second, row in other.series.items():
            mine = self.series.setdefault(second, [0, 0, 0, 0])
            self.series[second] = [a + b for a, b in zip(mine[:3], row[:3], strict=True)]
            self.series[second].append(max(mine[3], row[3]))
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.begun:
            self.begun = min(self.begun or other.begun, other.begun)
        self.ended = max(self.ended, other.ended)
        self.busiest = max(self.busiest, other.busiest)

    def to_json(self) -> dict[str, Any]:
        """Everything it knows, for a file or another process."""
        plain = (*_SUMS, "begun", "ended", "busiest")
        return {
            "phases": {phase.value: one.to_json() for phase, one in self.phases.items()},
            "lag": self.lag.to_json(),
            "failures": dict(self.failures),
            "refused": dict(self.refused),
            "series": {str(second): row for second, row in sorted(self.series.items())},
            **{name: getattr(self, name) for name in plain},
        }

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> Self:
        """The measurement that `to_json` described."""
        table = dict(described)
        made = cls()
        for name, one in table.pop("phases").items():
            made.phases[Phase(name)] = Histogram.from_json(one)
        made.lag = Histogram.from_json(table.pop("lag"))
        made.failures.update(table.pop("failures"))
        made.refused.update(table.pop("refused"))
        made.series = {int(second): row for second, row in table.pop("series").items()}
        for name, value in table.items():
            setattr(made, name, value)
        return made

    def write(self, path: Path) -> None:
        """Write it as JSON; a reader sees the old file or the new one."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(self.to_json()), encoding="utf-8")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        return cls.from_json(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def merged(cls, paths: Iterable[Path]) -> Self:
        """All of these files as one."""
        made = cls()
        for path in paths:
            made.merge(cls.read(path))
        return made


class Recorder:
    """Writes a process's measurement and the numbers of its messages into the plan's folder.

    Numbers go to a file, four octets each, so that memory does not grow with the run.
    """

    def __init__(self, folder: Path, worker: int) -> None:
        """Open the files of this process; `worker` is its number."""
        self.measurement = Measurement()
        # Five histograms a message: looking each up by its phase would cost as much as recording.
        phases = self.measurement.phases
        self.envelope, self.content = phases[Phase.ENVELOPE], phases[Phase.CONTENT]
        self.acknowledgement = phases[Phase.ACKNOWLEDGEMENT]
        self.message, self.response = phases[Phase.MESSAGE], phases[Phase.RESPONSE]
        self.clock_offset = time.time() - time.perf_counter()
        self._path = folder / f"measurement-{worker}.json"
        self._accepted = (folder / f"accepted-{worker}.numbers").open("wb")
        self._in_doubt = (folder / f"in-doubt-{worker}.numbers").open("wb")
        self._cpu_at_begin = self._cpu_before = 0.0
        self._delay_at_begin = 0.0
        self._looked = self._began = 0.0

    def begin(self, moment: float) -> None:
        """A message begins at this moment of `time.perf_counter`; only the first one counts."""
        if not self.measurement.begun:
            self.measurement.begun = moment + self.clock_offset
            self._cpu_at_begin = self._cpu_before = time.process_time()
            self._delay_at_begin = delayed_seconds()
            self._looked = self._began = time.perf_counter()

    def accept(self, number: int, moment: float) -> None:
        """A message was acknowledged at this moment of `time.perf_counter`."""
        self.measurement.accepted += 1
        self.measurement.ended = moment + self.clock_offset
        self._accepted.write(number.to_bytes(4, "little"))

    def doubt(self, number: int) -> None:
        """Nobody knows whether the service has this message."""
        self.measurement.in_doubt += 1
        self._in_doubt.write(number.to_bytes(4, "little"))

    def second(self, at: float) -> list[int]:
        """The row of the series for this moment, in seconds since the begin of the schedule."""
        series = self.measurement.series
        row = series.get(int(at))
        if row is None:
            row = series[int(at)] = [0, 0, 0, 0]
        return row

    def look(self) -> None:
        """Note what the process costs; once a second."""
        measured = self.measurement
        if not measured.begun or self._accepted.closed:
            return
        now, cpu = time.perf_counter(), time.process_time()
        if now > self._looked + 0.5:
            measured.busiest = max(
                measured.busiest, (cpu - self._cpu_before) / (now - self._looked)
            )
            self._looked, self._cpu_before = now, cpu
        measured.memory_late = _resident()
        if now < self._began + _EARLY_SECONDS:
            measured.memory_early = measured.memory_late
        measured.watched_seconds = now - self._began
        measured.cpu_seconds = cpu - self._cpu_at_begin
        measured.delayed_seconds = delayed_seconds() - self._delay_at_begin

    def snapshot(self) -> None:
        """Write what there is, so that a run that is cut off leaves something to read."""
        if not self._accepted.closed:
            self.measurement.write(self._path)
            self._accepted.flush()
            self._in_doubt.flush()

    @property
    def is_closed(self) -> bool:
        """Whether the run is over."""
        return self._accepted.closed

    def close(self) -> None:
        """Write everything; harmless when called twice."""
        if self._accepted.closed:
            return
        try:
            self.look()
            self.snapshot()
        finally:
            for books in (self._accepted, self._in_doubt):
                with contextlib.suppress(OSError):
                    books.close()


def _resident() -> int:
    """Octets of this process in memory; 0 where there is no /proc."""
    try:
        file = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return 0
    try:
        return int(os.read(file, 100).split()[1]) * os.sysconf("SC_PAGE_SIZE")
    finally:
        os.close(file)


def delayed_seconds() -> float:
    """How long this process has waited for a core so far; 0 where Linux does not tell."""
    try:
        file = os.open("/proc/self/schedstat", os.O_RDONLY)
    except OSError:
        return 0.0
    try:
        return int(os.read(file, 100).split()[1]) / 1e9
    finally:
        os.close(file)


def read_numbers(folder: Path, kind: str) -> dict[int, memoryview[int]]:
    """The messages of a kind, "accepted" or "in-doubt", by the number of the process.

    As they are on disk, four octets each: a list of a million would be ten times that.
    """
    found = {}
    for path in folder.glob(f"{kind}-*.numbers"):
        octets = path.read_bytes()
        whole = len(octets) - len(octets) % 4
        found[int(path.stem.rpartition("-")[2])] = memoryview(octets[:whole]).cast("I")
    return found
