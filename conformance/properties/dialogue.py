"""A dialogue with a real server, step by step, beside what the rules say of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from conformance.judgement import NotMet, answers, inconclusive, shown
from conformance.properties.dialogue_rules import (
    Due,
    State,
    Step,
    after,
    due,
    needs_reset,
)
from conformance.steps import sender_of
from fixtures.probe import ConnectionLost, Reply, SMTPProbe, client_name, expect
from fixtures.sink.delivery import NotDelivered
from fixtures.target import Target

# Servers defend themselves against clients that do everything wrong: Exim hangs up at the fourth
# mistake, Postfix waits from the tenth on and hangs up at the twentieth.
_MISTAKES_FORGIVEN = 3
_MOST_MISTAKES = 8
_CLOSE_SECONDS = 5.0
_ARRIVAL_SECONDS = 10.0
_ENDS_TRANSACTION = (Step.RSET, Step.EHLO, Step.HELO, Step.DATA, Step.LAST_CHUNK)


class Violated(NotMet):
    """A reply, or what reached the sink, is not what a requirement demands.

    Attributes:
        requirement: Its id.
    """

    def __init__(self, requirement: str, expected: str, observed: object) -> None:
        super().__init__(expected, observed)
        self.requirement = requirement


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was accepted, or must not have been.

    Attributes:
        token: What its content holds.
        recipients: Whose it is; empty if it was given up.
    """

    token: str
    recipients: tuple[str, ...]


