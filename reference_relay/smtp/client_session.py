"""The delivering side of an SMTP session (RFC 5321 §3, §4.5.3.2; RFC 2920).

Octets in, events out. Knows nothing of sockets, time, names or queues. A peer's nonsense is a
verdict, never an exception. What was said before it was asked for, at the greeting or behind
STARTTLS, is thrown away (CVE-2021-38371).
"""

from __future__ import annotations

import base64
from collections import deque
from dataclasses import dataclass, field, replace
from enum import Enum

from reference_relay.smtp import outgoing_commands
from reference_relay.smtp.host_reply import Disposition, HostReply, ReplyReader, Verdict
from reference_relay.smtp.outgoing import Transaction


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """The host said who it is: transactions may begin."""


@dataclass(frozen=True, slots=True)
class TLSWanted:
    """The host waits for the ClientHello; `tls_started` is due once the handshake is done."""


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """The host does not talk to us; or no more, before a transaction began."""

    verdict: Verdict
    is_tls_trouble: bool = False
    """The handshake failed: in clear the host might talk."""


@dataclass(frozen=True, slots=True)
class TransactionEnded:
    """One verdict for each recipient, in order."""

    verdicts: tuple[Verdict, ...]
    is_uncertain: bool = False
    """The whole content was sent and no answer came: the host may have the mail."""
    is_notifying: bool = False
    """The host knows DSN (RFC 3461 §5.2.2)."""
    is_unheard: bool = False
    """The connection was gone before the host answered anything: it may have been gone before."""


Event = SessionOpened | TLSWanted | SessionRefused | TransactionEnded


class Step(Enum):
    """What the next reply answers. RFC 5321 §4.5.3.2 has a time limit for each."""

    GREETING = "greeting"
    EHLO = "EHLO"
    HELO = "HELO"
    STARTTLS = "STARTTLS"
    HANDSHAKE = "TLS handshake"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "content"
    EMPTY_CONTENT = "empty content"
    RSET = "RSET"
    QUIT = "QUIT"


class TLSUse(Enum):
    """Whether a session is to be encrypted."""

    NEVER = "never"
    IF_OFFERED = "if offered"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Login:
    """What a smarthost wants to hear before it takes mail."""

    username: str
    password: str = field(repr=False)

    @property
    def plain(self) -> bytes:
        """The message of SASL PLAIN (RFC 4616 §2) in base64."""
        return base64.b64encode(f"\0{self.username}\0{self.password}".encode())


class ProtocolViolation(Exception):
    """Our own code used the session out of order."""


