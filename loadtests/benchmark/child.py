"""A server as a child process: started on its core, ready when it says so, ended by its id."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fixtures.peers.programs import Missing
from loadtests.benchmark import footprint
from loadtests.benchmark.pinning import Cores

_READY_SECONDS = 30.0
_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.05
_SHOWN_OCTETS = 600


class Child:
    """One running server.

    Attributes:
        pid: The process that was started; the others are found from it.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        folder: Path,
        cores: Cores,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it, in a session of its own; its stderr goes to a file in the folder.

        Raises:
            Missing: There is no such program.
        """
        self._name = Path(arguments[0]).name
        self._stderr_file = folder / "stderr"
        with self._stderr_file.open("wb") as stderr, cores.for_server():
            try:
                self._process = subprocess.Popen(
                    arguments,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env={**os.environ, **(environment or {})},
                    start_new_session=True,
                )
            except OSError as error:
                raise Missing(f"cannot run {self._name}: {error.strerror}") from None
        self.pid = self._process.pid

    def ready_line(self) -> dict[str, Any]:
        """Wait for the one JSON line on its stdout.

        Raises:
            Missing: It ended, was too slow, or said something else.
        """
        stdout = self._process.stdout
        assert stdout is not None
        line = b""
        due_at = time.monotonic() + _READY_SECONDS
        while not line.endswith(b"\n") and time.monotonic() < due_at:
            if select.select([stdout], [], [], due_at - time.monotonic())[0]:
                piece = os.read(stdout.fileno(), 4096)
                if not piece:
                    break
                line += piece
        try:
            ready: dict[str, Any] = json.loads(line)
        except ValueError:
            raise self._not_ready() from None
        return ready

    def until_it_greets(self, address: str, port: int) -> None:
        """Wait until a connection to it is greeted with 220.

        Raises:
            Missing: It ended, or did not greet in time.
        """
        due_at = time.monotonic() + _READY_SECONDS
        while time.monotonic() < due_at and self._process.poll() is None:
            if _greets(address, port):
                return
            time.sleep(_LOOK_SECONDS)
        raise self._not_ready()

    def stop(self) -> None:
        """SIGTERM; whoever of its processes is left after ten seconds is killed."""
        family = footprint.members(self.pid)
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        due_at = time.monotonic() + _STOP_SECONDS
        while (left := footprint.alive(family)) and time.monotonic() < due_at:
            time.sleep(_LOOK_SECONDS)
        for one in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one.pid, signal.SIGKILL)

    def _not_ready(self) -> Missing:
        # Its end shows on the pipe first.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        status = self._process.poll()
        self.stop()
        how = "was not ready in time" if status is None else f"ended with exit status {status}"
        said = self._stderr_file.read_bytes()[-_SHOWN_OCTETS:].decode("utf-8", "backslashreplace")
        return Missing(f"{self._name} {how}: {' '.join(said.split()) or 'it said nothing'}")


def _greets(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=5) as client:
            return client.recv(512).startswith(b"220")
    except OSError:
        return False
