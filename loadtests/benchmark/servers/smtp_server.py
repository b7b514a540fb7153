"""smtp-server, the SMTP server of the Node world; fetched by npm into the cache."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from fixtures.peers import npm
from fixtures.peers.programs import program
from loadtests.benchmark.child import Child
from loadtests.benchmark.server import ADDRESS, HOST, Ground, Promise, Running

_PROGRAM = Path(__file__).with_name("smtp_server_sink.cjs")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A server that discards."""

    key: str = "smtp-server"
    title: str = "smtp-server, Node"
    promise: Promise = Promise.DISCARDED

    def prepare(self, cache: Path) -> str:
        """Install it into the cache, unless it is there.

        Raises:
            Missing: No Node, no npm, or npm cannot fetch it.
        """
        return npm.prepared(_folder(cache), npm.SMTP_SERVER)

    def start(self, ground: Ground) -> Running:
        """Start it.

        Raises:
            Missing: It does not come up.
        """
        order = ground.folder / "order.json"
        order.write_text(
            json.dumps(
                {
                    "address": ADDRESS,
                    "host": HOST,
                    # What the program's `require` starts from; the file need not exist.
                    "packages": str(_folder(ground.cache) / "from-here.js"),
                    "certificate": str(ground.certificate_file),
                    "key": str(ground.key_file),
                    "username": ground.login.username,
                    "password": ground.login.password,
                }
            )
        )
        child = Child(
            [program("node", npm.INSTALL), str(_PROGRAM), str(order)], ground.folder, ground.cores
        )
        return Running((ADDRESS, child.ready_line()["port"]), child.pid, child.stop)


def _folder(cache: Path) -> Path:
    return cache / "smtp-server"
