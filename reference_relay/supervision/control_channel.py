"""Orders from the supervisor to a worker and their answers: JSON, each with its length before it.

Runs over a socket pair that nobody else holds. Both ends are the same program, so a message that
makes no sense is a bug and ends the channel; what remains is an end that has gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Mapping
from typing import Any

_LENGTH_OCTETS = 4
# A service of 100,000 users is written down in some thirty megabytes.
_LONGEST = 1 << 28

Message = dict[str, Any]


class ChannelClosed(Exception):
    """The other end has gone."""


class OrderRefused(Exception):
    """The worker cannot do as it was told.

    Attributes:
        problems: One line each.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class Channel:
    """One end of the pair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, end: socket.socket) -> Channel:
        """Take a connected socket over."""
        return cls(*await asyncio.open_connection(sock=end))

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message. If the other end has gone, `receive` will tell."""
        octets = json.dumps(message).encode()
        self._writer.write(len(octets).to_bytes(_LENGTH_OCTETS, "big") + octets)

    async def receive(self) -> Message:
        """Wait for a message.

        Raises:
            ChannelClosed: There will be none.
        """
        try:
            length = int.from_bytes(await self._reader.readexactly(_LENGTH_OCTETS), "big")
            if length > _LONGEST:
                raise ChannelClosed
            message: Message = json.loads(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError, ValueError):
            raise ChannelClosed from None
        return message

    async def close(self) -> None:
        """Close our end, once what was sent has left."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class Asking:
    """The supervisor's side: many questions at a time, each with its answer."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._number = 0
        self._open: dict[int, asyncio.Future[Any]] = {}
        self._is_closed = False
        self._reading = asyncio.create_task(self._read())

    async def ask(self, order: str, within: float, **fields: Any) -> Any:
        """Give an order and wait for its answer.

        Args:
            order: The word the worker knows it by.
            within: Seconds until the answer must have come.
            fields: What belongs to it.

        Raises:
            ChannelClosed: The worker has gone.
            TimeoutError: It does not answer.
            OrderRefused: It cannot.
        """
        if self._is_closed:
            raise ChannelClosed
        self._number += 1
        number = self._number
        future = self._open[number] = asyncio.get_running_loop().create_future()
        try:
            self._channel.send({"id": number, "order": order, **fields})
            return await asyncio.wait_for(future, within)
        finally:
            del self._open[number]

    async def closed(self) -> None:
        """Wait until there will be no more answers."""
        await asyncio.wait((self._reading,))

    async def close(self) -> None:
        """Close the channel; open questions end with ChannelClosed."""
        self._reading.cancel()
        await asyncio.wait((self._reading,))
        await self._channel.close()

    async def _read(self) -> None:
        try:
            while True:
                self._take(await self._channel.receive())
        except (ChannelClosed, KeyError, TypeError):
            return
        finally:
            self._is_closed = True
            for future in self._open.values():
                if not future.done():
                    future.set_exception(ChannelClosed())

    def _take(self, message: Message) -> None:
        future = self._open.get(message["id"])
        if future is None or future.done():
            return
        if "problems" in message:
            future.set_exception(OrderRefused(tuple(message["problems"])))
        else:
            future.set_result(message["answer"])
