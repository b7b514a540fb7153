"""The answers to a session's questions: judged by policy, counted, and put into the log."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable

from reference_relay.mail.content import outline
from reference_relay.queue.queue import QueueFull
from reference_relay.queue.queued_message import QueuedMessage
from reference_relay.service.model import Account, Endpoint
from reference_relay.smtp import replies
from reference_relay.smtp.events import (
    AuthenticationRequested,
    ContentReceived,
    RecipientProposed,
    SenderProposed,
)
from reference_relay.smtp.reply import Reply
from reference_relay.smtp.server_session import ServerSession
from reference_relay.submission import accept
from reference_relay.submission.context import SubmissionContext
from reference_relay.submission.sign_in import sign_in, sign_in_at_once

_log = logging.getLogger(__name__)


class Answers:
    """What one connection's session is told.

    Args:
        session: The one that asks.
        context: The relay around it.
        endpoint: Where it is.
        session_id: Its name in the log.
        address: The client's.
        go_on: Called when content was answered, during `content` or later.
    """

    def __init__(
        self,
        session: ServerSession,
        context: SubmissionContext,
        endpoint: Endpoint,
        session_id: str,
        address: str,
        go_on: Callable[[], None],
    ) -> None:
        # per connection
        self._session = session
        self._context = context
        self._endpoint = endpoint
        self._session_id = session_id
        self._address = address
        self._go_on = go_on
        # per session
        self._username: str | None = None
        # per transaction
        self._account: Account | None = None

    def admits_network(self) -> bool:
        """Judge the network (D-19)."""
        context = self._context
        if context.directory().admits_connection(self._endpoint, self._address, context.now()):
            return True
        context.counters.refuse_session("network")
        self.log("denied", f"address={self._address}")
        return False

    def sender(self, event: SenderProposed) -> None:
        """Answer MAIL."""
        context = self._context
        username = self._session.identity or ""
        verdict: Account | Reply = accept.judge_sender(
            context, self._endpoint, username, self._address, event.reverse_path
        )
        if isinstance(verdict, Account):
            account = verdict
            # Before the content is sent: it would fill what little is left, and be refused.
            refusal = (
                replies.STORAGE_FULL
                if context.queue.is_full
                else context.guard.admit_message(
                    username, self._address, context.rates, context.now()
                )
            )
            if refusal is None:
                self._account = account
                self._session.accept()
                return
            verdict = refusal
        self._account = None
        self._refuse("MAIL", str(event.reverse_path or ""), verdict)

    def recipient(self, event: RecipientProposed) -> None:
        """Answer RCPT."""
        context = self._context
        refusal = accept.judge_recipient(event.forward_path) or context.guard.admit_recipient(
            self._session.identity or "", self._address, context.rates, context.now()
        )
        if refusal is None:
            self._session.accept()
            return
        # Without a line of its own: one transaction can have a thousand of them.
        context.counters.refuse("RCPT", refusal)
        self._session.reject(refusal)

    def content(self, event: ContentReceived, cipher: str | None) -> None:
        """Refuse content, or hand it to the queue and answer when that has it.

        Args:
            event: What was received.
            cipher: For the trace field; None in clear.
        """
        account, self._account = self._account, None
        assert account is not None  # noqa: S101 - the session lets no content in without MAIL
        found = outline(event.content)
        try:
            refusal = accept.judge_content(self._context, account, found)
        except Exception:
            # A fault of ours must not let unjudged content pass, nor refuse it for ever.
            _log.exception("judging failed session=%s", self._session_id)
            refusal = replies.LOCAL_ERROR
        if refusal is not None:
            self._refuse("content", str(event.envelope.reverse_path or ""), refusal)
            return
        message = accept.prepare(
            self._context,
            self._endpoint,
            account,
            event.envelope,
            found,
            client_name=self._session.hello_name,
            client_address=self._address,
            cipher=cipher,
        )
        self._commit(message)

    def remembered(self, event: AuthenticationRequested) -> Account | None:
        """Return the account that AUTH opens, if that is known without waiting."""
        return sign_in_at_once(self._context, self._endpoint, event.credentials, self._address)

    async def authentication(self, event: AuthenticationRequested) -> Reply | None:
        """Answer AUTH; a reply that is returned has to end the session instead."""
        context = self._context
        verdict = await sign_in(context, self._endpoint, event.credentials, self._address)
        if isinstance(verdict, Reply):
            self.log("authentication-refused", f"reply={str(verdict)!a}")
            self._session.reject(verdict)
            return None
        return self.let_in(verdict)

    def let_in(self, account: Account) -> Reply | None:
        """Answer AUTH with yes; a reply that is returned has to end the session instead."""
        context = self._context
        username = account.user.username
        full = context.guard.admit_user(username, context.limits)
        if full is not None:
            context.counters.refuse_session("user")
            self.log("turned-away", f"user={username!a} reply={str(full)!a}")
            return full
        self._username = username
        context.counters.sign_ins += 1
        self.log("authenticated", f"user={username!a}")
        self._session.authenticated(username)
        return None

    def ended(self) -> None:
        """The connection has gone: note what it left unfinished, give its place back."""
        session = self._session
        if session.is_in_transaction or session.pending_octets:
            self.log("lost", f"state={session.state.name}")
        self._account = None
        self.leave()

    def leave(self) -> None:
        """Give the user's place back."""
        if self._username is not None:
            self._context.guard.user_left(self._username)
            self._username = None

    def log(self, event: str, text: str) -> None:
        """Write a line of this session."""
        self._context.log_line(f"{event} session={self._session_id} {text}")

    def _commit(self, message: QueuedMessage) -> None:
        try:
            self._context.queue.hand_over(message, functools.partial(self._committed, message))
        except Exception as error:
            self._committed(message, error)

    def _committed(self, message: QueuedMessage, error: Exception | None) -> None:
        if error is None:
            self._take_responsibility(message)
        elif isinstance(error, QueueFull):
            self._refuse("content", str(message.envelope.reverse_path or ""), replies.STORAGE_FULL)
        else:
            # One place for all trouble of the store: transient, and never its text (RFC 5321 §4.2).
            _log.error("commit failed session=%s", self._session_id, exc_info=error)
            self._context.counters.refuse("content", replies.LOCAL_ERROR)
            self._session.reject(replies.LOCAL_ERROR)
        self._go_on()

    def _take_responsibility(self, message: QueuedMessage) -> None:
        context = self._context
        recipients, octets = len(message.envelope.recipients), len(message.content)
        counters = context.counters
        counters.messages += 1
        counters.recipients += recipients
        counters.octets += octets
        context.log_line(
            f"accepted session={self._session_id} queue_id={message.queue_id}"
            f" from={str(message.envelope.reverse_path or '')!a}"
            f" recipients={recipients} octets={octets}"
        )
        self._session.accept(context.wording.message_queued(message.queue_id))

    def _refuse(self, stage: str, sender: str, reply: Reply) -> None:
        self._context.counters.refuse(stage, reply)
        self.log("refused", f"stage={stage} from={sender!a} reply={str(reply)!a}")
        self._session.reject(reply)
