"""The cheap way to the log: complete lines, in order, soon, and never in anybody's way."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest

from reference_relay.logs import LineLog, set_level

LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    r" level=(?P<level>[A-Z]+) logger=(?P<logger>\S+) (?P<text>.*)"
)


def written(work: Callable[[LineLog], None], *, is_on: bool = True) -> str:
    """Let something be logged inside a loop; return what was written by its end."""
    reading, writing = os.pipe()

    async def run() -> None:
        lines = LineLog(writing, is_on=is_on)
        work(lines)
        lines.flush()

    with os.fdopen(reading) as source:
        asyncio.run(run())
        os.close(writing)
        return source.read()


def test_a_line_looks_like_every_other_line_of_the_log() -> None:
    """Time in UTC with milliseconds, level, logger, text."""
    reading, writing = os.pipe()

    async def run() -> None:
        lines = LineLog(writing, now=lambda: 1700000000.25)
        lines.writer("room.module")("accepted queue_id=Q1")
        lines.flush()

    asyncio.run(run())
    os.close(writing)
    with os.fdopen(reading) as source:
        assert source.read() == (
            "2023-11-14T22:13:20.250Z level=INFO logger=room.module accepted queue_id=Q1\n"
        )


def test_lines_wait_for_a_moment_only() -> None:
    """Without any flush a line is out after a tenth of a second; that one write takes all."""
    reading, writing = os.pipe()

    async def run() -> bytes:
        write = LineLog(writing).writer("room")
        for number in range(3):
            write(f"line {number}")
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.run_in_executor(None, os.read, reading, 65536), 5)

    octets = asyncio.run(run())
    os.close(writing)
    os.close(reading)
    assert octets.count(b"\n") == 3


def test_a_level_above_info_keeps_them_out() -> None:
    """Nothing is written, and nothing kept."""
    assert written(lambda lines: lines.writer("room")("text"), is_on=False) == ""


def test_the_level_can_change() -> None:
    """After a reload with another level the writers that exist follow."""
    before = logging.getLogger().level

    def work(lines: LineLog) -> None:
        write = lines.writer("room")
        for level in ("info", "warning", "debug"):
            set_level(level, lines)
            write(level)

    try:
        text = written(work)
    finally:
        logging.getLogger().setLevel(before)
    assert re.findall(r"\w+$", text, re.MULTILINE) == ["info", "debug"]


def test_a_log_that_nobody_reads_any_more_stops_nothing() -> None:
    """A closed pipe loses lines and raises nothing."""
    reading, writing = os.pipe()
    os.close(reading)

    async def run() -> None:
        lines = LineLog(writing)
        lines.writer("room")("text")
        lines.flush()

    asyncio.run(run())
    os.close(writing)


def test_lines_of_several_processes_are_not_mixed() -> None:
    """Whatever one flush writes to a pipe comes in pieces of whole lines, each written at once."""
    reading, writing = os.pipe()
    texts: list[str] = []

    def read() -> None:
        with os.fdopen(reading) as source:
            texts.extend(source)

    reader = threading.Thread(target=read)
    reader.start()

    async def run(name: str) -> None:
        lines = LineLog(writing)
        write = lines.writer(name)
        for _ in range(2000):
            write(name * 100)
        lines.flush()

    # Threads with loops of their own are mixed by the kernel just as processes are.
    writers = [threading.Thread(target=asyncio.run, args=(run(name),)) for name in "abcd"]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    os.close(writing)
    reader.join(10)
    assert len(texts) == 8000
    for text in texts:
        match = LINE.fullmatch(text.rstrip("\n"))
        assert match, text
        assert match["text"] == match["logger"] * 100


PROGRAM = """
import asyncio, logging
from reference_relay.logs import log_to_stderr
lines = log_to_stderr("info")
write = lines.writer("room")
async def run():
    write("first")
    logging.getLogger("rare").warning("second %s", "x")
    write("third")
    await asyncio.to_thread(logging.getLogger("thread").warning, "fourth")
    lines.flush()
asyncio.run(run())
"""


@pytest.fixture
def logged() -> list[str]:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=True
    )
    return ended.stderr.splitlines()


def test_both_ways_keep_the_order_of_one_thread(logged: list[str]) -> None:
    """What the loop's thread logs either way stands in its order, in one format."""
    matches = [LINE.fullmatch(line) for line in logged]
    assert all(matches), logged
    texts = [match["text"] for match in matches if match]
    assert sorted(texts) == ["first", "fourth", "second x", "third"]
    assert texts.index("first") < texts.index("second x") < texts.index("third")
