"""An endpoint's listening sockets and the connections they accepted (D-22)."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import ssl

from reference_relay.service.model import Endpoint
from reference_relay.submission.connection import Connection
from reference_relay.submission.context import SubmissionContext

# How long open questions may take to be answered when the listener stops.
_STOP_SECONDS = 10.0


class Listener:
    """Serves one endpoint on one or more addresses."""

    def __init__(
        self, endpoint: Endpoint, tls_context: ssl.SSLContext, context: SubmissionContext
    ) -> None:
        self.endpoint = endpoint
        self.tls_context = tls_context
        self.context = context
        self.session_settings = context.session_settings(endpoint)
        self.is_stopping = False
        self._connections: set[Connection] = set()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._servers: list[asyncio.Server] = []
        self._numbers = itertools.count(1)

    async def start(self, address: str, port: int) -> int:
        """Listen on one more address; return the port, which the kernel chose if it was 0.

        Raises:
            OSError: The address or port cannot be had.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        server = await asyncio.get_running_loop().create_server(
            self._accept, address, port, family=family, backlog=1024
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening, say 421 to idle sessions, let running commits end (RFC 5321 §3.8)."""
        self.is_stopping = True
        for server in self._servers:
            server.close()
        for connection in tuple(self._connections):
            connection.shut_down()
        try:
            await asyncio.wait_for(self._is_empty.wait(), _STOP_SECONDS)
        except TimeoutError:
            for connection in tuple(self._connections):
                connection.abort()

    def remember(self, connection: Connection) -> None:
        """Count a connection in."""
        self._connections.add(connection)
        self._is_empty.clear()

    def forget(self, connection: Connection) -> None:
        """Count a connection out."""
        self._connections.discard(connection)
        if not self._connections:
            self._is_empty.set()

    def _accept(self) -> Connection:
        return Connection(self, f"{os.getpid():x}-{next(self._numbers):x}")
