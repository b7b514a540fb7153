"""aiosmtpd, the SMTP server of the Python world, on both event loops."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from fixtures.peers.programs import Missing
from loadtests.benchmark.child import Child
from loadtests.benchmark.server import ADDRESS, HOST, Ground, Promise, Running, module_environment

_PROGRAM = "loadtests.benchmark.servers.aiosmtpd_sink"


@dataclass(frozen=True, slots=True)
class Aiosmtpd:
    """A server that discards."""

    loop: Literal["asyncio", "uvloop"]

    @property
    def key(self) -> str:
        """The name on the command line."""
        return "aiosmtpd" if self.loop == "asyncio" else "aiosmtpd-uvloop"

    @property
    def title(self) -> str:
        """The name in the tables."""
        return f"aiosmtpd, {self.loop}"

    @property
    def promise(self) -> Promise:
        """What its 250 means."""
        return Promise.DISCARDED

    def prepare(self, cache: Path) -> str:
        """Look for it among the installed packages.

        Raises:
            Missing: It is not there.
        """
        try:
            version = f"aiosmtpd {metadata.version('aiosmtpd')}"
            return version if self.loop == "asyncio" else f"{version}, {_uvloop_version()}"
        except metadata.PackageNotFoundError as error:
            raise Missing(f"{error.name} is not installed: run `nox -s bench`") from None

    def start(self, ground: Ground) -> Running:
        """Start it.

        Raises:
            Missing: It does not come up.
        """
        order = ground.folder / "order.json"
        order.write_text(
            json.dumps(
                {
                    "loop": self.loop,
                    "address": ADDRESS,
                    "host": HOST,
                    "certificate": str(ground.certificate_file),
                    "key": str(ground.key_file),
                    "username": ground.login.username,
                    "password": ground.login.password,
                }
            )
        )
        child = Child(
            [sys.executable, "-m", _PROGRAM, str(order)],
            ground.folder,
            ground.cores,
            module_environment(),
        )
        return Running((ADDRESS, child.ready_line()["port"]), child.pid, child.stop)


def _uvloop_version() -> str:
    return f"uvloop {metadata.version('uvloop')}"
