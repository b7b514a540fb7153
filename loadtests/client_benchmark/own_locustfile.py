"""Two variants of our user that the benchmark compares with it.

`BareSession` holds the same dialogue and fires the same Locust event, and keeps no histogram, no
books and no schedule. `RawSession` is ours, and writes each duration down as it is.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path

import loadtests.generator  # noqa: F401 - listens to Locust's events
from loadtests.content import token
from loadtests.phase import Phase
from loadtests.scenarios import KeptSession
from loadtests.submission_client import Stamps

# Seconds of a message, one after the other.
RAW = struct.Struct("<d")


class BareSession(KeptSession):
    """What is left of our user without schedule, histograms and ledger."""

    def bare(self) -> None:
        """Send the same message again."""
        room = self.room
        recorder = room.recorder
        recorder.begin(time.perf_counter())
        client = self._client or self.open_session()
        data = self._template.data(token(room.run, room.worker, 0))
        stamps = client.submit(room.mail, (next(self._recipients),), data)
        recorder.measurement.accepted += 1
        recorder.measurement.ended = stamps.acknowledged + recorder.clock_offset
        self.entry(Phase.MESSAGE, stamps.acknowledged - stamps.begun, room.plan.octets)

    tasks = (bare,)


class RawSession(KeptSession):
    """Ours; its durations can be had one by one."""

    def on_start(self) -> None:
        """Open the file of this user."""
        folder = Path(self.room.plan.folder)
        # One file each, so that what a user is doing when it ends is whole.
        self._raw = (folder / f"raw-{self.room.worker}-{id(self)}").open("wb")
        super().on_start()

    def on_stop(self) -> None:
        """Close it."""
        super().on_stop()
        self._raw.close()

    def _accepted(self, number: int, due: float, stamps: Stamps) -> None:
        super()._accepted(number, due, stamps)
        self._raw.write(RAW.pack(stamps.acknowledged - stamps.begun))
