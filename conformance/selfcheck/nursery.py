"""Broken relays are born by fork: from a process that has read everything but the relay.

Half of what it costs to start a relay goes into reading libraries that no mutation touches. Nothing
of the relay itself is read before it is broken: a name that was imported is not broken any more.
"""

from __future__ import annotations

import functools
import io
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from conformance.selfcheck import broken_relay
from fixtures.relay_process import Child, executed

PROGRAM = ("-m", broken_relay.__name__)
# What the relay reads of others; and the mutations, which name it inside their functions only.
LIBRARIES = (
    *("argparse", "asyncio", "concurrent.futures.thread", "difflib", "getpass", "resource"),
    *("alembic.command", "apsw", "argon2", "idna", "sqlite3"),
    *("cryptography.hazmat.primitives.asymmetric.ed25519", "cryptography.x509"),
    *("dns.asyncresolver", "dns.rdtypes.ANY.MX", "dns.rdtypes.ANY.TXT"),
    *("fastapi.responses", "pydantic.dataclasses", "pydantic.v1", "sqlalchemy.dialects.sqlite"),
    *("uvicorn.lifespan.off", "uvicorn.loops.auto", "uvicorn.protocols.http.auto"),
    "uvicorn.protocols.websockets.auto",
    __name__,
)
# The dynamic linker acts on these when a program is executed, and at no other time.
_LINKERS = ("LD_PRELOAD", "LD_LIBRARY_PATH")


class Forked:
    """A relay that was forked, in the terms of `subprocess.Popen`."""

    def __init__(self, process: ForkServerProcess, stdout: Connection) -> None:
        self._process = process
        self.stdout = io.FileIO(os.dup(stdout.fileno()))

    @property
    def pid(self) -> int:
        """Its number."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Look whether it has ended."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: It still runs.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        return self._process.exitcode

    def send_signal(self, sig: int) -> None:
        """Signal it, if it still runs."""
        if self._process.exitcode is None:
            os.kill(self.pid, sig)

    def kill(self) -> None:
        """Kill it, if it still runs."""
        self._process.kill()


def forked(arguments: Sequence[str], environment: Mapping[str, str], stderr_file: Path) -> Child:
    """Start a broken relay by fork, and any other program by executing it.

    Raises:
        OSError: It cannot be started.
    """
    program, rest = tuple(arguments[:3]), arguments[3:]
    links = any(environment.get(name) != os.environ.get(name) for name in _LINKERS)
    if program != (sys.executable, *PROGRAM) or links:
        return executed(arguments, environment, stderr_file)
    ours, its = multiprocessing.Pipe(duplex=False)
    with ours, its:
        process = _nursery().Process(
            target=_live, args=(rest, dict(environment), its, str(stderr_file)), daemon=True
        )
        process.start()
        return Forked(process, ours)


@functools.cache
def _nursery() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(LIBRARIES))
    return context


def _live(
    arguments: Sequence[str], environment: Mapping[str, str], stdout: Connection, stderr_file: str
) -> None:
    """Be the program: its streams, its environment, its exit status."""
    os.environ.clear()
    os.environ.update(environment)
    # The flag comes along from the parent, whatever the environment says.
    sys.dont_write_bytecode &= sys.pycache_prefix is None
    with stdout, Path(stderr_file).open("ab") as stderr, Path(os.devnull).open("rb") as nothing:
        for number, descriptor in enumerate((nothing.fileno(), stdout.fileno(), stderr.fileno())):
            os.dup2(descriptor, number)
    sys.exit(broken_relay.main(arguments))
