"""One client connection of the driver: a script of turns over MemoryBIO TLS.

As little work per message as Python allows: one shared read buffer, no streams, no task per
connection; a reply that completes a turn resumes the script in the same call.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum, auto
from typing import cast

_READ_BUFFER = memoryview(bytearray(262_144))
# One TLS record holds at most this much plaintext (RFC 8446 §5.1).
_RECORD = 16_384


class Pause(Enum):
    """Where a script stops without having asked the server anything."""

    HANDSHAKE = auto()
    PARKED = auto()


@dataclass(frozen=True, slots=True)
class Turn:
    """Octets to send, and the codes of the replies that must come before the script goes on.

    Attributes:
        expected: As on the wire; several for a group of pipelined commands (RFC 2920 §3.1).
    """

    octets: bytes
    expected: tuple[bytes, ...]


Script = Generator[Turn | Pause, None, None]


class UnexpectedReply(Exception):
    """The server did not take what every server of the benchmark has to take."""


class Conversation(asyncio.BufferedProtocol):
    """Plays a script on one connection.

    Attributes:
        stopped: Done when the script is parked or over; holds what went wrong.
        closed: Done when the connection is gone, for whatever reason.
    """

    def __init__(self, script: Script, tls_context: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        self.stopped: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._script = script
        self._tls_context = tls_context
        self._transport: asyncio.Transport | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._engine: ssl.SSLObject | None = None
        self._is_encrypted = False
        self._unread = b""
        self._expected: list[bytes] = []

    @property
    def is_parked(self) -> bool:
        """Whether it waits to be resumed, on a connection that lives."""
        return self.stopped.done() and not self.closed.done()

    def resume(self) -> None:
        """Go on behind `Pause.PARKED`.

        Raises:
            ConnectionResetError: The server has closed the parked session.
        """
        if not self.is_parked:
            raise ConnectionResetError("the server closed a parked session")
        self.stopped = self._loop.create_future()
        self._advance()

    def abort(self) -> None:
        """Close at once."""
        # Nobody asks any more what came of the script.
        self.stopped.cancel()
        if self._transport is not None:
            self._transport.abort()

    # -- asyncio's side --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the script; its first turn sends nothing and waits for the greeting."""
        self._transport = cast(asyncio.Transport, transport)
        self._advance()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the shared buffer to the loop."""
        return _READ_BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        try:
            self._receive(_READ_BUFFER[:nbytes])
        except (ssl.SSLError, UnexpectedReply) as error:
            self._stop(error)
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the end and let go of everything."""
        self._transport = None
        self._engine = None
        awaited = b" ".join(self._expected).decode() or "a command"
        self._stop(exc or ConnectionResetError(f"the server closed, {awaited} was awaited"))
        self.closed.set_result(None)

    # -- octets in -------------------------------------------------------------------------

    def _receive(self, octets: memoryview) -> None:
        engine = self._engine
        if engine is None:
            self._take(bytes(octets))
            return
        self._incoming.write(octets)
        if not self._is_encrypted:
            self._shake_hands(engine)
            return
        try:
            while piece := engine.read(_RECORD):
                self._take(piece)
        except ssl.SSLWantReadError:
            return
        except ssl.SSLZeroReturnError:
            self._close()

    def _shake_hands(self, engine: ssl.SSLObject) -> None:
        try:
            engine.do_handshake()
            self._is_encrypted = True
        except ssl.SSLWantReadError:
            self._write(self._outgoing.read())
            return
        # The Finished leaves with the first command behind it.
        self._advance()

    def _take(self, octets: bytes) -> None:
        lines = (self._unread + octets).split(b"\r\n")
        self._unread = lines.pop()
        for line in lines:
            if line[3:4] == b"-":
                continue
            if not self._expected or line[:3] != self._expected[0]:
                wanted = self._expected[0].decode() if self._expected else "nothing"
                raise UnexpectedReply(f"{wanted} was expected, the server said {line!r}")
            self._expected.pop(0)
            if not self._expected:
                self._advance()

    # -- the script ------------------------------------------------------------------------

    def _advance(self) -> None:
        match next(self._script, None):
            case Turn(octets, expected):
                self._expected = list(expected)
                self._send(octets)
            case Pause.HANDSHAKE:
                self._engine = self._tls_context.wrap_bio(self._incoming, self._outgoing)
                self._shake_hands(self._engine)
            case Pause.PARKED:
                self._stop(None)
            case None:
                self._stop(None)
                self._close()

    def _send(self, octets: bytes) -> None:
        if self._engine is None:
            self._write(octets)
        elif octets:
            self._engine.write(octets)
            self._write(self._outgoing.read())

    def _write(self, octets: bytes) -> None:
        if octets and self._transport is not None:
            self._transport.write(octets)

    def _stop(self, error: Exception | None) -> None:
        if self.stopped.done():
            return
        if error is None:
            self.stopped.set_result(None)
        else:
            self.stopped.set_exception(error)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
