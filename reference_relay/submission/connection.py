"""One connection of a client: octets between transport, TLS layer and session."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Coroutine
from typing import TYPE_CHECKING, cast

from reference_relay.mail.content import outline
from reference_relay.queue.queued_message import QueuedMessage
from reference_relay.service.model import Account, Endpoint
from reference_relay.service.passwords import HashPoolFull
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
from reference_relay.smtp.sasl import Credentials
from reference_relay.smtp.server_session import ServerSession
from reference_relay.submission import accept
from reference_relay.submission.context import SubmissionContext
from reference_relay.submission.tls_layer import TLSError, TLSLayer

if TYPE_CHECKING:
    from reference_relay.submission.listener import Listener

_log = logging.getLogger(__name__)

# One buffer serves every connection of the loop: it is read before the loop turns again.
# A fresh buffer per read costs more than all parsing of a message (measured in the benchmarks).
_READ_BUFFER = memoryview(bytearray(262144))


class Connection(asyncio.BufferedProtocol):
    """From accept to close. `session_id` names it in the log."""

    def __init__(self, listener: Listener, session_id: str) -> None:
        # per connection
        self._listener: Listener | None = listener
        self._context: SubmissionContext = listener.context
        self._endpoint: Endpoint = listener.endpoint
        self._tls_context: ssl.SSLContext = listener.tls_context
        self._session_id = session_id
        self._session = ServerSession(listener.session_settings)
        self._transport: asyncio.Transport | None = None
        self._tls: TLSLayer | None = None
        self._client_address = ""
        self._task: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._opened_at = 0.0
        self._active_at = 0.0
        # per transaction
        self._account: Account | None = None
        self._envelope_from = ""

    # -- asyncio's side --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Judge the network (D-19), greet or deny."""
        self._transport = cast(asyncio.Transport, transport)
        loop = asyncio.get_running_loop()
        self._opened_at = self._active_at = loop.time()
        peer = transport.get_extra_info("peername")
        self._client_address = str(peer[0]) if peer else ""
        assert self._listener is not None  # noqa: S101 - set until connection_lost
        self._listener.remember(self)
        self._watch(loop)
        directory = self._context.directory()
        if directory.admits_connection(self._endpoint, self._client_address):
            self._session.greet()
        elif self._context.switches.close_denied:
            self._end("network not admitted")
            return
        else:
            _log.info("denied session=%s address=%s", self._session_id, self._client_address)
            self._session.deny()
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the shared buffer to the loop."""
        return _READ_BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read: one pass through TLS and session, one write."""
        self._active_at = asyncio.get_running_loop().time()
        octets = _READ_BUFFER[:nbytes]
        if self._tls is None:
            self._session.receive_data(bytes(octets))
        else:
            try:
                plaintext = self._tls.receive(octets)
            except TLSError as failure:
                _log.info("tls-failed session=%s reason=%s", self._session_id, failure)
                self._write(self._tls.data_to_send())
                self._end("TLS failed")
                return
            if plaintext:
                self._session.receive_data(plaintext)
        self._converse()
        if self._tls is not None and self._tls.is_closed_by_peer:
            self._end("closed by client")

    def eof_received(self) -> bool:
        """The client has gone: an end of file is never an end of data (RFC 5321 §4.1.1.10)."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything: TLS engines in a cycle would outlive their connection."""
        if self._deadline is not None:
            self._deadline.cancel()
        if self._listener is not None:
            self._listener.forget(self)
        if self._account is not None or self._session.pending_octets:
            _log.info("lost session=%s state=%s", self._session_id, self._session.state.name)
        self._deadline = None
        self._listener = None
        self._transport = None
        self._tls = None
        self._account = None

    # -- the dialogue ----------------------------------------------------------------------

    def shut_down(self) -> None:
        """Say 421 and close, unless a question is open: then its answer comes first."""
        if not self._session.is_waiting:
            self._say_farewell(replies.SHUTTING_DOWN)

    def abort(self) -> None:
        """Close at once, whatever is open."""
        if self._transport is not None:
            self._transport.abort()

    def _converse(self) -> None:
        session = self._session
        while (event := session.next_event()) is not None:
            match event:
                case SenderProposed(reverse_path):
                    self._answer_sender(session, str(reverse_path or ""), event)
                case RecipientProposed(forward_path):
                    refusal = accept.judge_recipient(forward_path)
                    if refusal is None:
                        session.accept()
                    else:
                        session.reject(refusal)
                case ContentReceived():
                    self._take_content(session, event)
                case AuthenticationRequested():
                    self._start(self._authenticate(event))
                case TLSRequested():
                    self._flush()
                    self._tls = TLSLayer(self._tls_context)
                    session.encryption_started()
                case SessionEnded(reason):
                    self._flush()
                    self._end(reason)
                    return
        self._flush()
        self._control_flow(session)

    def _answer_sender(self, session: ServerSession, address: str, event: SenderProposed) -> None:
        verdict = accept.judge_sender(
            self._context,
            self._endpoint,
            session.identity or "",
            self._client_address,
            event.reverse_path,
        )
        if isinstance(verdict, Reply):
            self._account = None
            self._log_refusal("MAIL", address, verdict)
            session.reject(verdict)
        else:
            self._account = verdict
            session.accept()

    def _take_content(self, session: ServerSession, event: ContentReceived) -> None:
        account, self._account = self._account, None
        assert account is not None  # noqa: S101 - the session lets no content in without MAIL
        sender = str(event.envelope.reverse_path or "")
        found = outline(event.content)
        try:
            refusal = accept.judge_content(self._context, account, found)
        except Exception:
            # A fault of ours must not let unjudged content pass, nor refuse it for ever.
            _log.exception("judging failed session=%s", self._session_id)
            refusal = replies.LOCAL_ERROR
        if refusal is not None:
            self._log_refusal("content", sender, refusal)
            session.reject(refusal)
            return
        message = accept.prepare(
            self._context,
            self._endpoint,
            account,
            event.envelope,
            found,
            client_name=session.hello_name,
            client_address=self._client_address,
            cipher=self._tls.cipher if self._tls is not None else None,
        )
        self._start(self._commit(message))

    async def _commit(self, message: QueuedMessage) -> None:
        try:
            await self._context.queue.commit(message)
        except Exception:
            # One place for all trouble of the store: transient, and never its text (RFC 5321 §4.2).
            _log.exception("commit failed session=%s", self._session_id)
            self._session.reject(replies.LOCAL_ERROR)
        else:
            _log.info(
                "accepted session=%s queue_id=%s from=%a recipients=%d octets=%d",
                self._session_id,
                message.queue_id,
                str(message.envelope.reverse_path or ""),
                len(message.envelope.recipients),
                len(message.content),
            )
            self._session.accept(self._context.wording.message_queued(message.queue_id))

    async def _authenticate(self, event: AuthenticationRequested) -> None:
        credentials = event.credentials
        account = self._admitted_account(credentials)
        try:
            # D-10: who has no business here costs a hash like anybody else; time tells nothing.
            fits = await self._context.passwords.verify(
                account.user.password_hash if account is not None else None,
                credentials.authentication_identity,
                credentials.password,
            )
        except HashPoolFull:
            self._session.reject(replies.AUTHENTICATION_BUSY)
        except Exception:
            _log.exception("authentication failed session=%s", self._session_id)
            self._session.reject(replies.AUTHENTICATION_BUSY)
        else:
            if fits and account is not None:
                _log.info(
                    "authenticated session=%s user=%a", self._session_id, account.user.username
                )
                self._session.authenticated(account.user.username)
            else:
                _log.info("authentication-refused session=%s", self._session_id)
                self._session.reject(replies.CREDENTIALS_INVALID)

    def _admitted_account(self, credentials: Credentials) -> Account | None:
        """Find the account that may authenticate here, from this network (CBR-11, EPT-05)."""
        name = credentials.authentication_identity
        # RFC 4616 §2: acting as somebody else is nobody's right here.
        if credentials.authorization_identity not in (b"", name):
            return None
        directory = self._context.directory()
        try:
            account = directory.account(name.decode("utf-8"))
        except UnicodeDecodeError:
            return None
        if account and directory.admits_account(account, self._endpoint, self._client_address):
            return account
        return None

    def _start(self, answering: Coroutine[None, None, None]) -> None:
        self._task = asyncio.get_running_loop().create_task(answering)
        self._task.add_done_callback(self._go_on)

    def _go_on(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("session=%s failed", self._session_id, exc_info=error)
            self._say_farewell(replies.CONTROL_ERROR)
            return
        if self._transport is None:
            return
        if self._listener is not None and self._listener.is_stopping:
            self._say_farewell(replies.SHUTTING_DOWN)
            return
        self._converse()

    # -- the transport ---------------------------------------------------------------------

    def _control_flow(self, session: ServerSession) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        is_full = session.is_waiting and session.pending_octets > self._context.limits.unread_octets
        if is_full:
            transport.pause_reading()
        elif not transport.is_reading():
            transport.resume_reading()

    def _flush(self) -> None:
        octets = self._session.data_to_send()
        if self._tls is None:
            self._write(octets)
            return
        if octets:
            self._tls.send(octets)
        self._write(self._tls.data_to_send())

    def _write(self, octets: bytes) -> None:
        if octets and self._transport is not None:
            self._transport.write(octets)

    def _say_farewell(self, reply: Reply) -> None:
        if self._tls is None or self._tls.is_established:
            self._session.shut_down(reply)
            self._flush()
        self._end(reply.lines[0])

    def _end(self, reason: str) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        _log.debug("end session=%s reason=%s", self._session_id, reason)
        if self._tls is not None:
            self._tls.close()
            self._write(self._tls.data_to_send())
        transport.close()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Arm one timer for all time limits; activity moves a mark, not the timer."""
        limits = self._context.limits
        due = [self._active_at + limits.idle_seconds, self._opened_at + limits.session_seconds]
        if self._tls is None or not self._tls.is_established:
            due.append(self._opened_at + limits.idle_seconds)
        if self._tls is not None and not self._tls.is_established:
            due.append(self._active_at + limits.handshake_seconds)
        if loop.time() >= min(due) and not self._session.is_waiting:
            self._say_farewell(replies.IDLE_TOO_LONG)
            return
        wait = max(min(due) - loop.time(), min(limits.handshake_seconds, limits.idle_seconds) / 4)
        self._deadline = loop.call_later(min(wait, limits.handshake_seconds), self._watch, loop)

    def _log_refusal(self, stage: str, sender: str, reply: Reply) -> None:
        _log.info(
            "refused session=%s stage=%s from=%a reply=%a",
            self._session_id,
            stage,
            sender,
            str(reply),
        )
