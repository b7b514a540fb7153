"""What the users of one generator process share: the plan, the clock of the schedule, the books."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import gevent

from loadtests.content import MessageTemplate
from loadtests.measurement import Recorder
from loadtests.plan import PASSWORD_VARIABLE, Plan
from loadtests.submission_client import Credentials

# How often the loop's own lateness is looked at, and how often what there is gets written down.
_PULSE_SECONDS = 0.02
_LOOK_SECONDS = 0.5


class Room:
    """One run of one process.

    Attributes:
        plan: Whom to load.
        recorder: Where everything is counted.
        context: One TLS context for all sessions.
        credentials: Of AUTH.
        run: The run's name in every token.
        worker: Number of this process.
        mail: The MAIL line.
        template: The message, rendered before anything begins.
        begins_at: When the schedule begins, in seconds of `time.perf_counter`.
    """

    def __init__(self, plan: Plan, worker: int, workers: int, begins_at: float) -> None:
        """Open the books of this process.

        Args:
            plan: Whom to load and with what.
            worker: Number of this process, from 0.
            workers: How many processes share the schedule.
            begins_at: Unix time of its begin.

        Raises:
            KeyError: The password is not in the environment.
            OSError: There is no room for the books.
        """
        folder = Path(plan.folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.plan = plan
        self.recorder = Recorder(folder, worker)
        self.context = plan.tls_context()
        self.credentials = Credentials(plan.username, os.environ[PASSWORD_VARIABLE])
        self.run = plan.run.encode()
        self.worker = worker
        self.users = count()
        self.numbers = count()
        self.mail = f"MAIL FROM:<{plan.sender}>\r\n".encode()
        self.begins_at = begins_at - self.recorder.clock_offset
        self.template = MessageTemplate.render(plan.sender, plan.recipients[0], plan.octets)
        self._moments: Iterator[float] = iter(())
        self._ends_at = float("inf")
        self.has_schedule = plan.schedule is not None
        self._busy = 0
        if plan.schedule is not None:
            self._moments = plan.schedule.moments(worker, workers)
            self._ends_at = self.begins_at + plan.schedule.seconds + plan.drain_seconds
        self._measured_from = self.begins_at + plan.warm_up_seconds
        self.is_over = False

    def take(self) -> float | None:
        """Wait until the next message is due; returns when that was to be, None after the last."""
        if self.is_over:
            return None
        moment = next(self._moments, None)
        if moment is None:
            self.is_over = True
            return None
        due = self.begins_at + moment
        self.recorder.measurement.planned += 1
        self.recorder.second(moment)[0] += 1
        clock = time.perf_counter
        wait = due - clock()
        if wait > 0:
            gevent.sleep(wait)
        elif clock() > self._ends_at:
            # Its time is over: it, and all that should have followed, could not be sent.
            self.recorder.measurement.unsent += 1
            self._forget_the_rest()
            return None
        return due

    def is_measured(self, due: float) -> bool:
        """Whether a message due then counts in the durations; those of the warm-up do not."""
        return due >= self._measured_from

    def close(self) -> None:
        """Count what should have begun by now and did not; write the books."""
        if self.has_schedule and not self.is_over:
            self._forget_the_rest(time.perf_counter() - self.begins_at)
        self.recorder.close()

    def _forget_the_rest(self, until: float = float("inf")) -> None:
        # Planned is planned, sent or not; what was due after an early end was never asked for.
        self.is_over = True
        measured = self.recorder.measurement
        for moment in self._moments:
            if moment > until:
                return
            measured.planned += 1
            measured.unsent += 1
            self.recorder.second(moment)[0] += 1

    def watch(self, finished: Callable[[], None]) -> None:
        """Look at the loop's own lateness and write the books down; a greenlet of its own.

        Args:
            finished: Called when the last scheduled message has been dealt with.
        """
        clock = time.perf_counter
        next_look = clock() + _LOOK_SECONDS
        while not self.recorder.is_closed:
            before = clock()
            gevent.sleep(_PULSE_SECONDS)
            now = clock()
            if now >= self._measured_from:
                self.recorder.measurement.lag.record(now - before - _PULSE_SECONDS)
            if now < next_look:
                continue
            next_look = now + _LOOK_SECONDS
            self.recorder.look()
            try:
                self.recorder.snapshot()
            except OSError as error:
                # Without books there is no point in going on; what was written stays.
                sys.stderr.write(f"{self.plan.folder}: {error.strerror}\n")
                self.is_over = True
                finished()
                return
            if self.is_over and not self._busy:
                finished()
                return

    def __enter__(self) -> None:
        """A message is under way."""
        self._busy += 1

    def __exit__(self, *_: object) -> None:
        self._busy -= 1
