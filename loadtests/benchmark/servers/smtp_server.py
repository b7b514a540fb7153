"""smtp-server, the SMTP server of the Node world; fetched by npm into the cache."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from loadtests.benchmark.child import Child, Missing
from loadtests.benchmark.server import ADDRESS, HOST, Ground, Promise, Running

# Pinned, so that a run next year measures the same peer; npm checks what it fetches.
_PACKAGE = "smtp-server@3.21.6"
_PROGRAM = Path(__file__).with_name("smtp_server_sink.cjs")
_INSTALL_SECONDS = 120


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
        node = _program("node")
        folder = _folder(cache)
        found = _version(folder)
        if found != _PACKAGE:
            _install(folder)
            found = _version(folder)
        node_version = subprocess.run(
            [node, "--version"], capture_output=True, text=True, check=False
        ).stdout.strip()
        return f"{found.replace('@', ' ')}, Node {node_version.removeprefix('v')}"

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
        child = Child([_program("node"), str(_PROGRAM), str(order)], ground.folder, ground.cores)
        return Running((ADDRESS, child.ready_line()["port"]), child.pid, child.stop)


def _folder(cache: Path) -> Path:
    return cache / "smtp-server"


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed (Debian: apt-get install nodejs npm)")
    return found


def _version(folder: Path) -> str:
    try:
        text = (folder / "node_modules" / "smtp-server" / "package.json").read_text()
        return f"smtp-server@{json.loads(text)['version']}"
    except (OSError, ValueError, KeyError):
        return ""


def _install(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    order = ["install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund"]
    # A script of a package has no business here; none of these three needs one.
    order += ["--ignore-scripts", "--prefix", str(folder), _PACKAGE]
    try:
        subprocess.run(
            [_program("npm"), *order], check=True, capture_output=True, timeout=_INSTALL_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        raise Missing(f"npm could not install {_PACKAGE}") from None
