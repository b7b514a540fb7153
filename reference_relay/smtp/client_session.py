"""The delivering side of an SMTP session (RFC 5321 §3, §4.5.3.2; RFC 2920).

Octets in, events out. Knows nothing of sockets, time, names or queues. A peer's nonsense is a
verdict, never an exception. STARTTLS will come between `_greeted` and `_is_ready`; the reader is
emptied there already, so that nothing said too early is taken for an answer.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Recipient
from reference_relay.smtp.host_reply import HostReply, ReplyReader
from reference_relay.smtp.outgoing import Transaction

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Disposition(Enum):
    """What became of one recipient at this host."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A disposition with the host's words, or ours where the host said nothing."""

    disposition: Disposition
    text: str


@dataclass(frozen=True, slots=True)
class SessionOpened:
    """The host said who it is: transactions may begin."""


@dataclass(frozen=True, slots=True)
class SessionRefused:
    """The host does not talk to us; or no more, before a transaction began."""

    verdict: Verdict


@dataclass(frozen=True, slots=True)
class TransactionEnded:
    """One verdict for each recipient, in order."""

    verdicts: tuple[Verdict, ...]
    is_uncertain: bool = False
    """The whole content was sent and no answer came: the host may have the mail."""
    is_unheard: bool = False
    """The connection was gone before the host answered anything: it may have been gone before."""


Event = SessionOpened | SessionRefused | TransactionEnded


class Step(Enum):
    """What the next reply answers. RFC 5321 §4.5.3.2 has a time limit for each."""

    GREETING = "greeting"
    EHLO = "EHLO"
    HELO = "HELO"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "content"
    EMPTY_CONTENT = "empty content"
    QUIT = "QUIT"


class ProtocolViolation(Exception):
    """Our own code used the session out of order."""


