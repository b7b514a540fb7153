"""ROB, RPL, AUTH: what a client hears while the service lacks something (RFC 5321 §4.2.1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from conformance.judgement import must, not_observable
from conformance.requirement import requirement
from conformance.rfc4954.credentials import with_wrong_password
from conformance.steps import (
    FOREIGN_SENDER,
    NothingArrived,
    enter_data,
    must_answer,
    must_refuse,
    open_transaction,
    sender_of,
    verdict_on_sender,
)
from fake_dns import FakeDNS, ServerFailure
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.probe import ConnectionLost, Reply, ReplyTimeout, SMTPProbe, stuffed
from fixtures.scarcity import Resource, without
from fixtures.target import Target

# Larger than what the disk that is taken away still has room for.
LARGE_LINES = 30_000


@contextmanager
def short_of(target: Target, what: Resource) -> Iterator[None]:
    """Take a resource from the relay under test while the block lasts."""
    if target.relay is None or not target.relay.is_running:
        not_observable("the relay's process is not ours")
    try:
        taken = without(target.relay, what)
        with taken:
            yield
    except NotImplementedError as reason:
        not_observable(str(reason))


def submitted(probe: SMTPProbe, target: Target, content: bytes) -> Reply:
    """Send a whole transaction; return the first reply that is no success, or the last."""
    for reply in (probe.mail(sender_of(target)), probe.rcpt(target.recipient())):
        if not reply.is_positive:
            return reply
    reply = probe.command("DATA")
    if reply.code != 354:
        return reply
    probe.send(stuffed(content))
    return probe.read_reply()


@requirement("ROB-08", "RPL-10")
def test_a_full_disk_is_temporary(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """With no room for a message it is 452 or 451, nothing is lost, and all is well afterwards."""
    large = message(f"large-{token}", "a line of text for a full disk\r\n" * LARGE_LINES)
    probe = session()
    with short_of(target, Resource.DISK):
        for _ in range(3):
            reply = submitted(probe, target, large)
            must_reply_later(reply, "there is no room")
            must_answer(probe.command("RSET"), "250", "the session goes on")
    must_answer(submitted(probe, target, message(token)), "250", "there is room again")
    arrived(token)
    nothing_arrived(f"large-{token}")


def must_reply_later(reply: Reply, because: str) -> None:
    """Demand a 4yz: here it was asked for, so it is no trouble of a moment."""
    must(reply.is_transient, f"4yz ({because})", reply.raw)


@requirement("ROB-08")
def test_no_descriptors_is_temporary(
    connect: Connect,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """With no descriptor left newcomers wait or hear 421, and later everybody is served."""
    probe = session()
    with short_of(target, Resource.DESCRIPTORS):
        newcomer = connect()
        try:
            reply = newcomer.read_reply(timeout=0.5)
        except (ConnectionLost, ReplyTimeout):
            pass  # turned away without a word, or still in the line
        else:
            must_answer(reply, ("220", "421"), "served, or told to come back")
        must_answer(probe.command("NOOP"), "250", "who is inside goes on")
    with session() as later:
        must_answer(submitted(later, target, message(token)), "250", "descriptors are back")
    arrived(token)


@requirement("AUTH-24", "RPL-10")
def test_credentials_that_cannot_be_judged(secure: Connect, target: Target) -> None:
    """While passwords cannot be checked it is 454 4.7.0 for right and wrong, then as before."""
    account = target.account("costly")
    wrong = with_wrong_password(account)
    probe = secure()
    must_refuse(probe.auth_plain(wrong), "the password is wrong", exactly="535 5.7.8")
    with short_of(target, Resource.MEMORY):
        for log_in in (probe.auth_plain, probe.auth_login):
            for chosen in (account, wrong):
                reply = log_in(chosen)
                must(reply.code == 454, "454, whether it is right or wrong", reply.raw)
                must(reply.enhanced in (None, "4.7.0"), "4.7.0", reply.raw)
    must_refuse(probe.auth_plain(wrong), "the password is wrong", exactly="535 5.7.8")
    must_answer(probe.auth_plain(account), "235", "the credentials are right")


@requirement("RPL-10")
def test_missing_name_servers_are_temporary(
    session: LogIn, target: Target, dns: FakeDNS, token: str
) -> None:
    """While names cannot be looked up a recipient is taken or put off, and never refused."""
    probe = session()
    rule = dns.inject(ServerFailure(), name=f"{token}.example")
    try:
        for _ in range(2):
            open_transaction(probe, sender_of(target), [])
            reply = probe.rcpt(f"someone@{token}.example")
            is_temporary = reply.is_positive or reply.is_transient
            must(is_temporary, "250 or 4yz while the name servers fail", reply.raw)
            must_answer(probe.command("RSET"), "250", "the session goes on")
    finally:
        dns.withdraw(rule)


@requirement("RPL-10")
def test_refusals_by_policy_are_permanent(
    session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """What will be refused for ever is 5yz, every time."""
    probe = session()
    content = message(token, from_=f"Mailer <{FOREIGN_SENDER}>")
    for _ in range(3):
        mail = probe.mail(FOREIGN_SENDER)
        reply = verdict_on_sender(probe, mail, target)
        must_refuse(reply, "the sender is foreign", exactly="550 5.7.1")
        if mail.is_positive:
            must_answer(probe.command("RSET"), "250", "RSET ends what is left")
    if target.claims("header_sender"):
        for _ in range(2):
            open_transaction(probe, sender_of(target), [target.recipient()])
            enter_data(probe)
            probe.send(stuffed(content))
            must_refuse(probe.read_reply(), "the author is foreign", exactly="550 5.7.1")
