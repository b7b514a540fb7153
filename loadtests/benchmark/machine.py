"""Where and when it was measured: without that, a figure is worth nothing."""

from __future__ import annotations

import os
import platform
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine and the moment.

    Attributes:
        load: The load average of the last minute before the run; above 1 somebody else was busy.
        commit: Of the checkout, with a remark if it had changes.
    """

    processor: str
    cores: int
    memory_gib: int
    system: str
    openssl: str
    date: str
    load: float
    commit: str

    @classmethod
    def here(cls) -> Machine:
        """Look around."""
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(
            processor=_value("/proc/cpuinfo", "model name", ":") or platform.machine(),
            cores=os.cpu_count() or 1,
            memory_gib=round(pages / (1 << 30)),
            system=f"{_value('/etc/os-release', 'PRETTY_NAME', '=')}, Linux {platform.release()}",
            openssl=" ".join(ssl.OPENSSL_VERSION.split()[:2]),
            date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            load=os.getloadavg()[0],
            commit=_commit(),
        )


def _value(source: str, key: str, separator: str) -> str:
    try:
        lines = Path(source).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        name, _, value = line.partition(separator)
        if name.strip() == key:
            return value.strip().strip('"')
    return ""


def _commit() -> str:
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        return f"{commit} with changes" if _git("status", "--porcelain") else commit
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _git(*arguments: str) -> str:
    program = shutil.which("git") or "git"
    return subprocess.run(
        [program, "-C", str(_REPOSITORY), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=10,
    ).stdout.strip()
