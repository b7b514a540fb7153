"""An endpoint's listening sockets and the connections they accepted (D-22)."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from reference_relay.service.address_set import AddressSet
from reference_relay.service.model import Endpoint
from reference_relay.smtp.reply import Reply
from reference_relay.submission.acceptor import ACCEPTED_AT_ONCE, Acceptor
from reference_relay.submission.connection import Connection
from reference_relay.submission.context import SubmissionContext
from reference_relay.submission.listening_socket import BACKLOG, bind
from reference_relay.submission.token_bucket import TokenBucket

# Nobody is believed unasked.
NO_BALANCERS = AddressSet()
# Ours: a flood must not become one of the log.
_LINES_A_SECOND = 10
# Ours: how long a goodbye may take to leave, once the time of a stop is over.
_GOODBYE_SECONDS = 1.0


class _Server(Protocol):
    """Accepts on one socket."""

    def close(self) -> None:
        """Accept no more."""


class Listener:
    """Serves one endpoint on one or more sockets."""

    def __init__(
        self,
        endpoint: Endpoint,
        tls_context: ssl.SSLContext,
        context: SubmissionContext,
        balancers: AddressSet = NO_BALANCERS,
    ) -> None:
        self._connections: set[Connection] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._servers: list[_Server] = []
        self._lines = TokenBucket(_LINES_A_SECOND, 0.0)
        self._unlogged = 0
        self._numbers = itertools.count(1)
        self.is_stopping = False
        self.adopt(endpoint, tls_context, context, balancers)

    def adopt(
        self,
        endpoint: Endpoint,
        tls_context: ssl.SSLContext,
        context: SubmissionContext,
        balancers: AddressSet = NO_BALANCERS,
    ) -> None:
        """Serve connections from now on with these; those that are open keep what they have.

        Args:
            endpoint: What is served.
            tls_context: With its certificate.
            context: What all connections of the relay share.
            balancers: Peers that begin with a PROXY header, and whose word on the client counts.
        """
        self.balancers = balancers
        self.endpoint = endpoint
        self.tls_context = tls_context
        self.context = context
        self.session_settings = context.session_settings(endpoint)

    async def start(self, address: str, port: int, *, is_encrypted: bool = False) -> int:
        """Listen on one more address; return the port, which the kernel chose if it was 0.

        Raises:
            OSError: The address or port cannot be had.
        """
        listening = bind(address, port)
        await self.serve(listening, is_encrypted=is_encrypted)
        return int(listening.getsockname()[1])

    async def serve(self, listening: socket.socket, *, is_encrypted: bool = False) -> None:
        """Serve one more socket, which becomes ours.

        Args:
            listening: Bound and listening.
            is_encrypted: Connections begin with a TLS handshake (RFC 8314 §3.3).
        """
        make = self._maker(is_encrypted)
        loop = asyncio.get_running_loop()
        server: _Server
        if isinstance(loop, asyncio.SelectorEventLoop):
            server = Acceptor(listening, self._farewell_maker(is_encrypted), make)
        else:
            server = await loop.create_server(make, sock=listening, backlog=ACCEPTED_AT_ONCE)
        # That number also went to the kernel, where it would turn a burst away.
        listening.listen(BACKLOG)
        self._servers.append(server)

    async def stop(self) -> None:
        """Stop listening; 421 to idle sessions, open transactions may end (RFC 5321 §3.8)."""
        self.is_stopping = True
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.shut_down()
        if await self._emptied(self.context.limits.stop_seconds):
            return
        for connection in tuple(self._connections):
            connection.shut_down(is_last_call=True)
        if await self._emptied(_GOODBYE_SECONDS):
            return
        for connection in tuple(self._connections):
            connection.abort()

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def turned_away(self, address: str, reply: Reply) -> None:
        """Count a client that finds no place, and log some of them."""
        context = self.context
        context.counters.refuse_session("address" if reply.enhanced == "4.7.0" else "full")
        if self._lines.take(_LINES_A_SECOND, 1.0, context.now()):
            self._unlogged += 1
            return
        context.log_line(
            f"turned-away address={address} reply={str(reply)!a} unlogged={self._unlogged}"
        )
        self._unlogged = 0

    def remember(self, connection: Connection) -> None:
        """Count a connection in."""
        self._connections.add(connection)
        self._is_empty.clear()

    def forget(self, connection: Connection) -> None:
        """Count a connection out."""
        self._connections.discard(connection)
        if not self._connections:
            self._is_empty.set()

    async def _emptied(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._is_empty.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _farewell_maker(self, is_encrypted: bool) -> Callable[[str], bytes | None]:
        def farewell(address: str) -> bytes | None:
            # Behind a balancer, the client is not known yet.
            if address in self.balancers:
                return None
            context = self.context
            reply = context.guard.refuse_connection(
                address, context.limits, context.rates, context.now()
            )
            if reply is None:
                return None
            context.counters.connections += 1
            self.turned_away(address, reply)
            # A handshake for everybody who is too much would make a flood worse.
            return b"" if is_encrypted else reply.octets

        return farewell

    def _maker(self, is_encrypted: bool) -> Callable[[], Connection]:
        def make() -> Connection:
            session_id = f"{os.getpid():x}-{next(self._numbers):x}"
            return Connection(self, session_id, is_encrypted=is_encrypted)

        return make
