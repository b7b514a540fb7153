"""`reference-relay worker`: the process of a worker, which does what its supervisor says.

It ends when it is told to, or when its supervisor has gone; in both cases in good order.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reference_relay.clock import Clock
from reference_relay.config import ConfigError, config_of
from reference_relay.doors import Door
from reference_relay.lifetime import stop_event
from reference_relay.logs import LineLog, log_to_stderr, set_level
from reference_relay.prepared import Prepared, prepare
from reference_relay.queue import status_document
from reference_relay.queue.queue import QueueError
from reference_relay.queue.queued_message import Order
from reference_relay.queue.spool_reader import Selection
from reference_relay.service import snapshot
from reference_relay.supervision.control_channel import Channel, ChannelClosed, Message
from reference_relay.worker import Worker

_log = logging.getLogger(__name__)


async def serve_orders(descriptor: int) -> int:
    """Do what comes over the control channel until it ends.

    Args:
        descriptor: Our end of the channel.

    Returns:
        The exit status: 0 after an orderly end, 1 when delivery broke.
    """
    # The terminal's signals are the supervisor's. One for all processes of a service is ours too.
    stopping = stop_event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
    channel = await Channel.over(socket.socket(fileno=descriptor))
    orders = _Orders(channel)
    taking = asyncio.create_task(orders.take())
    told = asyncio.create_task(stopping.wait())
    broken = asyncio.create_task(orders.broken())
    try:
        await asyncio.wait((taking, told, broken), return_when=asyncio.FIRST_COMPLETED)
        if broken.done():
            _log.critical("event=delivery_broken", exc_info=broken.exception())
            return 1
        if taking.done():
            taking.result()
        return 0
    finally:
        for task in (taking, told, broken):
            task.cancel()
        await orders.end()
        await channel.close()


class _Orders:
    """The worker and the words it is moved with."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._worker: Worker | None = None
        self._clock: Clock | None = None
        self._in_force: tuple[Mapping[str, Any], Prepared] | None = None
        self._is_started = asyncio.Event()
        self._lines: LineLog = log_to_stderr("info")
        self._stop_order: int | None = None

    async def take(self) -> None:
        """Take orders until there are no more."""
        while self._stop_order is None:
            try:
                message = await self._channel.receive()
            except ChannelClosed:
                return
            if message["order"] == "stop":
                self._stop_order = message["id"]
                return
            self._channel.send({"id": message["id"], **await self._answer(message)})

    async def broken(self) -> None:
        """Wait until delivery breaks.

        Raises:
            Exception: Whatever it broke with.
        """
        await self._is_started.wait()
        if self._worker is not None:
            await self._worker.ended()

    async def end(self) -> None:
        """Stop the worker in good order, and say so if that was the order."""
        if self._worker is not None:
            await self._worker.stop()
        self._lines.flush()
        if self._stop_order is not None:
            self._channel.send({"id": self._stop_order, "answer": None})

    async def _answer(self, message: Message) -> Message:
        try:
            match message["order"]:
                case "start":
                    await self._start(message)
                case "adopt":
                    self._adopt(message)
                case "status":
                    return {"answer": self._status(message["queue_id"])}
                case "select":
                    selection = Selection(**message["selection"])
                    found = await self._serving.select(selection)
                    return {"answer": [status_document.to_document(each) for each in found]}
                case "obey":
                    order = Order(message["what"])
                    obeyed = await self._serving.obey(order, message["queue_ids"])
                    return {"answer": [obeyed.done, obeyed.busy, obeyed.unknown]}
                case "places":
                    return {"answer": self._serving.places()}
                case "measure":
                    return {"answer": self._serving.measure()}
                case unknown:
                    return {"problems": [f"unknown order {unknown}"]}
        except ConfigError as error:
            return {"problems": error.problems}
        except QueueError as error:
            return {"problems": [str(error)]}
        return {"answer": None}

    @property
    def _serving(self) -> Worker:
        assert self._worker is not None  # noqa: S101 - the first order is `start`
        return self._worker

    async def _start(self, message: Message) -> None:
        prepared = self._prepared(message)
        clock = self._clock = Clock(is_virtual=prepared.config.clock == "virtual")
        clock.put_ahead(message["served"]["clock_ahead"])
        worker = Worker(message["number"], prepared, clock, self._lines)
        doors = [
            Door(endpoint, socket.socket(fileno=descriptor), is_encrypted)
            for endpoint, descriptor, is_encrypted in message["doors"]
        ]
        await worker.start(doors, message["left_behind"])
        self._worker = worker
        self._is_started.set()

    def _adopt(self, message: Message) -> None:
        self._serving.adopt(self._prepared(message))
        assert self._clock is not None  # noqa: S101 - whoever serves has one
        self._clock.put_ahead(message["served"]["clock_ahead"])

    def _prepared(self, message: Message) -> Prepared:
        served: Mapping[str, Any] = message["served"]
        prepared = self._unchanged(served) or self._read(message)
        self._in_force = served, prepared
        return prepared

    def _unchanged(self, served: Mapping[str, Any]) -> Prepared | None:
        """Go on with what was read before; reading every key anew takes tenths of a second."""
        if self._in_force is None or "directory" not in served:
            return None
        before, prepared = self._in_force
        if before["reading"] != served["reading"]:
            return None
        if before.get("directory") == served["directory"]:
            return prepared
        return prepared.with_directory(snapshot.from_document(served["directory"]))

    def _read(self, message: Message) -> Prepared:
        served: Mapping[str, Any] = message["served"]
        config = config_of(Path(message["source"]), served["config"])
        set_level(config.log_level, self._lines)
        prepared = prepare(config)
        directory = served.get("directory")
        if directory is None:
            return prepared
        return prepared.with_directory(snapshot.from_document(directory))

    def _status(self, queue_id: str) -> Mapping[str, Any] | None:
        status = self._serving.status(queue_id)
        return None if status is None else status_document.to_document(status)
