"""What submission asks before it says yes: the rules in the order they are met.

Each question is answered from the directory in force at that moment, so that a suspension, a
deleted user or a changed rule counts from the next MAIL on (D-14, D-19).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from reference_relay.mail import trace
from reference_relay.mail.address import Mailbox
from reference_relay.mail.content import Outline, complete_outline
from reference_relay.mail.date_time import written
from reference_relay.mail.envelope import Envelope
from reference_relay.policy import message, recipient, sender_domain
from reference_relay.queue.queued_message import QueuedMessage
from reference_relay.service.model import Account, Endpoint
from reference_relay.smtp import replies
from reference_relay.smtp.reply import Reply
from reference_relay.submission.context import SubmissionContext

# RFC 5321 §6.3: loops are found by counting, with a threshold of at least 100.
_MAXIMUM_HOPS = 100


def judge_sender(
    context: SubmissionContext,
    endpoint: Endpoint,
    username: str,
    client_address: str,
    reverse_path: Mailbox | None,
) -> Account | Reply:
    """Say on whose account a transaction starts, or why it does not."""
    directory = context.directory()
    now = context.now()
    accounts = [
        one
        for one in directory.accounts(username)
        if directory.admits_account(one, endpoint, client_address, now)
    ]
    if not accounts:
        return replies.ACCESS_WITHDRAWN
    account = _account_for(accounts, reverse_path, context.switches.subdomains)
    if missing := account.configuration.verification.missing:
        # D-14: the client learns what is missing, in one line.
        return Reply(550, "5.7.1", (f"Sending is not possible: {', '.join(missing)} not verified",))
    refusal = sender_domain.judge_reverse_path(
        reverse_path, account.configuration.domain, subdomains=context.switches.subdomains
    )
    return refusal or account


def _account_for(
    accounts: Sequence[Account], reverse_path: Mailbox | None, subdomains: bool
) -> Account:
    """Choose among the accounts of a cloned user the one whose domain the sender is in."""
    for account in accounts if len(accounts) > 1 else ():
        domain = account.configuration.domain
        if not sender_domain.judge_reverse_path(reverse_path, domain, subdomains=subdomains):
            return account
    return accounts[0]


def judge_recipient(mailbox: Mailbox) -> Reply | None:
    """Say why a forward-path is refused, if it is."""
    return recipient.judge_forward_path(mailbox)


def judge_content(context: SubmissionContext, account: Account, found: Outline) -> Reply | None:
    """Say why content is refused, if it is: hops, sender, header fields, attachments."""
    if b"received" in found.by_key:
        hops = sum(name.lower() == b"received" for name, _ in found.fields)
        if hops > _MAXIMUM_HOPS:
            return replies.TOO_MANY_HOPS
    return message.judge_message(
        found,
        account.configuration.domain,
        context.attachment_rules,
        subdomains=context.switches.subdomains,
    )


def prepare(
    context: SubmissionContext,
    endpoint: Endpoint,
    account: Account,
    envelope: Envelope,
    found: Outline,
    *,
    client_name: str,
    client_address: str,
    cipher: str | None,
) -> QueuedMessage:
    """Make the message as it is spooled: completed (RFC 6409 §8) and traced (RFC 5321 §4.4)."""
    queue_id = context.next_queue_id()
    now = context.now()
    date = _date(int(now))
    completed = complete_outline(found, date=date, message_id=f"<{queue_id}@{context.hostname}>")
    received = trace.received(
        client_name=client_name,
        client_address=client_address,
        by=context.hostname,
        queue_id=queue_id,
        protocol="UTF8SMTPSA" if envelope.is_smtputf8 else "ESMTPSA",
        tls=cipher,
        # RFC 5321 §7.2: one recipient may be named; several would tell of each other.
        recipient=envelope.recipients[0].mailbox if len(envelope.recipients) == 1 else None,
        date=date,
    )
    return QueuedMessage(
        queue_id=queue_id,
        envelope=envelope,
        content=received + completed,
        endpoint=endpoint.key,
        configuration_id=account.configuration.id,
        accepted_at=now,
    )


@functools.lru_cache(maxsize=4)
def _date(second: int) -> str:
    return written(second)
