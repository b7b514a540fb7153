"""One connection of a client: octets between transport, TLS layer and session."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from reference_relay.smtp import replies
from reference_relay.smtp.events import (
    AuthenticationRequested,
    ContentReceived,
    RecipientProposed,
    SenderProposed,
    SessionEnded,
    TLSRequested,
)
from reference_relay.smtp.reply import Reply
from reference_relay.smtp.server_session import ServerSession
from reference_relay.submission.answers import Answers
from reference_relay.submission.context import SubmissionContext
from reference_relay.submission.deadlines import Deadlines
from reference_relay.submission.proxy_header import MalformedHeader, read_header
from reference_relay.submission.tls_layer import TLSError, TLSLayer

if TYPE_CHECKING:
    from reference_relay.submission.listener import Listener

_log = logging.getLogger(__name__)

# One buffer serves every connection of the loop: it is read before the loop turns again.
# A fresh buffer per read costs more than all parsing of a message (measured in the benchmarks).
_READ_BUFFER = memoryview(bytearray(262144))
# While a question is open at a deadline, its answer is waited for, and looked after this often.
_OPEN_QUESTION_SECONDS = 5.0


class Connection(asyncio.BufferedProtocol):
    """From accept to close.

    Args:
        listener: Who accepted it.
        session_id: Its name in the log.
        is_encrypted: It begins with a TLS handshake (RFC 8314 §3.3).
    """

    def __init__(self, listener: Listener, session_id: str, *, is_encrypted: bool = False) -> None:
        self._listener: Listener | None = listener
        self._context: SubmissionContext = listener.context
        self._tls_context: ssl.SSLContext = listener.tls_context
        self._session_id = session_id
        self._begins_encrypted = is_encrypted
        self._session = ServerSession(listener.session_settings)
        self._answers: Answers | None = None
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._tls: TLSLayer | None = None
        self._client_address = ""
        # Octets of a PROXY header that is not complete; None where there is none to come.
        self._header: bytes | None = None
        self._has_place = False
        self._is_choked = False
        self._is_reading = True
        self._has_answered = False
        self._is_answering = False
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        now = self._loop.time()
        self._deadlines = Deadlines(opened_at=now, active_at=now)

    # -- asyncio's side --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or wait for a trusted balancer's PROXY header first."""
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        listener, context = self._listener, self._context
        assert listener is not None  # noqa: S101 - set until connection_lost
        listener.remember(self)
        context.counters.connections += 1
        if address in listener.balancers:
            self._client_address, self._header = address, b""
            due = self._deadlines.opened_at + context.limits.proxy_header_seconds
            self._arm(due, self._header_is_late)
        else:
            self._begin(listener, address)

    def _begin(self, listener: Listener, address: str) -> None:
        """Find a place for this client, then greet, or shake hands first."""
        context = self._context
        self._client_address = address
        self._answers = Answers(
            self._session, context, listener.endpoint, self._session_id, address, self._go_on
        )
        full = context.guard.admit_connection(address, context.limits, context.rates, context.now())
        if full is not None:
            self._turn_away(full, listener)
            return
        self._has_place = True
        if self._begins_encrypted:
            self._start_handshake()
        else:
            self._watch()
            self._open(self._answers)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the shared buffer to the loop."""
        return _READ_BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read: one pass through TLS and session, one write."""
        octets: bytes | memoryview = _READ_BUFFER[:nbytes]
        self._has_answered = False
        if self._header is not None and not (octets := self._behind_header(self._header + octets)):
            return
        tls = self._tls
        if tls is None:
            self._session.receive_data(bytes(octets))
            self._converse()
        else:
            try:
                plaintext = tls.receive(octets)
            except TLSError as failure:
                self._tls_failed(tls, failure)
                return
            if self._deadlines.handshake_since is not None and tls.is_established:
                self._end_handshake()
            if plaintext:
                self._session.receive_data(plaintext)
            self._converse()
            if tls.is_closed_by_peer:
                self._end("closed by client")
        if not self._has_answered:
            self._deadlines.received(nbytes, self._loop.time())

    def eof_received(self) -> bool:
        """The client has gone: an end of file is never an end of data (RFC 5321 §4.1.1.10)."""
        return False

    def pause_writing(self) -> None:
        """The client does not read its replies: take no more commands (ROB-04)."""
        self._is_choked = True
        self._control_flow()

    def resume_writing(self) -> None:
        """The replies have left."""
        self._is_choked = False
        self._control_flow()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything: TLS engines in a cycle would outlive their connection."""
        if self._timer is not None:
            self._timer.cancel()
        if self._listener is not None:
            self._listener.forget(self)
        if self._has_place:
            self._context.guard.connection_ended(self._client_address)
        if self._answers is not None:
            self._answers.ended()
        self._timer = None
        self._listener = None
        self._transport = None
        self._tls = None
        self._answers = None

    # -- beginning and end -----------------------------------------------------------------

    def shut_down(self, *, is_last_call: bool = False) -> None:
        """Say 421 and close; what is open, a question or a transaction, may come to its end first.

        Args:
            is_last_call: The time for open transactions is over.
        """
        session = self._session
        if self._header is not None:
            self._end("no PROXY header before the end")
        elif not session.is_waiting and (is_last_call or not session.is_in_transaction):
            self._say_farewell(replies.SHUTTING_DOWN)

    def abort(self) -> None:
        """Close at once, whatever is open."""
        if self._transport is not None:
            self._transport.abort()

    def _behind_header(self, received: bytes) -> bytes:
        """Begin with the client that a PROXY header names; return what came behind it."""
        listener, transport = self._listener, self._transport
        if listener is None or transport is None or transport.is_closing():
            return b""
        try:
            header = read_header(received)
        except MalformedHeader as malformed:
            self._refuse_header(str(malformed))
            return b""
        if header is None:
            self._header = received
            return b""
        self._header = None
        self._begin(listener, header.client_address or self._client_address)
        return b"" if transport.is_closing() else received[header.octets :]

    def _header_is_late(self) -> None:
        self._refuse_header("no complete header in time")

    def _refuse_header(self, reason: str) -> None:
        # Without a word: the balancer's client is to learn nothing that was meant for another.
        context = self._context
        context.counters.refuse_session("proxy-header")
        peer = self._client_address
        context.log_line(
            f"proxy-header-refused session={self._session_id} peer={peer} reason={reason!a}"
        )
        self._end("no PROXY header")

    def _open(self, answers: Answers) -> None:
        """Greet or deny (D-11)."""
        if answers.admits_network():
            self._session.greet()
        elif self._context.switches.close_denied:
            self._end("network not admitted")
            return
        else:
            self._session.deny()
        self._flush()

    def _turn_away(self, reply: Reply, listener: Listener) -> None:
        listener.turned_away(self._client_address, reply)
        if self._begins_encrypted:
            self._end("too many connections")
        else:
            self._say_farewell(reply)

    def _start_handshake(self) -> None:
        self._tls = TLSLayer(self._tls_context)
        self._deadlines.handshake_since = self._loop.time()
        self._session.encryption_started()
        self._watch()

    def _end_handshake(self) -> None:
        self._context.counters.handshakes += 1
        self._deadlines.handshake_since = None
        if self._begins_encrypted and self._answers is not None:
            self._open(self._answers)

    def _tls_failed(self, tls: TLSLayer, failure: TLSError) -> None:
        if self._deadlines.handshake_since is not None:
            self._context.counters.failed_handshakes += 1
        if self._answers is not None:
            self._answers.log("tls-failed", f"reason={str(failure)!a}")
        self._write(tls.data_to_send())
        self._end("TLS failed")

    # -- the dialogue ----------------------------------------------------------------------

    def _converse(self) -> None:
        session, answers, listener = self._session, self._answers, self._listener
        if answers is None or listener is None:
            return
        while (event := session.next_event()) is not None:
            match event:
                case RecipientProposed():
                    answers.recipient(event)
                case SenderProposed():
                    if listener.is_stopping:
                        self._say_farewell(replies.SHUTTING_DOWN)
                        return
                    answers.sender(event)
                case ContentReceived():
                    cipher = self._tls.cipher if self._tls is not None else None
                    # What is answered at once goes on in this loop, not in one inside it.
                    self._is_answering = True
                    answers.content(event, cipher)
                    self._is_answering = False
                case AuthenticationRequested() if account := answers.remembered(event):
                    if (farewell := answers.let_in(account)) is not None:
                        self._say_farewell(farewell)
                        return
                case AuthenticationRequested():
                    self._task = self._loop.create_task(self._authenticate(event, answers))
                    self._task.add_done_callback(self._authentication_ended)
                case TLSRequested():
                    self._flush()
                    self._start_handshake()
                case SessionEnded(reason):
                    self._end(reason)
                    return
        self._flush()
        if listener.is_stopping:
            self.shut_down()
        if session.question is not None or not self._is_reading:
            self._control_flow()

    async def _authenticate(self, event: AuthenticationRequested, answers: Answers) -> None:
        farewell = await answers.authentication(event)
        if self._transport is None:
            # The client has gone meanwhile, too early to give back what it was given then.
            answers.leave()
        elif farewell is not None:
            self._say_farewell(farewell)

    def _authentication_ended(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("session=%s failed", self._session_id, exc_info=error)
            self._say_farewell(replies.CONTROL_ERROR)
            return
        self._go_on()

    def _go_on(self) -> None:
        if self._transport is not None and not self._is_answering:
            self._converse()

    # -- the transport ---------------------------------------------------------------------

    def _control_flow(self) -> None:
        transport, session = self._transport, self._session
        if transport is None or transport.is_closing():
            return
        is_full = session.is_waiting and session.pending_octets > self._context.limits.unread_octets
        is_reading = not (is_full or self._is_choked)
        if is_reading is self._is_reading:
            return
        self._is_reading = is_reading
        if is_reading:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def _flush(self) -> None:
        octets = self._session.data_to_send()
        tls = self._tls
        if octets:
            self._has_answered = True
            self._deadlines.answered(self._loop.time())
            if tls is not None:
                tls.send(octets)
        if tls is not None:
            octets = tls.data_to_send()
        if octets and self._transport is not None:
            self._transport.write(octets)

    def _write(self, octets: bytes) -> None:
        if octets and self._transport is not None:
            self._transport.write(octets)

    def _say_farewell(self, reply: Reply) -> None:
        if self._tls is None or self._tls.is_established:
            self._session.shut_down(reply)
        self._end(reply.lines[0])

    def _end(self, reason: str) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        _log.debug("end session=%s reason=%s", self._session_id, reason)
        # The last reply and TLS's own goodbye leave in one write.
        tls = self._tls
        if tls is None:
            self._write(self._session.data_to_send())
        else:
            if tls.is_established:
                if last_reply := self._session.data_to_send():
                    tls.send(last_reply)
                tls.close()
            self._write(tls.data_to_send())
        transport.close()
        # What the client does not fetch must not hold us for longer than a handshake may.
        self._arm(self._loop.time() + self._context.limits.handshake_seconds, self.abort)

    def _watch(self) -> None:
        """Keep one timer for all time limits; progress moves a mark, not the timer."""
        due = self._deadlines.due(self._context.limits, is_encrypted=self._session.is_encrypted)
        now = self._loop.time()
        if due > now:
            self._arm(due, self._watch)
        elif self._session.is_waiting:
            self._arm(now + _OPEN_QUESTION_SECONDS, self._watch)
        else:
            self._say_farewell(replies.IDLE_TOO_LONG)

    def _arm(self, due: float, then: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, then)
