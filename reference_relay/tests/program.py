"""Running `reference-relay` as a program of its own, as everybody else does."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from typing import IO

START_SECONDS = 30.0
STOP_SECONDS = 20.0


class Program:
    """A running `python -m reference_relay …`; use it as a context manager."""

    def __init__(self, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reference_relay", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self._process.stdout, self._lines.put)),
            threading.Thread(target=self._read, args=(self._process.stderr, self._errors.append)),
        ]
        for reader in self._readers:
            reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._end()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def errors(self) -> str:
        """What it wrote to standard error so far."""
        return "".join(self._errors)

    def line(self, containing: str = "", within: float = START_SECONDS) -> str:
        """Wait for the next line on standard output that contains the text."""
        while True:
            try:
                line = self._lines.get(timeout=within)
            except queue.Empty:
                line = ""
            assert line, f"no line with {containing!r}; {self.errors}"
            if containing in line:
                return line

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def status(self) -> int:
        """Wait for its end and return the exit status."""
        return self._end()

    def _end(self) -> int:
        status = self._process.wait(STOP_SECONDS)
        for reader in self._readers:
            reader.join(STOP_SECONDS)
        return status

    @staticmethod
    def _read(stream: IO[str] | None, take: Callable[[str], object]) -> None:
        assert stream is not None
        with stream:
            for line in stream:
                take(line)
        # The end shows as an empty line, so that nobody waits for more.
        take("")