class ClientSession:
    """One session with one host, over as many transactions as both sides like."""

    def __init__(
        self, hostname: str, tls_use: TLSUse = TLSUse.NEVER, login: Login | None = None
    ) -> None:
        """Start with the host's greeting due.

        Args:
            hostname: our own name, for EHLO.
            tls_use: whether to ask for TLS.
            login: what to sign in with; nothing is said without it.
        """
        self._hostname = hostname.encode("ascii")
        self._tls_use = tls_use
        self._login = login
        self._reader = ReplyReader()
        self._sending: list[bytes] = []
        # A step and, for RCPT, whose.
        self._expected: deque[tuple[Step, int]] = deque([(Step.GREETING, 0)])
        self._events: list[Event] = []
        self._is_open = False
        self._is_over = False
        self.is_encrypted = False
        self.progress = 0
        """Grows with every reply and every command: octets that trickle in are no progress."""
        self.keywords: dict[str, tuple[str, ...]] = {}
        """What EHLO offered, upper case, with parameters."""

        self._transaction: Transaction | None = None
        self._verdicts: list[Verdict | None] = []
        self._accepted: list[int] = []
        self._is_heard = False

    @property
    def step(self) -> Step | None:
        """What the next reply will answer, None when nothing is due."""
        return self._expected[0][0] if self._expected else None

    @property
    def is_ready(self) -> bool:
        """Whether a transaction may begin."""
        if self._is_over or not self._is_open or self._transaction is not None:
            return False
        if not self._expected:
            return True
        # RFC 2920 §3.1: RSET may lead a group.
        return self.step is Step.RSET and "PIPELINING" in self.keywords

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to say but QUIT."""
        return self._is_over

    def data_to_send(self) -> list[bytes]:
        """Return what has to go out now, once."""
        sending, self._sending = self._sending, []
        return sending

    def receive_data(self, octets: bytes | memoryview) -> list[Event]:
        """Take what the host sent; return what came of it."""
        self._reader.feed(octets)
        while (reply := self._reader.next_reply()) is not None:
            self._take(reply)
        return self._take_events()

    def begin(self, transaction: Transaction) -> list[Event]:
        """Begin a transaction; it may end at once when the host cannot take such mail.

        Raises:
            ProtocolViolation: the session is not ready, or there is nobody to send to.
        """
        if not self.is_ready or not transaction.recipients:
            raise ProtocolViolation("no transaction can begin now")
        self._transaction = transaction
        self._verdicts = [None] * len(transaction.recipients)
        self._accepted = []
        self._is_heard = False
        obstacle = outgoing_commands.obstacle(self.keywords, transaction)
        if obstacle is not None:
            self._end_transaction(obstacle)
            return self._take_events()
        self._expect(Step.MAIL, outgoing_commands.mail(self.keywords, transaction))
        if "PIPELINING" in self.keywords:
            # RFC 2920 §3.1: everything up to DATA may go out as one group.
            for index in range(len(transaction.recipients)):
                self._ask_for_recipient(index)
            if "CHUNKING" not in self.keywords:
                self._expect(Step.DATA, b"DATA\r\n")
        return []

    def tls_started(self) -> None:
        """Begin anew inside TLS: nothing that was said in clear counts (RFC 3207 §4.2).

        Raises:
            ProtocolViolation: no handshake was due.
        """
        if self.step is not Step.HANDSHAKE:
            raise ProtocolViolation("no handshake is due")
        self._expected.clear()
        self._reader.clear()
        self.keywords = {}
        self.is_encrypted = True
        self._expect(Step.EHLO, b"EHLO %s\r\n" % self._hostname)

    def tls_failed(self, reason: str) -> list[Event]:
        """End the session because the handshake failed."""
        self._is_over = True
        self._expected.clear()
        verdict = Verdict(Disposition.TRANSIENT, f"4.7.5 TLS handshake failed: {reason}")
        return [SessionRefused(verdict, is_tls_trouble=True)]

    def quit(self) -> None:
        """Say goodbye; the connection may be closed after the reply or without one."""
        if not self._expected:
            self._expect(Step.QUIT, b"QUIT\r\n")
        self._is_over = True

    def end(self, reason: str) -> list[Event]:
        """Take note that the connection is gone or given up; return what came of it."""
        step = self.step
        self._expected.clear()
        was_over, self._is_over = self._is_over, True
        if self._transaction is not None:
            stage = f" after {step.value}" if step else ""
            self._end_transaction(
                Verdict(Disposition.TRANSIENT, f"{reason}{stage}"),
                is_uncertain=step is Step.CONTENT,
                is_unheard=not self._is_heard,
            )
        elif not self._is_open and not was_over:
            is_handshake = step is Step.HANDSHAKE
            text = f"{reason} before the session began"
            if is_handshake:
                text = f"4.7.5 TLS handshake failed: {reason}"
            verdict = Verdict(Disposition.TRANSIENT, text)
            self._events.append(SessionRefused(verdict, is_handshake))
        return self._take_events()

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _expect(self, step: Step, command: bytes, index: int = 0) -> None:
        self.progress += 1
        self._expected.append((step, index))
        self._sending.append(command)

    def _take(self, reply: HostReply) -> None:
        if not self._expected or self._is_over:
            # Mostly 421 on the way out; after a verdict nothing that is said changes it.
            self._expected.clear()
            self._is_over = True
            return
        step, index = self._expected.popleft()
        self.progress += 1
        # What answers RSET was said before the transaction at hand began.
        self._is_heard = self._is_heard or step is not Step.RSET
        if reply.code == 421 or reply.first_digit not in (2, 3, 4, 5):
            self._break_off(reply)
            return
        match step:
            case Step.GREETING:
                self._greeted(reply)
            case Step.EHLO | Step.HELO:
                self._introduced(step, reply)
            case Step.STARTTLS:
                self._starttls_answered(reply)
            case Step.AUTH:
                self._auth_answered(reply)
            case Step.MAIL:
                self._mail_answered(reply)
            case Step.RCPT:
                self._rcpt_answered(index, reply)
            case Step.DATA:
                self._data_answered(reply)
            case Step.CONTENT:
                self._content_answered(reply)
            case Step.EMPTY_CONTENT:
                self._end_transaction(reply.verdict)
            case Step.QUIT:
                self._is_over = True
            case Step.RSET | Step.HANDSHAKE:
                # Whatever is said to RSET, the next MAIL will tell.
                pass

    def _break_off(self, reply: HostReply) -> None:
        """The host closes, or makes no sense: nothing more is said."""
        self._expected.clear()
        self._is_over = True
        text = reply.text if reply.code else f"unintelligible reply: {reply.text[4:]}"
        verdict = Verdict(Disposition.TRANSIENT, text)
        if self._transaction is None:
            self._events.append(SessionRefused(verdict))
        else:
            self._end_transaction(verdict, is_unheard=not self._is_heard)

    def _greeted(self, reply: HostReply) -> None:
        if reply.first_digit != 2:
            self._refused(reply)
            return
        # Whatever came with the greeting cannot be an answer to what was not yet asked.
        self._reader.clear()
        self._expect(Step.EHLO, b"EHLO %s\r\n" % self._hostname)

    def _introduced(self, step: Step, reply: HostReply) -> None:
        if reply.first_digit == 2:
            if step is Step.EHLO:
                self.keywords = outgoing_commands.keywords(reply.lines[1:])
            self._secure()
        elif step is Step.EHLO and reply.first_digit == 5:
            # RFC 5321 §3.2: a host that knows no EHLO is asked again in the old way.
            self._expect(Step.HELO, b"HELO %s\r\n" % self._hostname)
        else:
            self._refused(reply)

    def _secure(self) -> None:
        if self.is_encrypted or self._tls_use is TLSUse.NEVER:
            self._sign_in()
        elif "STARTTLS" in self.keywords:
            self._expect(Step.STARTTLS, b"STARTTLS\r\n")
        elif self._tls_use is TLSUse.ALWAYS:
            self._give_up("4.7.4 The host does not offer TLS, and mail must not go in clear")
        else:
            self._sign_in()

    def _starttls_answered(self, reply: HostReply) -> None:
        if reply.first_digit == 2:
            # Whatever came behind the 220 in clear is nobody's answer.
            self._reader.clear()
            self._expected.append((Step.HANDSHAKE, 0))
            self._events.append(TLSWanted())
        elif self._tls_use is TLSUse.ALWAYS:
            self._give_up(f"4.7.4 The host does not begin TLS: {reply.text}")
        else:
            self._sign_in()

    def _sign_in(self) -> None:
        if self._login is None:
            self._open()
        elif not self.is_encrypted:
            self._give_up("4.7.4 Credentials are not shown in clear")
        elif "PLAIN" not in self.keywords.get("AUTH", ()):
            self._give_up("4.7.4 The smarthost does not offer AUTH PLAIN")
        else:
            self._expect(Step.AUTH, b"AUTH PLAIN %s\r\n" % self._login.plain)

    def _auth_answered(self, reply: HostReply) -> None:
        if reply.first_digit == 2:
            self._open()
        else:
            self._give_up(f"4.7.8 The smarthost does not take our credentials: {reply.text}")

    def _open(self) -> None:
        self._is_open = True
        self._events.append(SessionOpened())

    def _give_up(self, text: str) -> None:
        """End a session that is no use to us; mail waits until somebody has seen to it."""
        self._events.append(SessionRefused(Verdict(Disposition.TRANSIENT, text)))
        self.quit()

    def _refused(self, reply: HostReply) -> None:
        self._events.append(SessionRefused(reply.verdict))
        self.quit()

    def _mail_answered(self, reply: HostReply) -> None:
        is_accepted = reply.first_digit == 2
        if not is_accepted:
            self._judge_undecided(reply.verdict)
        if self._expected:
            return
        if not is_accepted:
            # RFC 5321 §4.1.1.2: no transaction was begun.
            self._end_transaction()
        else:
            self._ask_for_recipient(0)

    def _rcpt_answered(self, index: int, reply: HostReply) -> None:
        transaction = self._current()
        if self._verdicts[index] is None:
            if reply.first_digit == 2:
                self._accepted.append(index)
            else:
                verdict = reply.verdict
                if reply.code == 552:
                    # RFC 5321 §4.5.3.1.10: "too many recipients" is meant, try later.
                    verdict = replace(verdict, disposition=Disposition.TRANSIENT)
                self._verdicts[index] = verdict
        if self._expected:
            return
        if index + 1 < len(transaction.recipients):
            self._ask_for_recipient(index + 1)
        elif not self._accepted:
            self._leave_transaction()
        elif "CHUNKING" in self.keywords:
            # RFC 3030 §2: one chunk, no dots, no word from the host in between.
            raw = transaction.content.raw
            self._expect(Step.CONTENT, b"BDAT %d LAST\r\n" % len(raw))
            self._sending.append(raw)
        else:
            self._expect(Step.DATA, b"DATA\r\n")

    def _data_answered(self, reply: HostReply) -> None:
        transaction = self._current()
        if reply.first_digit != 3:
            self._judge_undecided(reply.verdict)
            self._leave_transaction()
        elif self._accepted:
            self._expect(Step.CONTENT, transaction.content.stuffed)
        else:
            # RFC 2920 §3.1: a host that wants content for nobody gets none.
            self._expect(Step.EMPTY_CONTENT, b".\r\n")

    def _content_answered(self, reply: HostReply) -> None:
        if reply.first_digit == 2:
            verdict = Verdict(Disposition.ACCEPTED, reply.text)
        else:
            verdict = reply.verdict
        self._judge_undecided(verdict)
        self._end_transaction()

    def _ask_for_recipient(self, index: int) -> None:
        transaction = self._current()
        command = outgoing_commands.rcpt(self.keywords, transaction, transaction.recipients[index])
        self._expect(Step.RCPT, command, index)

    def _leave_transaction(self) -> None:
        """End a transaction that is still open at the host."""
        self._end_transaction()
        self._expect(Step.RSET, b"RSET\r\n")

    def _current(self) -> Transaction:
        if self._transaction is None:
            raise ProtocolViolation("a reply of a transaction outside of one")
        return self._transaction

    def _judge_undecided(self, verdict: Verdict) -> None:
        self._verdicts = [verdict if each is None else each for each in self._verdicts]

    def _end_transaction(
        self,
        undecided: Verdict | None = None,
        *,
        is_uncertain: bool = False,
        is_unheard: bool = False,
    ) -> None:
        fallback = undecided or Verdict(Disposition.TRANSIENT, "no verdict")
        verdicts = tuple(each or fallback for each in self._verdicts)
        self._transaction = None
        knows_dsn = "DSN" in self.keywords
        self._events.append(TransactionEnded(verdicts, is_uncertain, knows_dsn, is_unheard))
