"""A worker in a process of its own, as its supervisor sees it: one life, from start to end."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reference_relay.doors import Door
from reference_relay.supervision.control_channel import Asking, Channel, ChannelClosed

# Ours: an interpreter with all its modules takes a second, recovery of a large shard more.
_START_SECONDS = 60.0
# Ours: for an answer that needs no more than one look-up.
_ANSWER_SECONDS = 10.0


class WorkerProcess:
    """A running worker."""

    def __init__(self, process: asyncio.subprocess.Process, asking: Asking) -> None:
        self._process = process
        self._asking = asking
        self._ended = asyncio.create_task(self._end())

    @classmethod
    async def spawn(cls, doors: Sequence[Door], loop: str) -> WorkerProcess:
        """Start a process that has the sockets and waits for orders.

        Args:
            doors: Its sockets; they stay ours too, so that nothing that waits in them is lost.
            loop: Which event loop it runs.

        Raises:
            OSError: There can be no further process.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "reference_relay", "worker"),
                    *("--control", str(theirs.fileno()), "--loop", loop),
                    stdin=asyncio.subprocess.DEVNULL,
                    # Whoever reads our standard output waits for our end, not for a worker's.
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(), *(door.listening.fileno() for door in doors)),
                    # A signal from the terminal is for the supervisor, which passes it on.
                    start_new_session=True,
                )
            except BaseException:
                ours.close()
                raise
        return cls(process, Asking(await Channel.over(ours)))

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def start(
        self,
        number: int,
        source: str,
        served: Mapping[str, Any],
        doors: Sequence[Door],
        left_behind: Iterable[int],
    ) -> None:
        """Let it serve.

        Args:
            number: Which worker it is.
            source: The configuration file, for messages and relative paths.
            served: What it serves, see `worker_slot.Served`.
            doors: As for `spawn`.
            left_behind: Shards it has to deliver from besides its own.

        Raises:
            OrderRefused: It cannot.
            ChannelClosed: It ended.
            TimeoutError: It is too slow.
        """
        await self._asking.ask(
            "start",
            _START_SECONDS,
            number=number,
            source=source,
            served=served,
            doors=[[door.endpoint, door.listening.fileno(), door.is_encrypted] for door in doors],
            left_behind=list(left_behind),
        )

    async def ask(self, order: str, **fields: Any) -> Any:
        """Give an order that is done in no time; see `control_channel.Asking.ask`."""
        return await self._asking.ask(order, _ANSWER_SECONDS, **fields)

    async def stop(self, within: float) -> None:
        """Let it come to an orderly end; kill it if that takes longer than `within` seconds."""
        try:
            await self._asking.ask("stop", within)
            await asyncio.wait_for(self.ended(), within)
        except (ChannelClosed, TimeoutError):
            self.kill()
        await self.ended()

    def kill(self) -> None:
        """End it at once; what it has promised is on disk."""
        if self._process.returncode is None:
            self._process.kill()

    async def ended(self) -> int:
        """Wait for its end and return the exit status, negative for a signal."""
        return await asyncio.shield(self._ended)

    async def _end(self) -> int:
        gone = asyncio.create_task(self._asking.closed())
        status = asyncio.create_task(self._process.wait())
        await asyncio.wait((gone, status), return_when=asyncio.FIRST_COMPLETED)
        if not status.done():
            # It takes no more orders: it is on its way out, or out of its mind.
            await asyncio.wait((status,), timeout=_ANSWER_SECONDS)
            self.kill()
        await self._asking.close()
        await asyncio.wait((gone,))
        return await status
