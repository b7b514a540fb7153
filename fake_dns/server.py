"""The edge: UDP, TCP and TLS over one responder (RFC 1035 §4.2, RFC 7766, RFC 7858)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from typing import Any, Final

from fake_dns.connection import Connection, Datagrams
from fake_dns.message import Transport
from fake_dns.responder import Responder
from fake_dns.sockets import Listening

# A client that opens a connection and says nothing holds it no longer than this.
HANDSHAKE_SECONDS: Final = 10.0


class Server:
    """Serves bound sockets on the running loop until closed."""

    def __init__(
        self,
        responder: Responder,
        listening: Iterable[Listening],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._responder: Final = responder
        self._listening: Final = tuple(listening)
        self._tls: Final = tls
        self._connections: Final[set[Connection]] = set()
        self._datagrams: Final[list[asyncio.DatagramTransport]] = []
        self._listeners: Final[list[asyncio.Server]] = []

    async def open(self) -> None:
        """Start answering."""
        asyncio.get_running_loop().set_exception_handler(_report)
        for one in self._listening:
            await self._open(one)

    async def _open(self, one: Listening) -> None:
        loop = asyncio.get_running_loop()
        by_datagram = self._responder.channel(one.server, Transport.UDP)
        by_stream = self._responder.channel(one.server, Transport.TCP)
        by_tls = self._responder.channel(one.server, Transport.TLS)
        reads_one_a_turn = isinstance(loop, asyncio.SelectorEventLoop)
        waiting = one.udp if reads_one_a_turn else None
        transport, _ = await loop.create_datagram_endpoint(
            lambda: Datagrams(by_datagram, waiting), sock=one.udp
        )
        self._datagrams.append(transport)
        listener = await loop.create_server(
            lambda: Connection(by_stream, self._connections), sock=one.tcp
        )
        self._listeners.append(listener)
        if one.tls is not None and self._tls is not None:
            listener = await loop.create_server(
                lambda: Connection(by_tls, self._connections),
                sock=one.tls,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
            self._listeners.append(listener)

    async def close(self) -> None:
        """Stop answering and close every socket; replies held back are dropped."""
        for transport in self._datagrams:
            transport.abort()
        for listener in self._listeners:
            listener.close()
        for connection in tuple(self._connections):
            connection.abort()
        # Transports close their sockets a few turns of the loop after being told to.
        for _ in range(4):
            await asyncio.sleep(0)


def _report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A client that breaks a handshake or hangs up is no event; all else is shown."""
    with contextlib.suppress(KeyError):
        if isinstance(context["exception"], OSError):
            return
    loop.default_exception_handler(context)
