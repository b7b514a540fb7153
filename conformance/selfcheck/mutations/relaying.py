"""Relays that break promises behind the 250."""

from __future__ import annotations

import dataclasses
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, replace


def hundredth_recipient_dropped() -> None:
    from reference_relay.smtp.transaction import Transaction

    @around(Transaction, "envelope")
    def short(original: Broken, self: Any) -> Any:
        envelope = original(self)
        return dataclasses.replace(envelope, recipients=envelope.recipients[:99])


def trace_becomes(**changes: Any) -> None:
    """Change what is written into Received."""
    from reference_relay.mail import trace

    @around(trace, "received")
    def changed(original: Broken, **named: Any) -> Any:
        return original(**{**named, **changes})


def received_with_esmtp() -> None:
    trace_becomes(protocol="ESMTP")


def received_without_cipher() -> None:
    trace_becomes(tls=None)


def received_with_another_id() -> None:
    trace_becomes(queue_id="0000000000")


def signed_before_unstuffing() -> None:
    from reference_relay.dkim.signer import Signer

    @around(Signer, "sign")
    def early(original: Broken, self: Any, content: bytes, timestamp: int) -> Any:
        return original(self, content.replace(b"\r\n.", b"\r\n.."), timestamp)


def signed_once() -> None:
    from reference_relay.dkim import signer

    @around(signer, "_signed_fields")
    def simple(original: Broken, fields: Any) -> Any:
        names, signed = original(fields)
        return [name for index, name in enumerate(names) if name not in names[:index]], signed


def other_outgoing_address() -> None:
    from reference_relay.delivery.agent import Agent

    replace(Agent, "_in_turn", lambda self, endpoint: ("127.0.0.1",))


def preferences_as_text() -> None:
    from reference_relay.delivery.route import Router

    replace(
        Router,
        "_in_order",
        lambda self, exchanges: tuple(
            each.host for each in sorted(exchanges, key=lambda each: str(each.preference))
        ),
    )


def address_instead_of_mx() -> None:
    from reference_relay.delivery.route import Route, Router

    @around(Router, "route")
    async def eager(original: Any, self: Any, domain: str) -> Any:
        found = await original(self, domain)
        return Route((*found.hosts, domain)) if isinstance(found, Route) else found


def null_mx_ignored() -> None:
    from reference_relay.delivery.route import Route, Router

    @around(Router, "route")
    async def deaf(original: Any, self: Any, domain: str) -> Any:
        found = await original(self, domain)
        return found if isinstance(found, Route) else Route((domain,))


def one_refusal_for_all() -> None:
    from reference_relay.delivery.attempt import Attempt
    from reference_relay.queue.queued_message import Delivered

    @around(Attempt, "_take")
    def rough(original: Broken, self: Any, outcomes: Any) -> None:
        bad = [each for each in outcomes.values() if not isinstance(each, Delivered)]
        original(self, dict.fromkeys(outcomes, bad[0]) if bad else outcomes)


def answered_before_written() -> None:
    import asyncio

    from reference_relay.queue.queue import Queue

    @around(Queue, "hand_over")
    def hasty(original: Broken, self: Any, message: Any, done: Any) -> None:
        asyncio.get_running_loop().call_later(0.2, original, self, message, lambda _: None)
        done(None)


def answered_before_synced() -> None:
    from reference_relay.queue import spool_file

    @around(spool_file, "_prepare")
    def careless(original: Broken, connection: Any, path: Any) -> None:
        original(connection, path)
        connection.pragma("synchronous", "off")


def header_recipients_added() -> None:
    import re

    from reference_relay.mail.address import Mailbox
    from reference_relay.mail.envelope import Recipient
    from reference_relay.submission import accept

    @around(accept, "prepare")
    def generous(original: Broken, *arguments: Any, **named: Any) -> Any:
        message = original(*arguments, **named)
        header = message.content.partition(b"\r\n\r\n")[0].decode("utf-8", "replace")
        found = re.findall(r"(?m)^(?:To|Cc):.*?([\w.+-]+)@([\w.-]+)", header)
        more = tuple(Recipient(Mailbox(local_part, domain)) for local_part, domain in found)
        envelope = dataclasses.replace(
            message.envelope, recipients=message.envelope.recipients + more
        )
        return dataclasses.replace(message, envelope=envelope)


