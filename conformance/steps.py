"""Steps that many checks share: a few commands of the dialogue, nothing that judges a requirement.

A step that is refused although the relay has no reason to refuse it fails the check that
needed it; a throttled one makes that check inconclusive.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Sequence

from conformance.judgement import (
    NotMet,
    answers,
    inconclusive,
    must_reply,
    not_claimed,
    not_observable,
    remark,
    remark_unless,
    shown,
)

# For checks, which take it from here beside the other steps.
from fixtures.plugin import NothingArrived as NothingArrived
from fixtures.probe import Reply, ReplyTimeout, SMTPProbe
from fixtures.sink import Delivery, SinkMX
from fixtures.target import Account, Target

FOREIGN_SENDER = "mailer@foreign.example"


def sender_of(target: Target, local_part: str = "mailer") -> str:
    """Return an address in the domain of the primary account."""
    return f"{local_part}@{target.account().domain}"


def free_local_parts(target: Target) -> None:
    """End the check unless recipients with any local part reach the sink."""
    if not target.recipient("any.one").startswith("any.one@"):
        not_observable("the profile fixes the local part of recipients")


def initial_response(account: Account) -> bytes:
    """Return the base64 of a PLAIN message (RFC 4616 §2); mark it as secret before sending."""
    return base64.b64encode(b"\0".join((b"", account.username.encode(), account.password.encode())))


def must_answer(reply: Reply, wanted: str | tuple[str, ...], because: str) -> Reply:
    """Demand one of these replies; an unasked *later* tells nothing about conformance.

    Raises:
        NotMet: The reply is none of those wanted.
        Inconclusive: It is a 4yz that nobody asked for: throttling, or trouble of a moment.
    """
    if reply.is_transient and not answers(reply, wanted):
        inconclusive(f"the relay under test said {shown(reply)} where {wanted} was due")
    return must_reply(reply, wanted, because)


def must_refuse(reply: Reply, because: str, exactly: str | tuple[str, ...] = "5yz") -> None:
    """Demand a permanent refusal; remark on a code other than the one the texts name."""
    must_answer(reply, "5yz", because)
    remark_unless(reply, exactly, because)


def verdict_on_sender(probe: SMTPProbe, mail: Reply, target: Target) -> Reply:
    """Return the reply that judges the sender: MAIL's, or RCPT's where MAIL was accepted.

    RFC 5321 §3.3 lets a server accept the reverse-path and report problems when it has seen a
    forward-path; Postfix does so unless told otherwise.
    """
    if not mail.is_positive:
        return mail
    remark("MAIL was accepted, and the sender judged at RCPT (RFC 5321 §3.3)")
    return probe.rcpt(target.recipient())


def need_header_rule(target: Target) -> None:
    """End the check unless the profile says that the senders in the header are judged."""
    if target.claims("header_sender") is False:
        not_claimed("the profile judges the envelope alone")


def need_attachment_rule(target: Target) -> None:
    """End the check unless the profile says that attachments are refused."""
    if target.claims("attachments") == "accepted":
        not_claimed("the profile accepts attachments")


def open_transaction(probe: SMTPProbe, sender: str, recipients: Sequence[str]) -> None:
    """Send MAIL and RCPT that any conformant relay accepts."""
    must_answer(probe.mail(sender), "2yz", "MAIL from an allowed sender")
    for recipient in recipients:
        must_answer(probe.rcpt(recipient), "2yz", "RCPT to a valid recipient")


def enter_data(probe: SMTPProbe) -> None:
    """Send DATA and take the 354."""
    must_answer(probe.command("DATA"), "354", "the envelope is complete")


def send_content(probe: SMTPProbe, octets: bytes) -> Reply:
    """Send DATA, then exactly these octets and the end of data; return the final reply.

    The octets end with CRLF and are already dot-stuffed where they have to be.
    """
    enter_data(probe)
    probe.send(octets + b".\r\n")
    return probe.read_reply()


def due_reply(probe: SMTPProbe, what: str, within: float = 5.0) -> Reply:
    """Read a reply that has to come: here its absence is the offence, and no trouble of ours.

    Args:
        probe: Where it has to come.
        what: What it answers.
        within: Seconds until it must be there.

    Raises:
        NotMet: It did not come in time.
    """
    try:
        return probe.read_reply(timeout=within)
    except ReplyTimeout as late:
        raise NotMet(f"a reply to {what}", late.octets or "silence") from None


def must_be_alive(probe: SMTPProbe) -> None:
    """Demand that the next command gets its own reply: in step and still connected."""
    # Not `command`, which puts unasked replies aside: here they are the offence.
    probe.send(b"NOOP\r\n")
    must_answer(probe.read_reply(), "250", "the session is in step and goes on")


def wait_for_each(
    sink: SinkMX, token: str, recipients: Iterable[str], spell: Callable[[str], str] = str
) -> tuple[Delivery, ...]:
    """Wait until copies with this token have gone to each of these recipients.

    Args:
        sink: Where they are to arrive.
        token: What the content of each copy holds.
        recipients: Who is to get it; one copy may be for several of them.
        spell: Brings two spellings of one mailbox to the same text.

    Raises:
        NotDelivered: Some recipient got none.
    """
    missing = {spell(recipient) for recipient in recipients}
    count = 0
    while missing:
        count += 1
        sink.wait_for(token=token, count=count)
        copies = sink.deliveries(token=token)
        missing -= {spell(recipient) for copy in copies for recipient in copy.recipients}
    return sink.deliveries(token=token)


def copies_for(copies: Iterable[Delivery], recipient: str) -> int:
    """Count how often this recipient, spelled exactly so, is among the copies' recipients."""
    return sum(copy.recipients.count(recipient) for copy in copies)
