"""The next hop behind the servers that deliver: takes everything, keeps nothing, counts.

As a program, run with a file as its argument, into which it counts; one JSON line on stdout tells
the port. It runs beside the driver, and its CPU is nobody's.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from loadtests.benchmark.child import Child
from loadtests.benchmark.pinning import Cores
from loadtests.benchmark.server import ADDRESS, module_environment

_COUNT = struct.Struct("=Q")
_END = b"\r\n.\r\n"


def both(first: Callable[[], None], then: Callable[[], None]) -> Callable[[], None]:
    """Return what ends a server and its sink, the sink last."""

    def stop() -> None:
        try:
            first()
        finally:
            then()

    return stop


class NullSink:
    """A running sink.

    Attributes:
        port: Where it listens, on `ADDRESS`.
    """

    def __init__(self, folder: Path, cores: Cores) -> None:
        """Start it.

        Raises:
            Missing: It does not come up.
        """
        place = folder / "sink"
        place.mkdir()
        count_file = place / "count"
        count_file.write_bytes(_COUNT.pack(0))
        self._child = Child(
            [sys.executable, "-m", "loadtests.benchmark.servers.null_sink", str(count_file)],
            place,
            Cores(cores.driver, cores.driver),
            module_environment(),
        )
        self.port = int(self._child.ready_line()["port"])
        self._count_file = count_file

    def count(self) -> int:
        """How many messages have arrived."""
        (count,) = _COUNT.unpack(self._count_file.read_bytes())
        return int(count)

    def stop(self) -> None:
        """End it."""
        self._child.stop()


class _Taking(asyncio.Protocol):
    """One connection: every command is right, and content ends at a dot."""

    def __init__(self, took: Callable[[], None]) -> None:
        self._took = took
        self._unread = b""
        self._is_content = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None:
            return
        self._unread += data
        replies: list[bytes] = []
        while (reply := self._next_reply()) is not None:
            replies.append(reply)
        transport.write(b"".join(replies))
        if replies and replies[-1].startswith(b"221"):
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def _next_reply(self) -> bytes | None:
        if self._is_content:
            _, end, rest = self._unread.partition(_END)
            if not end:
                return None
            self._unread, self._is_content = rest, False
            self._took()
            return b"250 2.0.0 Ok\r\n"
        line, end, rest = self._unread.partition(b"\r\n")
        if not end:
            return None
        self._unread = rest
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-sink.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n"
        if verb == b"DATA":
            self._is_content = True
            return b"354 Go on\r\n"
        return b"221 2.0.0 Bye\r\n" if verb == b"QUIT" else b"250 2.0.0 Ok\r\n"


async def _serve(count_file: Path) -> None:
    with count_file.open("r+b") as opened, mmap.mmap(opened.fileno(), _COUNT.size) as shared:
        taken = 0

        def took() -> None:
            nonlocal taken
            taken += 1
            _COUNT.pack_into(shared, 0, taken)

        server = await asyncio.get_running_loop().create_server(
            lambda: _Taking(took), ADDRESS, 0, backlog=1024
        )
        sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
        sys.stdout.flush()
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
