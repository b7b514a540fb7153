"""A real PostgreSQL on loopback, in a folder of its own, for as long as a test needs it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

_START_SECONDS = 30


@dataclass
class Postgres:
    """A server that can be stopped and started again."""

    bin: Path
    folder: Path
    port: int
    as_user: dict[str, Any]

    @property
    def url(self) -> str:
        return f"postgresql://relay@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        self._control("start", "-w", "-o", options, "-l", str(self.folder / "log"))

    def stop(self) -> None:
        """Stop at once: connections are cut."""
        self._control("stop", "-m", "immediate")

    def _control(self, *words: str) -> None:
        command = [str(self.bin / "pg_ctl"), "-D", str(self.folder / "data"), *words]
        subprocess.run(
            command,
            check=True,
            timeout=_START_SECONDS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            **self.as_user,
        )


def _programs() -> Path | None:
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((one for one in found if (one / "initdb").exists()), None)


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Start one; it refuses to run as root, so that root runs it as nobody."""
    programs = _programs()
    if programs is None:
        assert not os.environ.get("DEMAND_INTEROP_TOOLS"), "PostgreSQL is not installed"
        pytest.skip("PostgreSQL is not installed")
    as_user: dict[str, Any] = {}
    folder = Path(tempfile.mkdtemp(prefix="relay-postgresql-"))
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    initdb = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "relay"]
    initdb += ["--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
    try:
        subprocess.run(
            initdb, check=True, timeout=60, stdout=subprocess.DEVNULL, cwd=folder, **as_user
        )
        server = Postgres(programs, folder, port, as_user)
        server.start()
        try:
            yield server
        finally:
            with contextlib.suppress(subprocess.CalledProcessError):
                server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def wait_until(what: Any, within: float = 20.0) -> float:
    """Wait until something is so; return how long it took."""
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < within, "it did not come to that"
        time.sleep(0.01)
    return time.monotonic() - began
