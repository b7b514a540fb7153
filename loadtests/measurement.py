"""What one generator process measured, collected while it runs and merged afterwards."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Self

from loadtests.percentiles import Histogram
from loadtests.phase import Phase


class Measurement:
    """Durations, outcomes and cost of a run.

    Attributes:
        phases: A histogram for each phase.
        failures: How often each "phase: kind" happened.
        accepted: Messages whose final reply was 2yz.
        in_doubt: Messages sent whose final reply never came.
        begun: Unix time of the first message, 0 if there was none.
        ended: Unix time of the last acknowledgement.
        cpu_seconds: User and system time of the process meanwhile.
    """

    def __init__(self) -> None:
        self.phases = {phase: Histogram() for phase in Phase}
        self.failures: Counter[str] = Counter()
        self.accepted = 0
        self.in_doubt = 0
        self.begun = 0.0
        self.ended = 0.0
        self.cpu_seconds = 0.0

    @property
    def elapsed_seconds(self) -> float:
        """From the first message begun to the last one acknowledged."""
        return max(self.ended - self.begun, 0.0)

    def merge(self, other: Measurement) -> None:
        """Add what another process measured at the same time."""
        for phase, histogram in other.phases.items():
            self.phases[phase].merge(histogram)
        self.failures.update(other.failures)
        self.accepted += other.accepted
        self.in_doubt += other.in_doubt
        self.cpu_seconds += other.cpu_seconds
        if other.begun:
            self.begun = min(self.begun or other.begun, other.begun)
        self.ended = max(self.ended, other.ended)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        table: dict[str, Any] = {
            "phases": {phase.value: one.to_json() for phase, one in self.phases.items()},
            "failures": dict(self.failures),
            "accepted": self.accepted,
            "in_doubt": self.in_doubt,
            "begun": self.begun,
            "ended": self.ended,
            "cpu_seconds": self.cpu_seconds,
        }
        path.write_text(json.dumps(table), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote."""
        table = json.loads(path.read_text(encoding="utf-8"))
        made = cls()
        for name, one in table.pop("phases").items():
            made.phases[Phase(name)] = Histogram.from_json(one)
        made.failures.update(table.pop("failures"))
        for name, value in table.items():
            setattr(made, name, value)
        return made

    @classmethod
    def merged(cls, paths: Iterable[Path]) -> Self:
        """All of these files as one."""
        made = cls()
        for path in paths:
            made.merge(cls.read(path))
        return made


class Recorder:
    """Writes a process's measurement and the tokens of its messages into the plan's folder.

    Tokens go to a file at once, so that memory does not grow with the run.
    """

    def __init__(self, folder: Path, worker: int) -> None:
        """Open the files of this process; `worker` is its number."""
        self.measurement = Measurement()
        self._path = folder / f"measurement-{worker}.json"
        self._accepted = (folder / f"accepted-{worker}.txt").open("wb")
        self._in_doubt = (folder / f"in-doubt-{worker}.txt").open("wb")
        self._clock_offset = time.time() - time.perf_counter()
        self._cpu_at_begin = 0.0

    def begin(self, moment: float) -> None:
        """A message begins at this moment of `time.perf_counter`; only the first one counts."""
        if not self.measurement.begun:
            self.measurement.begun = moment + self._clock_offset
            self._cpu_at_begin = time.process_time()

    def accept(self, token: bytes, moment: float) -> None:
        """A message was acknowledged at this moment of `time.perf_counter`."""
        self.measurement.accepted += 1
        self.measurement.ended = moment + self._clock_offset
        self._accepted.write(token + b"\n")

    def doubt(self, token: bytes) -> None:
        """Nobody knows whether the service has this message."""
        self.measurement.in_doubt += 1
        self._in_doubt.write(token + b"\n")

    def close(self) -> None:
        """Write everything; harmless when called twice."""
        if self._accepted.closed:
            return
        if self.measurement.begun:
            self.measurement.cpu_seconds = time.process_time() - self._cpu_at_begin
        files: tuple[IO[bytes], ...] = (self._accepted, self._in_doubt)
        for file in files:
            file.close()
        self.measurement.write(self._path)


def read_tokens(folder: Path, kind: str) -> set[bytes]:
    """The tokens of all processes of a kind, "accepted" or "in-doubt"."""
    found: set[bytes] = set()
    for path in folder.glob(f"{kind}-*.txt"):
        found.update(path.read_bytes().split())
    return found
