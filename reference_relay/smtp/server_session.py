"""The submission side of an SMTP session (RFC 5321 §3 and §4, RFC 6409), bytes in, events out.

    session.receive_data(octets)
    while event := session.next_event():
        ...                               # answer questions: accept, reject, authenticated
    transport.write(session.data_to_send())

Every change of state is a move in `transitions.TRANSITIONS`. Knows nothing of sockets, time,
accounts or queues. No input makes it raise; `ProtocolViolation` means that the edge misused it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from reference_relay.smtp import replies
from reference_relay.smtp.authentication import Authentication
from reference_relay.smtp.command import (
    FOREIGN_VERBS,
    VERBS,
    Verb,
    parse_bdat,
    parse_mail,
    parse_rcpt,
    split_verb,
)
from reference_relay.smtp.content_reader import ChunkReader, DataReader, normalise
from reference_relay.smtp.events import (
    AuthenticationRequested,
    ContentReceived,
    Event,
    RecipientProposed,
    SenderProposed,
    SessionEnded,
    TLSRequested,
)
from reference_relay.smtp.grammar import is_hello_name
from reference_relay.smtp.receive_buffer import BrokenLine, LineEnd, ReceiveBuffer
from reference_relay.smtp.reply import Reply
from reference_relay.smtp.settings import (
    MAXIMUM_AUTHENTICATION_LINE,
    MAXIMUM_COMMAND_LINE,
    MAXIMUM_SKIPPED_CHUNK,
    SessionSettings,
)
from reference_relay.smtp.transaction import Transaction
from reference_relay.smtp.transitions import (
    IN_CLEAR,
    TRANSITIONS,
    UNAUTHENTICATED,
    State,
    is_always_allowed,
    out_of_sequence,
)

# RFC 5321 §2.4, §4.1.2: no control character belongs in a command.
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_IN_TRANSACTION = frozenset({State.SENDER, State.RECIPIENTS, State.CHUNKS})
# Python 3.11 looks up a member of an Enum in Python code; these are asked for at every line.
_CLOSED, _DENIED = State.CLOSED, State.DENIED
_STARTTLS, _AUTH, _MAIL, _RCPT = Verb.STARTTLS, Verb.AUTH, Verb.MAIL, Verb.RCPT
_DATA, _BDAT, _RSET = Verb.DATA, Verb.BDAT, Verb.RSET
_MAY_HOLD_UTF8 = frozenset({Verb.MAIL, Verb.RCPT, Verb.VRFY})
# What understanding a line or some content comes to.
Outcome = Reply | Event


class ProtocolViolation(Exception):
    """The edge used the session out of turn: a bug of ours, never the peer's doing."""


