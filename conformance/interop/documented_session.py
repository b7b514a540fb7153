"""The session that the service's documentation prints, line by line."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from conformance.judgement import answers, must, must_reply, remark
from fixtures.probe import Reply
from fixtures.target import Account, NotAvailable, Target

TEXT = "Get the all events securely from IBM EN SMTP Interface"


@dataclass(frozen=True, slots=True)
class Step:
    """A line that is typed, and the reply that the documentation shows.

    Attributes:
        line: Without line end.
        wanted: The reply in a form of `must_reply`.
        words: Its name among the replies that a profile declares.
    """

    line: str
    wanted: str
    words: str


@dataclass(frozen=True, slots=True)
class DocumentedSession:
    """The session for one account; for the role "seed" it is the printed one to the octet."""

    account: Account
    recipient: str

    @property
    def sender(self) -> str:
        return self.account.sender

    @property
    def steps(self) -> tuple[Step, ...]:
        """Everything up to `data`."""
        return (
            Step("auth login", "334", "login_username"),
            Step(_encoded(self.account.username), "334", "login_password"),
            Step(_encoded(self.account.password), "235 2.7.0", "authenticated"),
            Step(f"mail from: {self.sender}", "250 2.1.0", "mail"),
            Step(f"rcpt to: {self.recipient}", "250 2.1.5", "rcpt"),
            Step("data", "354", "data"),
        )

    @property
    def content(self) -> tuple[str, ...]:
        """The printed message: no blank line before its text, and To spelled wrongly."""
        _, _, domain = self.recipient.partition("@")
        return (
            f"from: Mailer <{self.sender}>",
            f"to: Recipient <recipent@{domain}>",
            "Subject: IBM Cloud Event Notifications SMTP interface",
            TEXT,
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no artefact may show; of the printed session nothing."""
        if not self.account.is_secret:
            return ()
        return (self.account.password, _encoded(self.account.password))


def documented_session(target: Target) -> DocumentedSession:
    """Return the printed session if the target knows its user, else the same with our own."""
    try:
        return DocumentedSession(target.account("seed"), "recipient@test.com")
    except NotAvailable:
        return DocumentedSession(target.account(), target.recipient())


def judge_reply(reply: Reply, step: Step, target: Target) -> None:
    """Demand the reply that the documentation shows, with its words where the profile has them."""
    must_reply(reply, step.wanted[:3], because=f"the documented answer to {step.line!r}")
    if not answers(reply, step.wanted):
        remark(f"{step.wanted} is documented for {step.line!r}")
    declared: Mapping[str, str] = target.claims("replies") or {}
    if step.words in declared:
        seen = reply.raw.decode("ascii", "replace").rstrip("\r\n")
        # {address} and the like stand for what differs from message to message.
        words = re.sub(r"\\\{\w+\\\}", ".+", re.escape(declared[step.words]))
        must(re.fullmatch(words, seen), f"{declared[step.words]!r} to {step.line!r}", seen)


def play(session: DocumentedSession, target: Target, say: Callable[[str], Reply]) -> None:
    """Type everything up to `data` and judge each reply."""
    for step in session.steps:
        judge_reply(say(step.line), step, target)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
