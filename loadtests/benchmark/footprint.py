"""What a server costs, summed over all of its processes: CPU time and memory, from /proc.

A server is the process that was started, its live descendants, and whatever still shares its
session after its parent has gone. CPU of children that ended is in the figures of the parent that
waited for them (`proc(5)`: cutime, cstime), so a process per connection is counted too.

Live processes are read from their CPU clocks, in nanoseconds: /proc rounds each of them down to
ticks of 10 ms, and with fifty processes that come and go (Postfix) the roundings were a sixth of
the sum. So read, the sum agrees with a cpuacct control group within one or two per cent.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Identity:
    """A process, told from a later one of the same id by the tick it started at."""

    pid: int
    start_tick: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of /proc/PID/stat, as far as it is needed.

    Attributes:
        own_ticks: Its own user and system time.
        reaped_ticks: That of the children it has waited for, and of theirs.
    """

    identity: Identity
    parent: int
    session: int
    own_ticks: int
    reaped_ticks: int

    @property
    def cpu_seconds(self) -> float:
        """What it has taken so far, with the children it has waited for."""
        try:
            own = time.clock_gettime(_cpu_clock(self.identity.pid))
        except OSError:
            # It ended just now.
            own = self.own_ticks / _TICKS_PER_SECOND
        return own + self.reaped_ticks / _TICKS_PER_SECOND

    @classmethod
    def parse(cls, line: str) -> Entry:
        """Read a line; the program's name may hold blanks and brackets."""
        head, _, tail = line.rpartition(")")
        fields = tail.split()
        return cls(
            identity=Identity(int(head.split(" ", 1)[0]), int(fields[19])),
            parent=int(fields[1]),
            session=int(fields[3]),
            own_ticks=int(fields[11]) + int(fields[12]),
            reaped_ticks=int(fields[13]) + int(fields[14]),
        )


def cpu_seconds(root: int) -> float:
    """Return the CPU time that the server has taken so far, in seconds."""
    return sum(entry.cpu_seconds for entry in _of_server(_entries(), root))


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory in octets; what several processes share is divided among them.

    Attributes:
        total: Everything, program text and libraries too.
        anonymous: Without what is mapped from files. Differences are taken of this one, because a
            library's share changes whenever any program on the machine starts or ends.
    """

    total: int = 0
    anonymous: int = 0


def memory(root: int) -> Memory:
    """Return the memory of the server's processes."""
    found = [_memory(one.pid) for one in members(root)]
    return Memory(sum(one.total for one in found), sum(one.anonymous for one in found))


def members(root: int) -> frozenset[Identity]:
    """Return the server's live processes."""
    return frozenset(entry.identity for entry in _of_server(_entries(), root))


def alive(identities: Iterable[Identity]) -> frozenset[Identity]:
    """Return those processes that have not ended."""
    return frozenset(identities) & {entry.identity for entry in _entries()}


def _cpu_clock(pid: int) -> int:
    # clock_getcpuclockid(3), which Python offers for threads only.
    return ~pid << 3 | 2


def _entries() -> list[Entry]:
    found: list[Entry] = []
    for folder in _PROC.iterdir():
        if folder.name.isdecimal():
            # It may end while we look.
            with contextlib.suppress(OSError):
                found.append(Entry.parse((folder / "stat").read_text(errors="replace")))
    return found


def _of_server(entries: Iterable[Entry], root: int) -> list[Entry]:
    children: dict[int, list[Entry]] = {}
    found: dict[int, Entry] = {}
    for entry in entries:
        children.setdefault(entry.parent, []).append(entry)
        if root in (entry.identity.pid, entry.session):
            found[entry.identity.pid] = entry
    unvisited = list(found)
    while unvisited:
        for child in children.get(unvisited.pop(), ()):
            if child.identity.pid not in found:
                found[child.identity.pid] = child
                unvisited.append(child.identity.pid)
    return list(found.values())


def _memory(pid: int) -> Memory:
    sizes: dict[str, int] = {}
    with contextlib.suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]:
            name, size, _ = line.split()
            sizes[name] = int(size) * 1024
    return Memory(sizes.get("Pss:", 0), sizes.get("Pss_Anon:", 0))