def queued_before_judged() -> None:
    import asyncio
    import dataclasses

    from reference_relay.mail.content import outline
    from reference_relay.submission import accept
    from reference_relay.submission.answers import Answers

    @around(Answers, "content")
    def hasty(original: Broken, self: Any, event: Any, cipher: Any) -> Any:
        first = dataclasses.replace(event.envelope, recipients=event.envelope.recipients[:1])
        message = accept.prepare(
            self._context,
            self._endpoint,
            self._account,
            first,
            outline(event.content),
            client_name="x",
            client_address="127.0.0.1",
            cipher=None,
        )
        loop = asyncio.get_running_loop()
        self._hasty = loop.create_task(self._context.queue.commit(message))
        return original(self, event, cipher)


def loops_after_25() -> None:
    from reference_relay.submission import accept

    replace(accept, "_MAXIMUM_HOPS", 25)


def lf_sessions_refused() -> None:
    from reference_relay.smtp.receive_buffer import BrokenLine, LineEnd, ReceiveBuffer

    @around(ReceiveBuffer, "next_line")
    def strict(original: Broken, self: Any) -> Any:
        line = original(self)
        is_bare = self.line_end is LineEnd.LF and isinstance(line, bytes)
        return BrokenLine.BARE_LINE_END if is_bare else line


MUTATIONS = {
    "hundredth-recipient-dropped": Mutation(
        ("RLY-01",), hundredth_recipient_dropped, "The hundredth recipient gets nothing."
    ),
    "received-with-esmtp": Mutation(
        ("RLY-02",), received_with_esmtp, "Received says ESMTP, without TLS and AUTH."
    ),
    "received-without-cipher": Mutation(
        ("RLY-03",), received_without_cipher, "Received does not name the cipher."
    ),
    "signed-before-unstuffing": Mutation(
        ("RLY-04",), signed_before_unstuffing, "The signature covers dots that are gone."
    ),
    "signed-once": Mutation(
        ("RLY-05",), signed_once, "A From added later does not break the signature."
    ),
    "other-outgoing-address": Mutation(
        ("RLY-06",), other_outgoing_address, "Mail leaves from an address that is not listed."
    ),
    "preferences-as-text": Mutation(
        ("RLY-07",), preferences_as_text, "MX preferences are sorted as text."
    ),
    "address-instead-of-mx": Mutation(
        ("RLY-08",), address_instead_of_mx, "Where the MX hosts fail, the domain's address is used."
    ),
    "null-mx-ignored": Mutation(
        ("RLY-09",), null_mx_ignored, "A domain that takes no mail gets it at its address."
    ),
    "one-refusal-for-all": Mutation(
        ("RLY-13",), one_refusal_for_all, "One bad recipient fails for all of them."
    ),
    "answered-before-written": Mutation(
        ("RLY-14",), answered_before_written, "250 comes before the message is on disk."
    ),
    "answered-before-synced": Mutation(
        ("RLY-14",), answered_before_synced, "250 is said for what only a running machine keeps."
    ),
    "header-recipients-added": Mutation(
        ("RLY-17",), header_recipients_added, "Who is named in To gets the message, too."
    ),
    "queued-before-judged": Mutation(
        ("DATA-17", "ATT-22"), queued_before_judged, "The first copy is queued before the verdict."
    ),
    "loops-after-25": Mutation(("RLY-18",), loops_after_25, "25 Received fields are a loop."),
    "received-with-another-id": Mutation(
        ("RLY-19",), received_with_another_id, "The trace has another ID than the reply."
    ),
    "lf-sessions-refused": Mutation(
        ("INT-02",), lf_sessions_refused, "Lines with bare LF are refused against the profile."
    ),
}
