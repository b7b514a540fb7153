"""Programs and libraries of others: found, or missed in one place."""

from __future__ import annotations

import importlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from fake_dns.sockets import bind, port_of

# Set where a missing program is a fault of the set-up, as in the project's own pipeline.
DEMAND = "DEMAND_INTEROP_TOOLS"
START_SECONDS = 20.0


def tool(name: str) -> str:
    """The path of a program; without it the test is skipped as not observable, or fails."""
    # Daemons stand where an ordinary user's PATH does not lead.
    path = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    if path is None:
        _missing(f"the program {name}")
    return str(path)


def library(name: str) -> ModuleType:
    """A library; without it the test is skipped as not observable, or fails."""
    try:
        return importlib.import_module(name)
    except ImportError:
        _missing(f"the library {name}")
        raise


def _missing(what: str) -> None:
    if os.environ.get(DEMAND):
        pytest.fail(f"{what} is not installed, and {DEMAND} is set")
    pytest.skip(f"not observable: needs {what}")


def free_port() -> int:
    """A number that is free for UDP and TCP at this moment."""
    udp, tcp = bind("127.0.0.1", 0)
    port = port_of(tcp)
    udp.close()
    tcp.close()
    return port


def run(*words: str, timeout: float = 30.0, check: bool = True) -> str:
    """Run a program to its end; what it says on standard output."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def running(
    words: Sequence[str], directory: Path, is_ready: Callable[[], bool]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a daemon in the foreground until the block ends; its output goes to a file."""
    log = directory / "output.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(words, cwd=directory, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"{words[0]} did not start:\n{log.read_text(errors='replace')}")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    """Whether somebody takes TCP connections there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
