"""Connections kept open for the next message to the same address from the same address."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from reference_relay.delivery.client_tls import ClientTLS
from reference_relay.delivery.connection import BUFFER_OCTETS, Connection
from reference_relay.delivery.settings import DeliverySettings, TLSMode
from reference_relay.smtp.client_session import ClientSession, Login, TLSUse

_USES = {
    TLSMode.NONE: TLSUse.NEVER,
    TLSMode.MAY: TLSUse.IF_OFFERED,
    TLSMode.ENCRYPT: TLSUse.ALWAYS,
    TLSMode.VERIFY: TLSUse.ALWAYS,
}


class AddressPair(NamedTuple):
    """From which of our addresses (None: any) to which address of theirs, under which name."""

    local: str | None
    remote: str
    verified_name: str = ""
    """Whose certificate it must show; "" where none is asked for."""


class ConnectionPool:
    """Opens, lends and closes connections."""

    def __init__(self, settings: DeliverySettings, hostname: str) -> None:
        self._settings = settings
        self._hostname = hostname
        self._context = settings.tls_context()
        smarthost = settings.smarthost
        self._port = settings.port if smarthost is None else smarthost.port
        self._login = None
        if smarthost is not None and smarthost.username:
            self._login = Login(smarthost.username, smarthost.password)
        self._buffer = memoryview(bytearray(BUFFER_OCTETS))
        self._open: set[Connection] = set()
        self._idle: dict[AddressPair, list[Connection]] = {}

    def take_idle(self, pair: AddressPair) -> Connection | None:
        """Return a connection that waits for its next message, the latest used, or None."""
        idle = self._idle.get(pair)
        while idle:
            connection = idle.pop()
            if not idle:
                del self._idle[pair]
            if connection.is_ready:
                return connection
        return None

    async def connect(self, pair: AddressPair, *, in_clear: bool = False) -> Connection:
        """Open a connection; its greeting is still to come.

        Args:
            pair: from where to where.
            in_clear: without TLS, because it failed with this host and is no condition.

        Raises:
            OSError: the address cannot be reached; TimeoutError is one.
        """
        async with asyncio.timeout(self._settings.timeouts.connect_seconds):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: self._new_connection(pair, in_clear=in_clear),
                pair.remote,
                self._port,
                local_addr=None if pair.local is None else (pair.local, 0),
            )
        return connection

    def give_back(self, pair: AddressPair, connection: Connection) -> None:
        """Keep a connection for the next message, or let it go."""
        if not connection.is_ready:
            return
        if connection.transactions >= self._settings.messages_per_connection:
            connection.quit()
            return
        self._idle.setdefault(pair, []).append(connection)

    async def close(self) -> None:
        """Say goodbye on every open connection and wait, for a short time, for the answers."""
        self._idle.clear()
        connections = tuple(self._open)
        if not connections:
            return
        for connection in connections:
            connection.quit()
        endings = [asyncio.ensure_future(connection.closed()) for connection in connections]
        await asyncio.wait(endings, timeout=self._settings.timeouts.quit_seconds)
        for connection in connections:
            connection.abort()
        await asyncio.wait(endings)

    def _new_connection(self, pair: AddressPair, *, in_clear: bool) -> Connection:
        tls_use = TLSUse.NEVER if in_clear else _USES[self._settings.tls_mode]
        connection = Connection(
            ClientSession(self._hostname, tls_use, self._login),
            self._settings.timeouts,
            lambda: ClientTLS(self._context, pair.verified_name),
            self._buffer,
            self._closed,
        )
        self._open.add(connection)
        return connection

    def _closed(self, connection: Connection) -> None:
        self._open.discard(connection)
        for pair, idle in list(self._idle.items()):
            if connection in idle:
                idle.remove(connection)
                if not idle:
                    del self._idle[pair]
