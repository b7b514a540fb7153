"""What a server costs is counted over all of its processes, dead children too."""

from __future__ import annotations

import subprocess
import sys
import time

from loadtests.benchmark import footprint
from loadtests.benchmark.footprint import Entry, Identity

# Burns 0.2 s itself, 0.2 s in a child it waits for, and 0.2 s in one that lives on.
_FAMILY = """\
import os, sys, time
def burn():
    while time.process_time() < end: pass
end = time.process_time() + 0.2
burn()
if not (child := os.fork()):
    end = time.process_time() + 0.2
    burn()
    os._exit(0)
os.waitpid(child, 0)
if not os.fork():
    end = time.process_time() + 0.2
    burn()
    print("burnt", flush=True)
    sys.stdin.read()
    os._exit(0)
sys.stdin.read()
"""


def test_a_line_with_blanks_and_brackets_in_the_name_is_read() -> None:
    """The name of a program may hold anything; the figures behind it are found."""
    rest = "S 10 20 30 0 -1 0 0 0 0 0 5 6 7 8 20 0 1 0 99"
    entry = Entry.parse(f"42 (odd ) (name) {rest}\n")
    assert entry == Entry(Identity(42, 99), 10, 30, own_ticks=11, reaped_ticks=15)


def test_cpu_of_living_and_dead_children_counts() -> None:
    """The parent's, a waited-for child's and a living child's time add up."""
    with subprocess.Popen(
        [sys.executable, "-c", _FAMILY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as family:
        assert family.stdout is not None
        assert family.stdout.readline() == b"burnt\n"
        assert 0.55 <= footprint.cpu_seconds(family.pid) < 2.0
        both = footprint.members(family.pid)
        assert len(both) == 2
        memory = footprint.memory(family.pid)
        assert memory.total > memory.anonymous > 0
        family.communicate()
        due_at = time.monotonic() + 10
        while footprint.alive(both) and time.monotonic() < due_at:
            time.sleep(0.01)
        assert not footprint.alive(both)
    assert footprint.cpu_seconds(family.pid) == 0
