"""Relays that treat the next server, or the sender who waits for word of it, badly."""

from __future__ import annotations

import dataclasses
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, replace


def deferral_reported_as_failure() -> None:
    from reference_relay.queue.retry import RetrySchedule

    replace(RetrySchedule, "next_attempt", lambda self, *rest, **named: None)


def refusal_tried_again() -> None:
    from reference_relay.smtp.host_reply import Disposition, HostReply, Verdict

    replace(HostReply, "verdict", property(lambda self: Verdict(Disposition.TRANSIENT, self.text)))


def retried_every_ten_minutes() -> None:
    from reference_relay.queue.retry import RetrySchedule

    replace(RetrySchedule, "_delay", lambda self, attempts: 600.0)


def expired_in_silence() -> None:
    from reference_relay.delivery.notifier import Notifier

    @around(Notifier, "notifications")
    def silent(original: Broken, self: Any, claimed: Any, recorded: Any) -> Any:
        kept = {
            i: each for i, each in recorded.items() if "5.4.7" not in getattr(each, "reason", "")
        }
        return original(self, claimed, kept)


def reports_have_a_sender() -> None:
    from reference_relay.delivery.notifier import Notifier
    from reference_relay.mail.address import Mailbox

    @around(Notifier, "_queued")
    def signed(original: Broken, self: Any, *rest: Any) -> Any:
        message = original(self, *rest)
        postmaster = Mailbox("mailer-daemon", self._hostname)
        envelope = dataclasses.replace(message.envelope, reverse_path=postmaster)
        return dataclasses.replace(message, envelope=envelope)


def reports_go_to_the_author() -> None:
    import re

    from reference_relay.delivery.notifier import Notifier
    from reference_relay.mail.address import Mailbox
    from reference_relay.mail.envelope import Recipient

    @around(Notifier, "_queued")
    def misled(original: Broken, self: Any, about: Any, reports: Any) -> Any:
        message = original(self, about, reports)
        found = re.search(rb"(?mi)^from:[^\r]*?([\w.+-]+)@([\w.-]+)", about.content)
        author = Mailbox(*(part.decode() for part in found.groups())) if found else None
        recipients = (Recipient(author),) if author else message.envelope.recipients
        envelope = dataclasses.replace(message.envelope, recipients=recipients)
        return dataclasses.replace(message, envelope=envelope)


def last_reply_given_up_early() -> None:
    from reference_relay.delivery.settings import DeliverySettings

    # Less than the check keeps the reply back for.
    replace(DeliverySettings(()).timeouts, "content_seconds", 10.0)


def next_address_gets_it_too() -> None:
    from reference_relay.smtp.client_session import ClientSession

    @around(ClientSession, "_end_transaction")
    def certain(original: Broken, self: Any, *rest: Any, **named: Any) -> Any:
        return original(self, *rest, **{**named, "is_uncertain": False})


def unknown_codes_are_success() -> None:
    from reference_relay.smtp.host_reply import HostReply

    known = (421, 450, 451, 452, 454, 455)

    def lenient(self: Any) -> int:
        digit: int = self.code // 100
        return 2 if digit == 4 and self.code not in known else digit

    replace(HostReply, "first_digit", property(lenient))


def injected_replies_are_believed() -> None:
    from reference_relay.smtp.client_session import ClientSession

    @around(ClientSession, "_starttls_answered")
    def keeping(original: Broken, self: Any, reply: Any) -> None:
        self._kept = bytes(self._reader._buffer)
        original(self, reply)

    @around(ClientSession, "tls_started")
    def trusting(original: Broken, self: Any) -> None:
        # What followed the 220 is there when EHLO asks, and answers it.
        original(self)
        self._reader.feed(self._kept)


def one_state_for_all() -> None:
    from reference_relay.queue.queue import Queue

    @around(Queue, "status")
    def flat(original: Broken, self: Any, queue_id: str) -> Any:
        status = original(self, queue_id)
        if status is None:
            return None
        first = status.recipients[0]
        recipients = tuple(
            dataclasses.replace(each, history=first.history) for each in status.recipients
        )
        return dataclasses.replace(status, recipients=recipients)