class ServerSession:
    """One session: from the greeting to the end of the connection."""

    def __init__(self, settings: SessionSettings) -> None:
        # per connection
        self._settings = settings
        self._wording = settings.wording
        self._buffer = ReceiveBuffer(MAXIMUM_AUTHENTICATION_LINE, allows_lf=settings.allows_lf)
        self._output: list[bytes] = []
        self.question: Event | None = None
        """What has to be answered before anything else is understood."""
        self._errors = 0
        # per session: forgotten at STARTTLS
        self.state = State.CONNECTED
        self.is_encrypted = False
        self.identity: str | None = None
        self.hello_name = ""
        self.is_extended = False
        self._authentication = Authentication()
        # per transaction
        self._transaction = Transaction()
        self._reader: DataReader | None = None
        self._octets_to_skip = 0

    # -- the edge's verbs ------------------------------------------------------------------

    def greet(self) -> None:
        """Open the session with 220 (RFC 5321 §3.1)."""
        self._send(Reply(220, None, (self._wording.greeting.format(self._settings.host),)))

    def deny(self) -> None:
        """Open the session with 554: only QUIT is left to say (RFC 5321 §3.1, D-11)."""
        self.state = State.DENIED
        self._send(replies.ACCESS_DENIED)

    def receive_data(self, octets: bytes) -> None:
        """Take octets from the peer."""
        self._buffer.append(octets)

    @property
    def pending_octets(self) -> int:
        """How many octets wait unread, for the edge's flow control."""
        return len(self._buffer)

    @property
    def is_waiting(self) -> bool:
        """Whether a question is open."""
        return self.question is not None

    @property
    def is_in_transaction(self) -> bool:
        """Whether a transaction is open: MAIL was accepted and nothing has ended it."""
        return self.state in _IN_TRANSACTION

    def next_event(self) -> Event | None:
        """Return the next event; None when octets, or an answer, are missing."""
        # Whatever there is to understand begins with an octet.
        while self.question is None and not self._buffer.is_empty and self.state is not _CLOSED:
            outcome = self._understand()
            if outcome is None:
                return None
            if isinstance(outcome, Reply):
                self._send(outcome)
                if outcome.code >= 500 and self._is_out_of_patience():
                    return self._end("too many errors", replies.TOO_MANY_ERRORS)
                continue
            if not isinstance(outcome, (TLSRequested, SessionEnded)):
                self.question = outcome
            return outcome
        return None

    def accept(self, reply: Reply | None = None) -> None:
        """Answer the open question with yes; content needs the reply that says so."""
        question, self.question = self.question, None
        match question:
            case RecipientProposed() as proposed:
                self._move(_RCPT)
                self._transaction.keep_recipient()
                self._send(self._wording.recipient_accepted(proposed.forward_path))
            case SenderProposed() as proposed:
                self._move(_MAIL)
                self._send(self._wording.sender_accepted(proposed.reverse_path))
            case ContentReceived() if reply is not None:
                self._end_transaction()
                self._send(reply)
            case _:
                raise ProtocolViolation(f"cannot accept {question!r}")

    def reject(self, reply: Reply) -> None:
        """Answer the open question with no."""
        question, self.question = self.question, None
        match question:
            case SenderProposed():
                self._transaction = Transaction()
            case RecipientProposed():
                self._transaction.refuse_recipient()
            case ContentReceived():
                self._end_transaction()
            case AuthenticationRequested():
                pass
            case _:
                raise ProtocolViolation(f"cannot reject {question!r}")
        self._errors += 1
        self._send(reply)

    def authenticated(self, identity: str) -> None:
        """Answer the open authentication question with yes."""
        question, self.question = self.question, None
        if not isinstance(question, AuthenticationRequested):
            raise ProtocolViolation("nobody asked for authentication")
        self.identity = identity
        self._move(_AUTH)
        self._send(self._wording.authenticated)

    def encryption_started(self) -> None:
        """Start over after the handshake: nothing learnt in clear survives (RFC 3207 §4.2)."""
        self._buffer.forget()
        self.state = State.CONNECTED
        self.is_encrypted = True
        self.identity = None
        self.hello_name = ""
        self.is_extended = False
        self._transaction = Transaction()

    def shut_down(self, reply: Reply) -> None:
        """End the session from our side with a 421."""
        if self.state is not State.CLOSED:
            self._end("", reply)
            self.question = None
            self._buffer.forget()

    def data_to_send(self) -> bytes:
        """Return and forget what is due for sending: all replies so far, in one piece."""
        output = self._output
        octets = output[0] if len(output) == 1 else b"".join(output)
        output.clear()
        return octets

    # -- understanding ---------------------------------------------------------------------

    def _understand(self) -> Outcome | None:
        if self._octets_to_skip:
            self._octets_to_skip -= len(self._buffer.take(self._octets_to_skip))
            if self._octets_to_skip:
                return None
        if self._reader is not None:
            return self._read_content(self._reader)
        if self._transaction.octets_of_chunk:
            return self._read_chunk(self._transaction)
        line = self._buffer.next_line()
        if line is None:
            return None
        if self.identity is None and self._authentication.is_running:
            return self._authentication.respond(line)
        if self.state is _DENIED:
            is_quit = isinstance(line, bytes) and line.strip(b" ").upper() == b"QUIT"
            return self._quit(b"") if is_quit else replies.ACCESS_DENIED_SEQUENCE
        if isinstance(line, bytes):
            return self._execute(line)
        match line:
            case BrokenLine.TOO_LONG:
                return replies.LINE_TOO_LONG
            case BrokenLine.BARE_LINE_END:
                return replies.BARE_LINE_END

    def _execute(self, line: bytes) -> Outcome | None:
        word, argument = split_verb(line)
        verb = VERBS.get(word)
        if verb is None:
            if word in FOREIGN_VERBS:
                return self._end("a request of another protocol", replies.TOO_MANY_ERRORS)
            return replies.COMMAND_UNKNOWN
        if _CONTROL.search(line) or (verb not in _MAY_HOLD_UTF8 and not line.isascii()):
            return replies.COMMAND_MALFORMED
        if len(line) > MAXIMUM_COMMAND_LINE and verb is not _AUTH:
            return replies.LINE_TOO_LONG
        refusal = self._refusal(verb)
        if refusal is None:
            return _ACTIONS[verb](self, argument)
        if verb is _BDAT:
            return self._skip_chunk(argument, refusal)
        return refusal

    def _refusal(self, verb: Verb) -> Reply | None:
        """Say why the verb may not come now: encryption, authentication, then the sequence."""
        settings = self._settings
        if settings.requires_tls and not self.is_encrypted and verb not in IN_CLEAR:
            return replies.MUST_STARTTLS
        if verb not in UNAUTHENTICATED:
            if settings.requires_authentication and self.identity is None:
                return replies.AUTHENTICATION_REQUIRED
        elif verb is _STARTTLS and self.is_encrypted:
            return replies.TLS_ACTIVE
        elif verb is _AUTH and self.identity is not None:
            return replies.ALREADY_AUTHENTICATED
        if verb in TRANSITIONS[self.state] or is_always_allowed(self.state, verb):
            return None
        if verb in (_DATA, _BDAT) and self._transaction.has_only_refusals:
            return replies.NO_VALID_RECIPIENT
        return out_of_sequence(self.state, verb)

    # -- commands --------------------------------------------------------------------------

    def _hello(self, argument: bytes, verb: Verb) -> Reply:
        # RFC 5321 §4.1.4: a refused EHLO changes nothing, so the argument is judged first.
        name = argument.decode("ascii")
        if not is_hello_name(name):
            return replies.HELLO_SYNTAX
        self._move(verb)
        self.hello_name = name
        self.is_extended = verb is Verb.EHLO
        self._transaction = Transaction()
        keywords = self._settings.keywords(is_encrypted=self.is_encrypted)
        return _hello_reply((self._settings.host, *(keywords if self.is_extended else ())))

    def _ehlo(self, argument: bytes) -> Reply:
        return self._hello(argument, Verb.EHLO)

    def _helo(self, argument: bytes) -> Reply:
        return self._hello(argument, Verb.HELO)

    def _starttls(self, argument: bytes) -> Outcome:
        if argument:
            return replies.NO_ARGUMENT_ALLOWED
        if not self._settings.requires_tls:
            return replies.COMMAND_NOT_IMPLEMENTED
        self._send(self._wording.ready_to_start_tls)
        # Whatever came behind the command came in clear and is dropped (CVE-2011-0411).
        self._buffer.forget()
        return TLSRequested()

    def _auth(self, argument: bytes) -> Outcome:
        return self._authentication.begin(argument)

    def _mail(self, argument: bytes) -> Outcome:
        mail = parse_mail(argument, is_strict=self._settings.strict_paths)
        if isinstance(mail, Reply):
            return mail
        if mail.size > self._settings.message_octets:
            return replies.MESSAGE_TOO_BIG
        if mail.reverse_path and not mail.is_smtputf8 and not mail.reverse_path.is_ascii:
            return replies.SENDER_NEEDS_SMTPUTF8
        self._transaction = Transaction(mail)
        return SenderProposed(mail.reverse_path)

    def _rcpt(self, argument: bytes) -> Outcome:
        transaction = self._transaction
        if len(transaction.recipients) >= self._settings.recipients:
            # RFC 5321 §4.5.3.1.10: 452, and the recipients so far are kept.
            return replies.TOO_MANY_RECIPIENTS
        recipient = parse_rcpt(argument, is_strict=self._settings.strict_paths)
        if not isinstance(recipient, Reply):
            if recipient.mailbox.is_ascii or transaction.mail.is_smtputf8:
                transaction.propose(recipient)
                return RecipientProposed(recipient.mailbox)
            recipient = replies.RECIPIENT_NEEDS_SMTPUTF8
        transaction.refuse_recipient()
        return recipient

    def _data(self, argument: bytes) -> Reply:
        if argument:
            return replies.NO_ARGUMENT_ALLOWED
        self._reader = DataReader(self._line_end, self._settings.message_octets)
        return self._wording.start_content

    def _bdat(self, argument: bytes) -> Outcome | None:
        chunk = parse_bdat(argument)
        if isinstance(chunk, Reply):
            return chunk
        transaction = self._transaction
        chunks = transaction.chunks or ChunkReader()
        if chunks.length + chunk.size > self._settings.message_octets:
            self._end_transaction()
            return self._skip_chunk(argument, replies.MESSAGE_TOO_BIG)
        self._move(_BDAT)
        transaction.chunks = chunks
        transaction.octets_of_chunk = chunk.size
        transaction.is_last_chunk = chunk.is_last
        return self._read_chunk(transaction)

    def _rset(self, argument: bytes) -> Reply:
        if argument:
            return replies.NO_ARGUMENT_ALLOWED
        self._end_transaction()
        return replies.OK

    def _noop(self, _argument: bytes) -> Reply:
        return replies.OK

    def _vrfy(self, argument: bytes) -> Reply:
        # RFC 5321 §7.3: 252 says nothing about whom we know.
        return replies.CANNOT_VERIFY if argument else replies.COMMAND_MALFORMED

    def _help(self, _argument: bytes) -> Reply:
        return replies.HELP

    def _quit(self, argument: bytes) -> Outcome:
        if argument:
            return replies.NO_ARGUMENT_ALLOWED
        return self._end("QUIT", self._wording.bye)

    def _not_implemented(self, _argument: bytes) -> Reply:
        return replies.COMMAND_NOT_IMPLEMENTED

    # -- content ---------------------------------------------------------------------------

    def _read_content(self, reader: DataReader) -> Outcome | None:
        rest = reader.feed(self._buffer.take())
        if rest is None:
            return None
        if rest:
            self._buffer.put_back(rest)
        self._reader = None
        if reader.is_oversize:
            self._end_transaction()
            return replies.MESSAGE_TOO_BIG
        return self._complete(reader.content())

    def _read_chunk(self, transaction: Transaction) -> Outcome | None:
        chunks = transaction.chunks
        assert chunks is not None  # noqa: S101 - BDAT made it
        if transaction.octets_of_chunk:
            octets = self._buffer.take(transaction.octets_of_chunk)
            chunks.feed(octets)
            transaction.octets_of_chunk -= len(octets)
            if transaction.octets_of_chunk:
                return None
        if transaction.is_last_chunk:
            return self._complete(chunks.content())
        return Reply.of(self._wording.chunk_ok.format(chunks.length))

    def _skip_chunk(self, argument: bytes, refusal: Reply) -> Outcome:
        # RFC 3030 §2: the octets of a refused chunk are still consumed, never executed.
        chunk = parse_bdat(argument)
        if isinstance(chunk, Reply):
            return chunk
        if chunk.size > MAXIMUM_SKIPPED_CHUNK:
            self._send(replies.MESSAGE_TOO_BIG)
            return self._end("a chunk too large to skip", replies.TOO_MANY_ERRORS)
        self._octets_to_skip = chunk.size
        return refusal

    def _complete(self, octets: bytes) -> Outcome:
        content = normalise(octets, self._line_end)
        if isinstance(content, Reply):
            self._end_transaction()
            return content
        return ContentReceived(self._transaction.envelope(), content)

    # -- small change ----------------------------------------------------------------------

    @property
    def _line_end(self) -> LineEnd:
        return self._buffer.line_end or LineEnd.CRLF

    def _move(self, verb: Verb) -> None:
        self.state = TRANSITIONS[self.state][verb]

    def _end_transaction(self) -> None:
        # RFC 5321 §4.1.4: what ends a transaction leaves the session as RSET does.
        self._move(_RSET)
        self._transaction = Transaction()

    def _end(self, reason: str, reply: Reply) -> SessionEnded:
        self._send(reply)
        self.state = State.CLOSED
        return SessionEnded(reason)

    def _is_out_of_patience(self) -> bool:
        self._errors += 1
        return self._errors > self._settings.errors

    def _send(self, reply: Reply) -> None:
        self._output.append(reply.octets)


# Few endpoints, and a reply of ten lines to encode: once will do.
@functools.lru_cache(maxsize=64)
def _hello_reply(lines: tuple[str, ...]) -> Reply:
    return Reply(250, None, lines)


_ACTIONS: dict[Verb, Callable[[ServerSession, bytes], Outcome | None]] = {
    Verb.EHLO: ServerSession._ehlo,
    Verb.HELO: ServerSession._helo,
    Verb.STARTTLS: ServerSession._starttls,
    Verb.AUTH: ServerSession._auth,
    Verb.MAIL: ServerSession._mail,
    Verb.RCPT: ServerSession._rcpt,
    Verb.DATA: ServerSession._data,
    Verb.BDAT: ServerSession._bdat,
    Verb.RSET: ServerSession._rset,
    Verb.NOOP: ServerSession._noop,
    Verb.QUIT: ServerSession._quit,
    Verb.VRFY: ServerSession._vrfy,
    Verb.HELP: ServerSession._help,
    Verb.EXPN: ServerSession._not_implemented,
    Verb.SEND: ServerSession._not_implemented,
    Verb.SOML: ServerSession._not_implemented,
    Verb.SAML: ServerSession._not_implemented,
}
