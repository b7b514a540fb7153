"""Addresses by the grammar are accepted and kept; what it rules out is refused."""

from __future__ import annotations

from itertools import count

from conformance.judgement import must
from conformance.properties.addresses import BAD_DOMAINS, MISDOTTED, RECIPIENTS
from conformance.properties.conftest import Holds
from conformance.requirement import requirement, takes_seconds
from conformance.steps import (
    copies_for,
    free_local_parts,
    must_answer,
    must_refuse,
    open_transaction,
    sender_of,
    wait_for_each,
)
from fixtures.plugin import ComposeMessage, LogIn
from fixtures.sink import SinkMX
from fixtures.target import Target

pytestmark = takes_seconds(2)

SYNTAX = ("501", "553", "555")


@requirement("PATH-01")
def test_any_dot_string_is_a_local_part(
    holds: Holds,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
) -> None:
    """Local parts of all characters that atoms may have are accepted and arrive octet for octet."""
    free_local_parts(target)
    numbers = count(1)

    def judge(local_parts: tuple[str, ...]) -> None:
        own = f"{token}n{next(numbers)}e"
        recipients = [target.recipient(local_part) for local_part in local_parts]
        with session() as probe:
            open_transaction(probe, sender_of(target), recipients)
            must_answer(probe.data(message(own)), "250", "the message is valid")
        copies = wait_for_each(sink, own, recipients)
        for recipient in recipients:
            copies_of_it = copies_for(copies, recipient)
            must(copies_of_it == 1, f"one copy for {recipient}", f"{copies_of_it} copies")

    holds("accepted, and the same octets at the sink", RECIPIENTS, judge)


@requirement("PATH-06")
def test_no_misplaced_dot_is_accepted(holds: Holds, session: LogIn, target: Target) -> None:
    """A dot at an edge of a local part, or beside another one, is a syntax error."""
    free_local_parts(target)

    def judge(local_part: str) -> None:
        with session() as probe:
            must_answer(probe.mail(sender_of(target)), "250", "a valid sender")
            reply = probe.rcpt(target.recipient(local_part))
            must_refuse(reply, "no dot-string", exactly=SYNTAX)

    holds("refused", MISDOTTED, judge)


@requirement("PATH-15")
def test_no_malformed_domain_is_accepted(holds: Holds, session: LogIn, target: Target) -> None:
    """A domain with an empty label, a hyphen at an edge or any other character is refused."""

    def judge(domain: str) -> None:
        with session() as probe:
            must_answer(probe.mail(sender_of(target)), "250", "a valid sender")
            must_refuse(probe.rcpt(f"u@{domain}"), "no such domain", exactly=SYNTAX)

    holds("refused", BAD_DOMAINS, judge)