class Dialogue:
    """One connection and the state its server must be in.

    Attributes:
        state: That state.
        played: The steps so far.
        seen: The requirements that were put to the test.
    """

    def __init__(self, probe: SMTPProbe, target: Target, name: str) -> None:
        """Take over a connection whose greeting is unread.

        Raises:
            Refused: The greeting is no 220.
        """
        self.state = State()
        self.played: list[Step] = []
        self.seen: dict[str, str] = {}
        self._probe = probe
        self._target = target
        self._name = name
        self._mistakes = 0
        self._messages = 0
        self._transactions = 0
        self._recipients: list[str] = []
        self._sent: list[Sent] = []
        self._open_token = ""
        expect("greeting", probe.read_reply())

    def give_up(self) -> None:
        """Do nothing more: a rule was broken, and what the server has in mind is unknown."""
        self.state = replace(self.state, is_over=True)
        self._sent.clear()

    @property
    def takes_mistakes(self) -> bool:
        """Whether another step that must be refused would still be fair."""
        return self._mistakes < _MOST_MISTAKES

    def play(self, step: Step) -> None:
        """Do one step and judge its reply.

        Raises:
            Violated: The reply is not what is due.
            Inconclusive: The server asks for patience.
            ConnectionLost: It hung up for no reason that anybody can see.
        """
        if self.state.is_over or (_is_chunk(step) and not self._may_chunk):
            return
        demand = due(step, self.state)
        self.played.append(step)
        try:
            reply = self._said(step)
            self._mistakes += reply.is_permanent
            self._judge(step, demand, reply)
            self._remember(step, reply)
        except ConnectionLost:
            if self._mistakes < _MISTAKES_FORGIVEN:
                raise
            # A defence against clients that err too often; CTL-05 has a check of its own.
            self.state = replace(self.state, is_over=True)

    @property
    def _may_chunk(self) -> bool:
        return self.state.is_authenticated and self.state.offers_chunking

    def _judge(self, step: Step, demand: Due, reply: Reply) -> None:
        if reply.is_transient and not answers(reply, demand.wanted):
            if reply.code == 421 and self._mistakes >= _MISTAKES_FORGIVEN:
                raise ConnectionLost("421 after many mistakes")
            inconclusive(f"the relay under test said {shown(reply)} to {step.value}")
        if answers(reply, demand.wanted):
            name = "CTL-02" if self._shows_that_login_lasts(step, reply) else demand.requirement
            if name:
                self.seen.setdefault(name, f"{step.value}: {shown(reply)}")
            return
        so_far = ", ".join(one.value for one in self.played)
        raise Violated(
            self._blamed(step, reply) or demand.requirement,
            f"{' or '.join(demand.wanted)} to {step.value} ({demand.because})",
            f"{shown(reply)} after {so_far}",
        )

    def _blamed(self, step: Step, reply: Reply) -> str:
        """Return whose fault it is that a sender is refused after an earlier transaction."""
        if step is not Step.MAIL or not self.state.is_authenticated or self.state.has_sender:
            return ""
        # The login outlives RSET and EHLO (RFC 4954 §4): asking for another one forgets it.
        if reply.code == 530:
            return "CTL-02"
        before = [one for one in self.played[:-1] if one in _ENDS_TRANSACTION]
        return {Step.RSET: "CTL-01", Step.EHLO: "GRT-06"}.get(before[-1], "") if before else ""

    def _shows_that_login_lasts(self, step: Step, reply: Reply) -> bool:
        is_mail = step is Step.MAIL and reply.is_positive and self.state.is_authenticated
        return is_mail and self.played[-2:-1] in ([Step.RSET], [Step.EHLO])

    def _remember(self, step: Step, reply: Reply) -> None:
        before = self.state
        self.state = after(step, before, reply.is_positive)
        match step:
            case Step.EHLO | Step.HELO if reply.is_positive:
                offers = step is Step.EHLO and "CHUNKING" in reply.keywords
                self.state = replace(self.state, offers_chunking=offers)
            case Step.STARTTLS if reply.is_positive:
                self._probe.handshake()
            case Step.MAIL if reply.is_positive:
                self._transactions += 1
            case Step.RCPT if reply.is_positive:
                self._recipients.append(self._recipient)
            case _ if needs_reset(step, before, reply.is_positive):
                expect("RSET", self._probe.command("RSET"))
            case Step.DATA | Step.LAST_CHUNK if reply.is_positive:
                self._sent.append(Sent(self._open_token, tuple(self._recipients)))
                self._open_token = ""
            case Step.QUIT:
                if not self._probe.closed(within=_CLOSE_SECONDS):
                    raise Violated("CTL-04", "the connection closed after 221", "still open")
            case _:
                pass
        if not self.state.has_sender:
            self._given_up()

    def _given_up(self) -> None:
        """Note that what was sent of a message must reach nobody."""
        if self._open_token:
            self._sent.append(Sent(self._open_token, ()))
        self._open_token = ""
        self._recipients.clear()

    # --- what is said -----------------------------------------------------------------------------

    def _said(self, step: Step) -> Reply:
        probe, sender = self._probe, sender_of(self._target)
        match step:
            case Step.EHLO | Step.HELO:
                return probe.command(f"{step.value} {client_name()}")
            case Step.NOOP | Step.RSET | Step.STARTTLS | Step.QUIT:
                return probe.command(step.value)
            case Step.VRFY:
                return probe.command(f"VRFY {self._recipient}")
            case Step.UNKNOWN:
                return probe.command("XYZZY plugh")
            case Step.STARTTLS_ARGUMENT:
                return probe.command("STARTTLS now")
            case Step.AUTH:
                return self._authenticated()
            case Step.AUTH_CANCELLED:
                reply = probe.command(f"AUTH {self._mechanism}")
                return probe.command("*") if reply.is_intermediate else reply
            case Step.MAIL:
                return probe.mail(sender)
            case Step.MAIL_PARAMETER:
                return probe.mail(sender, "XNOSUCH=1")
            case Step.RCPT:
                return probe.rcpt(self._recipient)
            case Step.RCPT_EMPTY:
                return probe.rcpt("")
            case Step.DATA:
                return probe.data(self._content())
            case Step.CHUNK | Step.LAST_CHUNK:
                octets = self._content() if not self.state.chunks else b"More.\r\n"
                last = b" LAST" if step is Step.LAST_CHUNK else b""
                probe.send(b"BDAT %d%s\r\n" % (len(octets), last) + octets)
                return probe.read_reply()

    @property
    def _mechanism(self) -> str:
        mechanisms = self._target.claims("auth_mechanisms") or ("PLAIN",)
        return "PLAIN" if "PLAIN" in mechanisms else str(mechanisms[0])

    def _authenticated(self) -> Reply:
        account = self._target.account()
        if self._mechanism == "PLAIN":
            return self._probe.auth_plain(account)
        return self._probe.auth_login(account)

    @property
    def _recipient(self) -> str:
        # Of each transaction its own, so that one from an earlier transaction is noticed.
        number = len(self._recipients)
        return self._target.recipient(f"{self._name}-{self._transactions}-{number}")

    def _content(self) -> bytes:
        self._messages += 1
        self._open_token = f"{self._name}x{self._messages}x"
        return (
            f"From: Mailer <{sender_of(self._target)}>\r\n"
            f"To: <{self._target.recipient()}>\r\n"
            f"Subject: A dialogue {self._open_token}\r\n\r\nSome text.\r\n"
        ).encode()

    # --- what arrived -----------------------------------------------------------------------------

    def end(self) -> None:
        """Hang up, and judge what reached the sink.

        Raises:
            Violated: A message did not arrive, or went to somebody else, or should not have.
        """
        self._given_up()
        self._probe.close()
        if (sink := self._target.sink) is None:
            return
        for one in self._sent:
            if not one.recipients:
                continue
            try:
                sink.wait_for(token=one.token, within=_ARRIVAL_SECONDS)
            except NotDelivered as missing:
                raise Violated("CMD-10", "the accepted message at the sink", missing) from None
        for one in self._sent:
            copies = sink.deliveries(token=one.token)
            got = {recipient for copy in copies for recipient in copy.recipients}
            # Further copies may still be on their way; what is there must be right.
            if surplus := got - set(one.recipients):
                wanted = ", ".join(one.recipients) or "nobody"
                raise Violated("CMD-11", f"the message for {wanted}", ", ".join(sorted(surplus)))


def _is_chunk(step: Step) -> bool:
    return step in (Step.CHUNK, Step.LAST_CHUNK)


OpenDialogue = Callable[[], Dialogue]


def replay(steps: tuple[str, ...], opened: OpenDialogue) -> Dialogue:
    """Play the steps of a saved example; return the dialogue.

    Raises:
        Violated: It is still at fault.
    """
    dialogue = opened()
    for step in steps:
        dialogue.play(Step(step))
    dialogue.end()
    return dialogue
