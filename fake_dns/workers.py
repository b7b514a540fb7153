"""More processes on the same ports (SO_REUSEPORT): one holds the state, the others have copies.

A change returns when every worker answers by it, and reading the log asks every worker first,
so that a test sees what it would see of one process.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from fake_dns.certificate import Certificate
from fake_dns.fault_book import OpenRule
from fake_dns.query_log import Entry
from fake_dns.serving import EventLoop
from fake_dns.sockets import CannotListen
from fake_dns.zone_set import Publication

# A worker imports little and copies some zones; on a loaded machine that takes a second or two.
PATIENCE_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker is told once: where to listen, as what, and how."""

    address: str
    ports: tuple[tuple[str, int, int | None], ...]
    certificate: Certificate | None
    udp_octets: int
    event_loop: EventLoop


@dataclass(frozen=True, slots=True)
class State:
    """What a worker answers by, and by how much the clock is ahead."""

    publication: Publication
    rules: tuple[OpenRule, ...]
    clock_added: float


@dataclass(frozen=True, slots=True)
class Flush:
    """Tell what was asked so far."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was asked of a worker since it last told, and how many packets it counted."""

    entries: tuple[Entry, ...]
    counted: Counter[str]


@dataclass(frozen=True, slots=True)
class Done:
    """The last command is carried out."""


OnTold = Callable[[Told], None]


def send(stream: IO[bytes], message: object) -> None:
    """Write one message for the process at the other end."""
    pickle.dump(message, stream)
    stream.flush()


def receive(stream: IO[bytes]) -> object:
    """Read one message.

    Raises:
        EOFError: The other process is gone.
    """
    message: object = pickle.load(stream)  # noqa: S301  # from a process that we started
    return message


class _Worker:
    """One process and the thread that listens to it."""

    def __init__(self, settings: WorkerSettings, on_told: OnTold) -> None:
        above = str(Path(__file__).parents[1])
        path = os.pathsep.join(filter(None, (above, os.environ.get("PYTHONPATH"))))
        self._process: Final = subprocess.Popen(
            [sys.executable, "-m", "fake_dns.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            # Ctrl-C is the parent's alone: workers end when their pipe does.
            start_new_session=True,
        )
        self._on_told: Final = on_told
        self._done: Final = threading.Semaphore(0)
        self._is_gone = False
        self._thread: Final = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        self.tell(settings)

    def tell(self, message: object) -> None:
        stream = self._process.stdin
        assert stream is not None  # noqa: S101  # asked for above
        try:
            send(stream, message)
        except BrokenPipeError as error:
            raise CannotListen("a worker ended by itself; expected it to stay") from error

    def wait(self) -> None:
        if not self._done.acquire(timeout=PATIENCE_SECONDS) or self._is_gone:
            raise CannotListen("a worker does not answer; expected it to listen on the same port")

    def _listen(self) -> None:
        stream = self._process.stdout
        assert stream is not None  # noqa: S101  # asked for above
        try:
            while True:
                match receive(stream):
                    case Told() as told:
                        self._on_told(told)
                    case Done():
                        self._done.release()
                    case other:
                        raise TypeError(other)
        except (EOFError, pickle.UnpicklingError):
            self._is_gone = True
            self._done.release()

    def stop(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._thread.join()
        if self._process.stdout is not None:
            self._process.stdout.close()


class WorkerPool:
    """All the workers of one FakeDNS."""

    def __init__(self, count: int, settings: WorkerSettings, on_told: OnTold) -> None:
        """Start the processes; they answer after the first `publish`."""
        self._commands: Final = threading.Lock()
        self._workers: Final[Sequence[_Worker]] = [_Worker(settings, on_told) for _ in range(count)]

    def publish(self, state: State) -> None:
        """Put a state in force in every worker.

        Raises:
            CannotListen: A worker is gone or cannot listen.
        """
        self._command(state)

    def flush(self) -> None:
        """Have every worker tell what was asked so far.

        Raises:
            CannotListen: A worker is gone.
        """
        self._command(Flush())

    def _command(self, command: State | Flush) -> None:
        with self._commands:
            for worker in self._workers:
                worker.tell(command)
            for worker in self._workers:
                worker.wait()

    def stop(self) -> None:
        """End every process."""
        for worker in self._workers:
            worker.stop()
