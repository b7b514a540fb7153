"""What the benchmark asks of a server: that it can be had here, started, and ended."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from loadtests.benchmark.pinning import Cores
from loadtests.benchmark.workload import Login

ADDRESS = "127.0.0.1"
# The name in certificates, greetings and configurations.
HOST = "mail.example.com"
_REPOSITORY = Path(__file__).resolve().parents[2]


def module_environment() -> Mapping[str, str]:
    """Return what lets `python -m` find the packages of this repository from anywhere."""
    paths = [str(_REPOSITORY), os.environ.get("PYTHONPATH", "")]
    return {"PYTHONPATH": os.pathsep.join(path for path in paths if path)}


class Promise(Enum):
    """What a 250 at the end of data means; only like is compared with like."""

    DISCARDED = "discarded"
    DURABLE = "on disk"
    DELIVERED = "on disk, then delivered"
    SIGNED = "on disk, RSA-signed, delivered"

    @property
    def is_delivered(self) -> bool:
        """Whether mail is sent on."""
        return self in (Promise.DELIVERED, Promise.SIGNED)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a server starts on.

    Attributes:
        folder: Empty, its own, removed afterwards.
        cache: What was fetched for it, kept between runs.
    """

    folder: Path
    cache: Path
    certificate_file: Path
    key_file: Path
    login: Login
    cores: Cores


@dataclass(frozen=True, slots=True)
class Running:
    """A started server.

    Attributes:
        pid: The process from which all of its processes are found.
        stop: Ends it and waits for that.
        delivered: How many messages have arrived at the next hop; None where none is sent on.
    """

    address: tuple[str, int]
    pid: int
    stop: Callable[[], None]
    delivered: Callable[[], int] | None = None


class Server(Protocol):
    """One competitor."""

    @property
    def key(self) -> str:
        """The name on the command line."""
        ...

    @property
    def title(self) -> str:
        """The name in the tables."""
        ...

    @property
    def promise(self) -> Promise:
        """What its 250 means."""
        ...

    def prepare(self, cache: Path) -> str:
        """See that it can be had, fetching it into the cache if need be; return its version.

        Raises:
            Missing: It cannot.
        """
        ...

    def start(self, ground: Ground) -> Running:
        """Start it and wait until it greets.

        Raises:
            Missing: It does not come up.
        """
        ...