def never_is_disregarded() -> None:
    from reference_relay.delivery import notifier

    replace(notifier, "is_wanted", lambda reverse_path, recipient, action: reverse_path is not None)


def wishes_do_not_travel() -> None:
    from reference_relay.smtp import outgoing_commands

    @around(outgoing_commands, "rcpt")
    def bare(original: Broken, offered: Any, transaction: Any, recipient: Any) -> Any:
        plain = {name: value for name, value in offered.items() if name != "DSN"}
        return original(plain, transaction, recipient)


def first_address_only() -> None:
    from reference_relay.delivery.attempt import Attempt

    @around(Attempt, "_try_address")
    async def once(original: Any, self: Any, host: str, address: Any) -> bool:
        await original(self, host, address)
        return False


def everybody_may_be_reached() -> None:
    from reference_relay.delivery.route import Router

    replace(Router, "_judge", lambda self, address: True)


def failed_look_up_is_no_such_domain() -> None:
    from reference_relay.lookup import resolver

    @around(resolver.DNSResolver, "_ask")
    async def hasty(original: Any, self: Any, name: Any, kind: Any) -> Any:
        try:
            return await original(self, name, kind)
        except resolver.LookupFailedError as error:
            raise resolver.NoSuchDomainError(str(error)) from error


def forced_on_lesser_hosts() -> None:
    from reference_relay.smtp import outgoing_commands

    replace(outgoing_commands, "obstacle", lambda offered, transaction: None)


MUTATIONS = {
    "deferral-reported-as-failure": Mutation(
        ("RLY-10",), deferral_reported_as_failure, "4yz is a failure at once."
    ),
    "refusal-tried-again": Mutation(("RLY-10",), refusal_tried_again, "5yz is tried again."),
    "retried-every-ten-minutes": Mutation(
        ("RLY-10",), retried_every_ten_minutes, "Attempts follow each other after ten minutes."
    ),
    "expired-in-silence": Mutation(
        ("RLY-11",), expired_in_silence, "A message that expires vanishes."
    ),
    "reports-have-a-sender": Mutation(
        ("RLY-12",), reports_have_a_sender, "Reports of failure have a reverse-path."
    ),
    "reports-go-to-the-author": Mutation(
        ("RLY-12",), reports_go_to_the_author, "Reports of failure go to the From field's mailbox."
    ),
    "last-reply-given-up-early": Mutation(
        ("RLY-15",), last_reply_given_up_early, "The wait for the last reply is short."
    ),
    "next-address-gets-it-too": Mutation(
        ("RLY-15",), next_address_gets_it_too, "After a lost last reply another host gets it, too."
    ),
    "unknown-codes-are-success": Mutation(
        ("RLY-16",), unknown_codes_are_success, "A 4yz that is not in the book counts as success."
    ),
    "injected-replies-are-believed": Mutation(
        ("RLY-16",), injected_replies_are_believed, "What comes in clear behind STARTTLS counts."
    ),
    "one-state-for-all": Mutation(
        ("RLY-20",), one_state_for_all, "The first recipient's state stands for all of them."
    ),
    "never-is-disregarded": Mutation(
        ("DSN-03",), never_is_disregarded, "Everything is reported, NOTIFY or not."
    ),
    "wishes-do-not-travel": Mutation(
        ("DSN-03",), wishes_do_not_travel, "NOTIFY and ORCPT are not passed on."
    ),
    "first-address-only": Mutation(
        ("RLY-07",), first_address_only, "Where the first address fails no other one is tried."
    ),
    "everybody-may-be-reached": Mutation(
        ("PATH-12",), everybody_may_be_reached, "The relay connects to hosts inside."
    ),
    "failed-look-up-is-no-such-domain": Mutation(
        ("PATH-26",), failed_look_up_is_no_such_domain, "SERVFAIL counts as NXDOMAIN."
    ),
    "forced-on-lesser-hosts": Mutation(
        ("UTF8-02", "8BIT-01"), forced_on_lesser_hosts, "UTF-8 and 8-bit go to any host."
    ),
}
