"""A small MX host for the demo: takes mail for everybody and writes it into a folder."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from reference_relay.mail.content import fields, split
from reference_relay.mail.envelope import Envelope
from reference_relay.smtp.events import (
    ContentReceived,
    RecipientProposed,
    SenderProposed,
    SessionEnded,
)
from reference_relay.smtp.reply import Reply
from reference_relay.smtp.server_session import ServerSession
from reference_relay.smtp.settings import SessionSettings

_TAKEN = Reply.of("250 2.0.0 Ok: in the mailbox")
_FULL = Reply.of("452 4.3.1 The mailbox cannot be written")
# The relay's own trace field: "… with ESMTPSA id QUEUE-ID …".
_QUEUE_ID = re.compile(rb"\bid\s+([0-9A-Z]+)")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that arrived: where it lies, and what to recognise it by."""

    path: Path
    envelope: Envelope
    queue_id: str
    subject: str


class DemoMailbox:
    """Listens on loopback until it is stopped.

    Args:
        folder: Gets a file for every message, numbered as they arrive.
        host: The name in the greeting.
        on_arrival: Called after each message has been written.
    """

    def __init__(self, folder: Path, host: str, on_arrival: Callable[[Arrival], None]) -> None:
        self._folder = folder
        self._on_arrival = on_arrival
        self._arrivals = 0
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self.settings = SessionSettings(host, requires_tls=False, requires_authentication=False)

    async def start(self, address: str) -> int:
        """Listen on a port of the kernel's choice and return it."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connected, address, 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Stop listening and drop what is open; senders keep what was not confirmed."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.abort()

    def keep(self, envelope: Envelope, content: bytes) -> None:
        """Write a message down and report it.

        Raises:
            OSError: It could not be written.
        """
        self._arrivals += 1
        path = self._folder / f"{self._arrivals:04}.eml"
        path.write_bytes(content)
        header = {field.key: field.value for field in reversed(fields(split(content)[0]))}
        queue_id = _QUEUE_ID.search(header.get(b"received", b""))
        self._on_arrival(
            Arrival(
                path,
                envelope,
                queue_id[1].decode() if queue_id else "",
                header.get(b"subject", b"").decode("utf-8", "replace").strip(),
            )
        )

    def _connected(self) -> _Connection:
        connection = _Connection(self, self._connections)
        self._connections.add(connection)
        return connection


class _Connection(asyncio.Protocol):
    def __init__(self, mailbox: DemoMailbox, open_connections: set[_Connection]) -> None:
        self._mailbox = mailbox
        self._open_connections = open_connections
        self._session = ServerSession(mailbox.settings)
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._session.greet()
        self._transport.write(self._session.data_to_send())

    def data_received(self, data: bytes) -> None:
        session = self._session
        session.receive_data(data)
        is_over = False
        while (event := session.next_event()) is not None:
            match event:
                case SenderProposed() | RecipientProposed():
                    session.accept()
                case ContentReceived(envelope, content):
                    self._keep(envelope, content)
                case SessionEnded():
                    is_over = True
                    break
                case _:
                    # Without TLS and AUTH the session asks nothing else.
                    is_over = True
                    break
        if self._transport is not None:
            self._transport.write(session.data_to_send())
            if is_over:
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open_connections.discard(self)
        self._transport = None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _keep(self, envelope: Envelope, content: bytes) -> None:
        try:
            self._mailbox.keep(envelope, content)
        except OSError:
            self._session.reject(_FULL)
        else:
            self._session.accept(_TAKEN)
