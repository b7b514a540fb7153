"""A connection to an MX host: a client session on an asyncio transport, with time limits.

A `BufferedProtocol` with one buffer for all connections: a plain `Protocol` allocates 256 KiB
for every reply it reads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from reference_relay.delivery.client_tls import ClientTLS, TLSError
from reference_relay.delivery.settings import Timeouts
from reference_relay.smtp.client_session import (
    ClientSession,
    Event,
    SessionOpened,
    SessionRefused,
    Step,
    TLSWanted,
    TransactionEnded,
)
from reference_relay.smtp.host_reply import Disposition, Verdict
from reference_relay.smtp.outgoing import Transaction

# Replies are short; longer ones arrive in several reads.
BUFFER_OCTETS = 16 * 1024


class Connection(asyncio.BufferedProtocol):
    """One connection. After `opened` it is idle; `transact` makes it busy until its event."""

    def __init__(
        self,
        session: ClientSession,
        timeouts: Timeouts,
        new_tls: Callable[[], ClientTLS],
        buffer: memoryview,
        on_closed: Callable[[Connection], None],
    ) -> None:
        self._session = session
        self._timeouts = timeouts
        self._new_tls = new_tls
        self._tls: ClientTLS | None = None
        self._progress = -1
        self._buffer = buffer
        self._on_closed = on_closed
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_writing_paused = False
        self._unsent_octets = 0
        self._opening: asyncio.Future[SessionOpened | SessionRefused] = self._loop.create_future()
        self._ending: asyncio.Future[TransactionEnded] | None = None
        self._closed = self._loop.create_future()
        self.transactions = 0
        """How many were begun."""

    @property
    def is_ready(self) -> bool:
        """Whether a transaction may begin."""
        return self._transport is not None and self._session.is_ready

    async def opened(self) -> SessionOpened | SessionRefused:
        """Wait for the greeting and the answer to EHLO."""
        return await self._opening

    async def transact(self, transaction: Transaction) -> TransactionEnded:
        """Send one message; return the verdicts."""
        self.transactions += 1
        self._ending = self._loop.create_future()
        self._go_on(self._session.begin(transaction))
        return await self._ending

    def quit(self) -> None:
        """Say goodbye; the host gets a short time to answer."""
        self._session.quit()
        self._go_on([])

    async def closed(self) -> None:
        """Wait for the end of the connection."""
        await asyncio.shield(self._closed)

    def abort(self) -> None:
        """Close at once, without a word."""
        if self._transport is not None:
            self._transport.abort()

    # asyncio.BufferedProtocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the greeting."""
        self._transport = cast("asyncio.Transport", transport)
        self._set_deadline()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the shared buffer: it is read before the loop turns."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what the host sent."""
        received = self._buffer[:nbytes]
        if self._tls is None:
            self._go_on(self._session.receive_data(received))
        else:
            self._go_on(self._receive_encrypted(self._tls, received))

    def pause_writing(self) -> None:
        """The host reads slower than we write."""
        self._is_writing_paused = True
        self._set_deadline()

    def resume_writing(self) -> None:
        """The host has read nearly everything."""
        self._is_writing_paused = False
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report what was under way as lost, and let go of everything."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
        self._report(self._session.end("connection lost"))
        if not self._opening.done():
            lost = Verdict(Disposition.TRANSIENT, "connection lost")
            self._opening.set_result(SessionRefused(lost))
        if not self._closed.done():
            self._closed.set_result(None)
        self._on_closed(self)

    # the rest

    def _receive_encrypted(self, tls: ClientTLS, received: memoryview) -> list[Event]:
        try:
            plain = tls.receive(received)
        except TLSError as error:
            self._write(tls.data_to_send())
            if self._session.is_encrypted:
                return self._session.end(f"TLS failed: {error}")
            return self._session.tls_failed(str(error))
        if tls.is_established and not self._session.is_encrypted:
            self._session.tls_started()
        self._write(tls.data_to_send())
        return self._session.receive_data(plain) if plain else []

    def _write(self, octets: bytes) -> None:
        if octets and self._transport is not None:
            self._transport.write(octets)

    def _go_on(self, events: list[Event]) -> None:
        transport = self._transport
        if transport is None:
            self._report(self._session.end("connection lost"))
            return
        sending = self._session.data_to_send()
        if sending and self._tls is None:
            transport.writelines(sending)
        elif sending and self._tls is not None:
            self._tls.send(b"".join(sending))
            self._write(self._tls.data_to_send())
        if self._session.is_over and self._session.step is None:
            transport.close()
        if self._session.progress != self._progress:
            # Octets that trickle in win no time (RFC 5321 §4.5.3.2 counts by command).
            self._progress = self._session.progress
            self._set_deadline()
        self._report(events)

    def _report(self, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, TLSWanted):
                self._tls = self._new_tls()
                self._write(self._tls.start())
            elif isinstance(event, TransactionEnded):
                if self._ending is not None and not self._ending.done():
                    self._ending.set_result(event)
            elif not self._opening.done():
                self._opening.set_result(event)

    def _limit_seconds(self) -> float:
        timeouts = self._timeouts
        if self._session.is_over:
            return timeouts.quit_seconds
        match self._session.step:
            case None:
                return timeouts.idle_seconds
            case Step.GREETING:
                return timeouts.greeting_seconds
            case Step.HANDSHAKE:
                return timeouts.handshake_seconds
            case Step.DATA:
                return timeouts.data_seconds
            case Step.CONTENT | Step.EMPTY_CONTENT:
                # RFC 5321 §4.5.3.2.5 while it goes out, .6 once it is out.
                if self._is_writing_paused:
                    return timeouts.block_seconds
                return timeouts.content_seconds
            case Step.QUIT:
                return timeouts.quit_seconds
            case _:
                return timeouts.command_seconds

    def _set_deadline(self) -> None:
        self._deadline = self._loop.time() + self._limit_seconds()
        if self._is_writing_paused and self._transport is not None:
            self._unsent_octets = self._transport.get_write_buffer_size()
        # A timer that fires early looks at the deadline again: most messages set none.
        if self._timer is not None:
            if self._timer.when() <= self._deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._look_at_deadline)

    def _look_at_deadline(self) -> None:
        self._timer = None
        transport = self._transport
        if transport is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look_at_deadline)
        elif self._is_writing_paused and transport.get_write_buffer_size() < self._unsent_octets:
            # Slow, but not stalled.
            self._set_deadline()
        elif self._session.is_ready:
            self._session.quit()
            self._go_on([])
        else:
            seconds = self._limit_seconds()
            self._report(self._session.end(f"no reply within {seconds:g} seconds"))
            transport.abort()
