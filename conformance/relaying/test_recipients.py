"""RLY: who gets a message, who does not, and where a journey ends (RFC 5321 §6.3, App. C)."""

from __future__ import annotations

import re

import pytest

from conformance.judgement import must, not_observable, remark
from conformance.relaying.queue_ids import queue_id_of, wait_for_states
from conformance.requirement import requirement
from conformance.steps import (
    NothingArrived,
    copies_for,
    must_answer,
    must_refuse,
    open_transaction,
    sender_of,
    wait_for_each,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.sink import SinkMX
from fixtures.target import Target


@requirement("RLY-13")
@pytest.mark.parametrize("answer", ["550 5.1.1 No such user", "452 4.2.2 Mailbox full"])
def test_one_bad_recipient_spoils_nothing(
    answer: str,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """The others get their copy once, and only the bad recipient is reported or put off."""
    one, bad, two = recipients = [target.recipient(f"{n}-{token}") for n in ("one", "bad", "two")]
    sink.refuse(bad, answer)
    try:
        probe = session()
        reply = probe.submit(sender_of(target), recipients, message(token))
        wait_for_each(sink, token, [one, two])
        is_final = answer.startswith("5")
        nothing_arrived(f"another-{token}")
        copies = sink.deliveries(token=token)
        counts = {recipient: copies_for(copies, recipient) for recipient in recipients}
        must(counts == {one: 1, bad: 0, two: 1}, "one copy for each good recipient", counts)
        if target.control_plane is None:
            not_observable("the report on the bad recipient needs a control plane")
        wanted = ("bounced",) if is_final else ("deferred",)
        queue_id = queue_id_of(target, reply)
        wait_for_states(target, queue_id, 2, ("delivered",))
        states = wait_for_states(target, queue_id, 1, wanted)
        must(states == sorted(["delivered", "delivered", *wanted]), f"{wanted[0]} alone", states)
    finally:
        sink.accept(bad)


@requirement("RLY-17")
@pytest.mark.parametrize(
    "headers",
    [
        {"To": "{other}", "Cc": "{third}"},
        {"To": "undisclosed-recipients:;"},
        {"To": "{other}", "Bcc": "{third}"},
        {"To": "{other}", "Resent-To": "{third}", "Resent-From": "{own}"},
        {"To": "{other}", "X-Original-To": "{third}", "Delivered-To": "{third}"},
    ],
    ids=["to-cc", "undisclosed", "bcc", "resent", "trace"],
)
def test_only_the_envelope_counts(
    headers: dict[str, str],
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Whom the header names gets nothing, and who is in the envelope gets the message."""
    recipient = target.recipient(f"envelope-{token}")
    named = {name: target.recipient(f"{name}-{token}") for name in ("other", "third")}
    named["own"] = sender_of(target)
    fields = {name: value.format(**named) for name, value in headers.items()}
    probe = session()
    probe.submit(sender_of(target), recipient, message(token, **fields))
    copy = arrived(token)
    must(copy.recipients == (recipient,), f"{recipient} alone", copy.recipients)
    for name in ("other", "third"):
        strays = sink.deliveries(recipient=named[name])
        must(not strays, expected=f"nothing for {named[name]}", observed=strays)


@requirement("RLY-17")
def test_a_message_without_to_is_accepted(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """A message that names no recipient at all in its header goes where the envelope says."""
    content = re.sub(rb"(?m)^To: [^\r]*\r\n", b"", message(token), count=1)
    recipient = target.recipient(f"envelope-{token}")
    probe = session()
    probe.submit(sender_of(target), recipient, content)
    copy = arrived(token)
    must(copy.recipients == (recipient,), f"{recipient} alone", copy.recipients)


HOP = (
    b"Received: from a.example (a.example [192.0.2.1])\r\n\tby b.example with ESMTP id 1;\r\n"
    b" Mon, 2 Mar 2026 10:00:02 +0000\r\n"
)


_SURELY_NO_LOOP = 30


@requirement("RLY-18")
@pytest.mark.parametrize("hops", [30, 99])
def test_long_chains_are_legal(
    hops: int,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A message that has come a long way is accepted (RFC 5321 §6.3: at least 100)."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = probe.data(HOP * hops + message(token))
    if reply.is_permanent and hops > _SURELY_NO_LOOP:
        # RFC 5321 §6.3 says SHOULD: a smaller threshold is unwise and not forbidden.
        remark(f"{hops} Received fields are taken for a loop; RFC 5321 §6.3 would allow 100")
        return
    must_answer(reply, "250", f"{hops} Received fields are no loop")
    arrived(token)


@requirement("RLY-18")
def test_loops_end(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A message that has come too long a way is refused, or ended after it was accepted."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient(f"loop-{token}")])
    reply = probe.data(HOP * 150 + message(token))
    if not reply.is_positive:
        must_refuse(reply, "150 Received fields are a loop", exactly="554 5.4.6")
        nothing_arrived(token)
        return
    # The sender may be told by a bounce, which is mail for somebody else.
    remark("150 Received fields are no reason to refuse; the loop ends behind the 250")
    nothing_arrived(f"no-{token}")
    copies = sink.deliveries(recipient=target.recipient(f"loop-{token}"))
    must(not copies, expected="an end of the loop", observed=f"{len(copies)} copies at the sink")