class ClientSession:
    """One session with one host, over as many transactions as both sides like."""

    def __init__(self, hostname: str) -> None:
        """Start with the host's greeting due.

        Args:
            hostname: our own name, for EHLO.
        """
        self._hostname = hostname.encode("ascii")
        self._reader = ReplyReader()
        self._sending: list[bytes] = []
        # A step and, for RCPT, whose.
        self._expected: deque[tuple[Step, int]] = deque([(Step.GREETING, 0)])
        self._events: list[Event] = []
        self._is_over = False
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
        return not self._is_over and not self._expected and self._transaction is None

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
        obstacle = self._obstacle(transaction)
        if obstacle is not None:
            self._end_transaction(obstacle)
            return self._take_events()
        self._expect(Step.MAIL, self._mail_command(transaction))
        if "PIPELINING" in self.keywords:
            # RFC 2920 §3.1: everything up to DATA may go out as one group.
            for index, recipient in enumerate(transaction.recipients):
                self._expect(Step.RCPT, self._rcpt_command(recipient), index)
            self._expect(Step.DATA, b"DATA\r\n")
        return []

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
        elif step in (Step.GREETING, Step.EHLO, Step.HELO) and not was_over:
            verdict = Verdict(Disposition.TRANSIENT, f"{reason} before the session began")
            self._events.append(SessionRefused(verdict))
        return self._take_events()

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _expect(self, step: Step, command: bytes, index: int = 0) -> None:
        self._expected.append((step, index))
        self._sending.append(command)

    def _take(self, reply: HostReply) -> None:
        if not self._expected or self._is_over:
            # Mostly 421 on the way out; after a verdict nothing that is said changes it.
            self._expected.clear()
            self._is_over = True
            return
        step, index = self._expected.popleft()
        self._is_heard = True
        if reply.code == 421 or reply.first_digit not in (2, 3, 4, 5):
            self._break_off(reply)
            return
        match step:
            case Step.GREETING:
                self._greeted(reply)
            case Step.EHLO | Step.HELO:
                self._introduced(step, reply)
            case Step.MAIL:
                self._mail_answered(reply)
            case Step.RCPT:
                self._rcpt_answered(index, reply)
            case Step.DATA:
                self._data_answered(reply)
            case Step.CONTENT:
                self._content_answered(reply)
            case Step.EMPTY_CONTENT:
                self._end_transaction(_verdict(reply))
            case Step.QUIT:
                self._is_over = True

    def _break_off(self, reply: HostReply) -> None:
        """The host closes, or makes no sense: nothing more is said."""
        self._expected.clear()
        self._is_over = True
        text = reply.text if reply.code else f"unintelligible reply: {reply.text[4:]}"
        verdict = Verdict(Disposition.TRANSIENT, text)
        if self._transaction is None:
            self._events.append(SessionRefused(verdict))
        else:
            self._end_transaction(verdict)

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
                self.keywords = _keywords(reply.lines[1:])
            self._events.append(SessionOpened())
        elif step is Step.EHLO and reply.first_digit == 5:
            # RFC 5321 §3.2: a host that knows no EHLO is asked again in the old way.
            self._expect(Step.HELO, b"HELO %s\r\n" % self._hostname)
        else:
            self._refused(reply)

    def _refused(self, reply: HostReply) -> None:
        self._events.append(SessionRefused(_verdict(reply)))
        self.quit()

    def _mail_answered(self, reply: HostReply) -> None:
        transaction = self._current()
        is_accepted = reply.first_digit == 2
        if not is_accepted:
            self._judge_undecided(_verdict(reply))
        if self._expected:
            return
        if not is_accepted:
            self._end_transaction()
        else:
            self._expect(Step.RCPT, self._rcpt_command(transaction.recipients[0]), 0)

    def _rcpt_answered(self, index: int, reply: HostReply) -> None:
        transaction = self._current()
        if self._verdicts[index] is None:
            if reply.first_digit == 2:
                self._accepted.append(index)
            else:
                verdict = _verdict(reply)
                if reply.code == 552:
                    # RFC 5321 §4.5.3.1.10: "too many recipients" is meant, try later.
                    verdict = replace(verdict, disposition=Disposition.TRANSIENT)
                self._verdicts[index] = verdict
        if self._expected:
            return
        if index + 1 < len(transaction.recipients):
            following = transaction.recipients[index + 1]
            self._expect(Step.RCPT, self._rcpt_command(following), index + 1)
        elif self._accepted:
            self._expect(Step.DATA, b"DATA\r\n")
        else:
            self._end_transaction()
            # A transaction without content is still open at the host.
            self.quit()

    def _data_answered(self, reply: HostReply) -> None:
        transaction = self._current()
        if reply.first_digit != 3:
            self._judge_undecided(_verdict(reply))
            self._end_transaction()
            self.quit()
        elif self._accepted:
            self._expect(Step.CONTENT, transaction.content.octets)
        else:
            # RFC 2920 §3.1: a host that wants content for nobody gets none.
            self._expect(Step.EMPTY_CONTENT, b".\r\n")

    def _content_answered(self, reply: HostReply) -> None:
        if reply.first_digit == 2:
            verdict = Verdict(Disposition.ACCEPTED, reply.text)
        else:
            verdict = _verdict(reply)
        self._judge_undecided(verdict)
        self._end_transaction()

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
        self._events.append(TransactionEnded(verdicts, is_uncertain, is_unheard))

    def _obstacle(self, transaction: Transaction) -> Verdict | None:
        """Say why the host cannot take this mail, as far as EHLO told."""
        content = transaction.content
        limit = next(iter(self.keywords.get("SIZE", ())), "0")
        if limit.isascii() and limit.isdigit() and 0 < int(limit[:20]) < content.size_octets:
            return Verdict(
                Disposition.PERMANENT,
                f"5.3.4 The message has {content.size_octets} octets, the host takes {limit}",
            )
        if transaction.needs_smtputf8 and "SMTPUTF8" not in self.keywords:
            return Verdict(
                Disposition.PERMANENT, "5.6.7 The host does not take internationalized mail"
            )
        if not content.is_7bit and "8BITMIME" not in self.keywords:
            # RFC 6152 §3: no 8-bit content to a host that did not offer to take it.
            return Verdict(Disposition.PERMANENT, "5.6.3 The host does not take 8-bit content")
        return None

    def _mail_command(self, transaction: Transaction) -> bytes:
        envelope, content = transaction.envelope, transaction.content
        parameters: list[str] = []
        if "SIZE" in self.keywords:
            parameters.append(f"SIZE={content.size_octets}")
        if "8BITMIME" in self.keywords and (envelope.body == "8BITMIME" or not content.is_7bit):
            parameters.append("BODY=8BITMIME")
        if transaction.needs_smtputf8:
            parameters.append("SMTPUTF8")
        if "DSN" in self.keywords:
            if envelope.ret is not None:
                parameters.append(f"RET={envelope.ret}")
            if envelope.envid is not None:
                parameters.append(f"ENVID={envelope.envid}")
        return _path_command("MAIL FROM", envelope.reverse_path, parameters)

    def _rcpt_command(self, recipient: Recipient) -> bytes:
        parameters: list[str] = []
        if "DSN" in self.keywords:
            if recipient.notify is not None:
                parameters.append("NOTIFY=" + ",".join(sorted(recipient.notify)))
            if recipient.original is not None:
                parameters.append(f"ORCPT={recipient.original}")
        return _path_command("RCPT TO", recipient.mailbox, parameters)


def _path_command(verb: str, mailbox: Mailbox | None, parameters: list[str]) -> bytes:
    text = " ".join((f"{verb}:<{mailbox or ''}>", *parameters))
    if _CONTROL.search(text):
        # Submission never lets this in; whatever else might must not become a second command.
        raise ProtocolViolation("control characters in a path")
    return text.encode("utf-8") + b"\r\n"


def _keywords(lines: tuple[bytes, ...]) -> dict[str, tuple[str, ...]]:
    keywords: dict[str, tuple[str, ...]] = {}
    for line in lines:
        keyword, *parameters = line.decode("ascii", "replace").split() or [""]
        keywords[keyword.upper()] = tuple(parameters)
    return keywords


def _verdict(reply: HostReply) -> Verdict:
    """Judge a reply that was no success by its first digit (RFC 5321 §4.3.2)."""
    is_permanent = reply.first_digit == 5
    disposition = Disposition.PERMANENT if is_permanent else Disposition.TRANSIENT
    return Verdict(disposition, reply.text)
