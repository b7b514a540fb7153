"""An endpoint's listening sockets and the connections they accepted (D-22)."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import ssl
from collections.abc import Callable

from reference_relay.service.address_set import AddressSet
from reference_relay.service.model import Endpoint
from reference_relay.submission.connection import Connection
from reference_relay.submission.context import SubmissionContext
from reference_relay.submission.listening_socket import BACKLOG, bind

# Nobody is believed unasked.
NO_BALANCERS = AddressSet()
# Connections accepted before the loop turns to those it has; all of a flood would starve them.
_ACCEPTED_AT_ONCE = 32
# Ours: how long a goodbye may take to leave, once the time of a stop is over.
_GOODBYE_SECONDS = 1.0


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
        self._servers: list[asyncio.Server] = []
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
        server = await asyncio.get_running_loop().create_server(
            self._maker(is_encrypted), sock=listening, backlog=_ACCEPTED_AT_ONCE
        )
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

    def _maker(self, is_encrypted: bool) -> Callable[[], Connection]:
        def make() -> Connection:
            session_id = f"{os.getpid():x}-{next(self._numbers):x}"
            return Connection(self, session_id, is_encrypted=is_encrypted)

        return make
