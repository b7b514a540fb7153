"""The place of one worker: it is filled again whenever the process in it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reference_relay.doors import Door
from reference_relay.supervision.back_off import BackOff
from reference_relay.supervision.control_channel import ChannelClosed, OrderRefused
from reference_relay.supervision.worker_process import WorkerProcess

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """What the workers are to serve; a higher version is a later one.

    Attributes:
        version: Counts up with every change.
        source: The configuration file.
        fields: `config` as a document; `reading`, which counts up whenever files are to be read
            anew; `clock_ahead` in seconds; and `directory` if it is not that of the file.
    """

    version: int
    source: str
    fields: Mapping[str, Any]


class WorkerSlot:
    """One worker over all its lives.

    Args:
        number: Which worker.
        doors: Its sockets, the same in every life.
        left_behind: Shards it has to deliver from besides its own.
        loop: Which event loop it runs.
        served: Gives what is to be served at that moment.
    """

    def __init__(
        self,
        number: int,
        doors: Sequence[Door],
        left_behind: Sequence[int],
        loop: str,
        served: Callable[[], Served],
    ) -> None:
        self.number = number
        self.starts = 0
        self._doors = doors
        self._left_behind = left_behind
        self._loop = loop
        self._served = served
        self._back_off = BackOff()
        self._process: WorkerProcess | None = None
        self._version = -1
        self._is_up = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None

    @property
    def is_up(self) -> bool:
        """Whether a worker serves here now."""
        return self._is_up.is_set()

    @property
    def pid(self) -> int | None:
        """The process id of the worker, if there is one."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Fill the place for the first time, and keep it filled.

        Raises:
            OrderRefused: The worker cannot serve.
            ChannelClosed: It ended at once.
            TimeoutError: It does not come up.
            OSError: There can be no further process.
        """
        process = await self._fill()
        self._keeping = asyncio.create_task(self._keep(process), name=f"worker-{self.number}")

    async def stop(self, within: float) -> None:
        """Let the worker come to an orderly end, and leave the place empty."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait((self._keeping,))
        if self._process is not None:
            await self._process.stop(within)
            self._is_up.clear()

    def kill(self) -> None:
        """End the worker's process at once."""
        if self._process is not None:
            self._process.kill()

    async def ask(self, order: str, **fields: Any) -> Any:
        """Ask the worker; see `control_channel.Asking.ask`.

        Raises:
            ChannelClosed: There is none now.
        """
        if self._process is None or not self.is_up:
            raise ChannelClosed
        return await self._process.ask(order, **fields)

    async def bring_up_to(self, served: Served) -> None:
        """Return when whoever serves here serves that, or a later version (D-27)."""
        while True:
            process = self._process
            is_kept = self._keeping is not None and not self._keeping.done()
            if process is None or not is_kept or self._version >= served.version:
                # An empty place is filled with what is to be served then.
                return
            try:
                if not self.is_up:
                    await self._up_or_ended(process)
                    continue
                await process.ask("adopt", source=served.source, served=served.fields)
            except ChannelClosed:
                await process.ended()
            except (OrderRefused, TimeoutError) as error:
                # It must not go on serving what is over; its successor begins with the new.
                _log.error("event=worker_refuses worker=%d error=%r", self.number, error)
                process.kill()
                await process.ended()
            else:
                self._version = max(self._version, served.version)
                return
            # Its keeper takes note of the end in its own turn.
            await asyncio.sleep(0)

    async def _up_or_ended(self, process: WorkerProcess) -> None:
        up = asyncio.create_task(self._is_up.wait())
        ended = asyncio.create_task(process.ended())
        await asyncio.wait((up, ended), return_when=asyncio.FIRST_COMPLETED)
        for task in (up, ended):
            task.cancel()
        await asyncio.wait((up, ended))

    async def _fill(self) -> WorkerProcess:
        served = self._served()
        self._version = served.version
        process = self._process = await WorkerProcess.spawn(self._doors, self._loop)
        try:
            await process.start(
                self.number, served.source, served.fields, self._doors, self._left_behind
            )
        except BaseException:
            process.kill()
            await process.ended()
            self._process = None
            raise
        self.starts += 1
        self._is_up.set()
        _log.info("event=worker_started worker=%d pid=%d", self.number, process.pid)
        return process

    async def _keep(self, process: WorkerProcess | None) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            if process is not None:
                status = await process.ended()
                self._is_up.clear()
                self._process = None
                _log.error("event=worker_ended worker=%d status=%d", self.number, status)
            await asyncio.sleep(self._back_off.seconds(clock() - began))
            began = clock()
            try:
                process = await self._fill()
            except (ChannelClosed, OrderRefused, TimeoutError, OSError) as error:
                _log.error("event=worker_not_started worker=%d error=%r", self.number, error)
                process = None
