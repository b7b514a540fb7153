"""No disguise gets an attachment past the rule, and no text is taken for one (D-13)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis.strategies import SearchStrategy

from conformance.header import body_of
from conformance.judgement import must
from conformance.properties import disguises
from conformance.properties.conftest import Holds
from conformance.requirement import requirement, takes_seconds
from conformance.service.mime import as_message, need_attachment_rule
from conformance.steps import NothingArrived, must_answer, must_be_alive, must_refuse, sender_of
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.probe import Reply, SMTPProbe
from fixtures.target import Target

pytestmark = takes_seconds(2)

Build = Callable[[Any], bytes]


# Exim grants a session ten commands that are not about mail, and each message brings a NOOP.
_MESSAGES_OF_A_SESSION = 8


class Sender:
    """Submits generated messages in a session that lasts until something goes wrong in it."""

    def __init__(self, session: LogIn, target: Target, message: ComposeMessage, token: str) -> None:
        self._session, self._target, self._message = session, target, message
        self._token = token
        self._numbers = count(1)
        self._probe: SMTPProbe | None = None

    def submit(self, top: bytes, judge: Callable[[Reply, str, bytes], None]) -> None:
        """Submit a message with this entity and let its final reply be judged."""
        probe = self._probe or self._session()
        self._probe = None
        number = next(self._numbers)
        token = f"{self._token}n{number}e"
        content = as_message(self._message(token), top)
        must_answer(probe.mail(sender_of(self._target)), "250", "a valid sender")
        must_answer(probe.rcpt(self._target.recipient()), "2yz", "a valid recipient")
        judge(probe.data(content), token, content)
        must_be_alive(probe)
        if number % _MESSAGES_OF_A_SESSION:
            self._probe = probe


@pytest.fixture
def sender(session: LogIn, target: Target, message: ComposeMessage, token: str) -> Sender:
    """Submit one message after the other."""
    return Sender(session, target, message, token)


def refused(
    holds: Holds, sender: Sender, nothing_arrived: NothingArrived, token: str
) -> Callable[[str, SearchStrategy[Any], Build], None]:
    """Demand that everything a strategy builds is refused, and that nothing of it arrives."""

    def demand(because: str, strategy: SearchStrategy[Any], build: Build) -> None:
        def judge(example: Any) -> None:
            sender.submit(build(example), lambda reply, *_: must_refuse(reply, because, "554"))

        holds(f"refused: {because}", strategy, judge)
        nothing_arrived(token)

    return demand


@requirement("ATT-04")
def test_no_spelling_hides_a_disposition(
    target: Target, holds: Holds, sender: Sender, nothing_arrived: NothingArrived, token: str
) -> None:
    """Content-Disposition: attachment is found in any case, fold and depth."""
    need_attachment_rule(target)
    demand = refused(holds, sender, nothing_arrived, token)
    demand("its disposition is attachment", disguises.DISPOSITIONS, disguises.disposed)


@requirement("ATT-09")
def test_no_place_hides_what_is_no_text(
    target: Target, holds: Holds, sender: Sender, nothing_arrived: NothingArrived, token: str
) -> None:
    """A leaf that is no text is found in any case, fold and depth, without any other sign."""
    need_attachment_rule(target)
    demand = refused(holds, sender, nothing_arrived, token)
    demand("a part is no text", disguises.LEAVES, disguises.no_text)


@requirement("ATT-06")
def test_no_spelling_hides_a_file_name(
    target: Target, holds: Holds, sender: Sender, nothing_arrived: NothingArrived, token: str
) -> None:
    """A file name is found in either field, any case, fold and depth."""
    need_attachment_rule(target)
    demand = refused(holds, sender, nothing_arrived, token)
    demand("a part has a file name", disguises.FILE_NAMES, disguises.named)


@requirement("ATT-07")
def test_no_spelling_hides_an_extended_file_name(
    target: Target, holds: Holds, sender: Sender, nothing_arrived: NothingArrived, token: str
) -> None:
    """A file name with a charset or in pieces is found in any case, fold and depth."""
    need_attachment_rule(target)
    demand = refused(holds, sender, nothing_arrived, token)
    demand("a part has a file name", disguises.EXTENDED_NAMES, disguises.named)


def accepted(holds: Holds, sender: Sender, arrived: Arrived) -> Callable[..., None]:
    """Demand that everything a strategy builds arrives as it was sent."""

    def demand(strategy: SearchStrategy[Any], build: Build) -> None:
        def whole(reply: Reply, token: str, content: bytes) -> None:
            must_answer(reply, "250", "there is nothing in it but text")
            got = body_of(arrived(token).content)
            must(got == body_of(content), "the same text", got)

        holds("accepted and unchanged", strategy, lambda one: sender.submit(build(one), whole))

    return demand


@requirement("ATT-01")
def test_text_in_any_arrangement_is_accepted(
    holds: Holds, sender: Sender, arrived: Arrived
) -> None:
    """Texts of all types, charsets and depths are accepted and arrive unchanged."""
    accepted(holds, sender, arrived)(disguises.TEXTS, disguises.ordinary)


@requirement("ATT-02")
def test_talk_of_attachments_is_accepted(holds: Holds, sender: Sender, arrived: Arrived) -> None:
    """A text that quotes any fields of attachments is a text."""
    accepted(holds, sender, arrived)(disguises.TALK, disguises.talk)
