"""CMD: the order of commands, and what a refused one leaves behind (RFC 5321 §3.3, §4.1.4)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, not_observable
from conformance.requirement import requirement
from conformance.steps import (
    FOREIGN_SENDER,
    NothingArrived,
    enter_data,
    initial_response,
    must_answer,
    must_refuse,
    open_transaction,
    send_content,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.sink import SinkMX
from fixtures.target import Target


@requirement("CMD-06")
def test_mail_needs_a_greeting_in_clear(connect: Connect, target: Target) -> None:
    """MAIL before any EHLO or HELO opens no transaction."""
    probe = connect()
    must_answer(probe.read_reply(), "220", "a new connection is greeted")
    reply = probe.command(f"MAIL FROM:<{sender_of(target)}>")
    must_refuse(reply, "no EHLO was sent", exactly=("503", "530"))


@requirement("CMD-06")
def test_mail_needs_a_greeting_after_tls(clear: Connect, target: Target) -> None:
    """The EHLO of before the handshake does not count after it."""
    probe = clear()
    must_answer(probe.ehlo(), "250", "EHLO with a domain is answered")
    must_answer(probe.starttls(), "220", "STARTTLS is offered")
    reply = probe.command(f"MAIL FROM:<{sender_of(target)}>")
    must_refuse(reply, "TLS reset the session", exactly=("503", "530"))


@requirement("CMD-07")
def test_rcpt_needs_mail(session: LogIn, target: Target) -> None:
    """RCPT without MAIL is refused with 503 and changes nothing."""
    probe = session()
    reply = probe.command(f"RCPT TO:<{target.recipient()}>")
    must_refuse(reply, "no MAIL was sent", exactly="503")
    must_refuse(probe.command("DATA"), "no MAIL was sent", exactly="503")
    open_transaction(probe, sender_of(target), [target.recipient()])


@requirement("CMD-08")
@pytest.mark.parametrize("verb", ["DATA", "BDAT"])
def test_no_valid_recipient_no_message(
    verb: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """Content for a transaction whose recipients were all refused reaches nobody."""
    probe = session()
    if verb == "BDAT" and "CHUNKING" not in probe.ehlo().keywords:
        return
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    # An unknown parameter makes the refusal certain, with an address that would be deliverable.
    refused = probe.command(f"RCPT TO:<{target.recipient()}> FROB=1")
    must_refuse(refused, "no such parameter", exactly=("555", "501", "504"))
    content = message(token)
    if verb == "BDAT":
        probe.send(b"BDAT %d LAST\r\n" % len(content) + content)
        must_refuse(probe.read_reply(), "nobody is to get it", exactly=("503", "554"))
    else:
        reply = probe.command("DATA")
        must_answer(reply, ("503", "5yz", "354"), "nobody is to get it")
        if reply.code == 354:
            probe.send(content + b".\r\n")
            must_refuse(probe.read_reply(), "nobody is to get it", exactly=("503", "554"))
    nothing_arrived(token)


@requirement("CMD-09")
def test_second_mail_is_refused_without_effect(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A second MAIL in a transaction is 503, and the first sender stays the sender."""
    first, second = sender_of(target, "first"), sender_of(target, "second")
    probe = session()
    open_transaction(probe, first, [target.recipient()])
    must_refuse(probe.mail(second), "a transaction is open", exactly="503")
    must_answer(probe.data(message(token)), "250", "the transaction is still open")
    delivery = arrived(token)
    must(
        delivery.reverse_path == first,
        expected=f"{first} as the sender at the sink",
        observed=delivery.reverse_path,
    )


@requirement("CMD-10")
def test_state_outlives_refusals(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Commands out of order are refused and the transaction goes on."""
    response = initial_response(target.account())
    probe = session()
    probe.secret(response)
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    must_refuse(probe.command(b"AUTH PLAIN " + response), "inside a transaction", exactly="503")
    must_answer(probe.rcpt(target.recipient()), "250", "the transaction is still open")
    again = probe.command("STARTTLS")
    must(again.first_digit in (4, 5), expected="no second TLS layer", observed=again.raw)
    must_refuse(probe.mail(sender_of(target)), "a transaction is open", exactly="503")
    must_answer(probe.data(message(token)), "250", "the transaction is still open")
    arrived(token)


@requirement("CMD-11")
def test_transactions_do_not_leak(
    session: LogIn, target: Target, sink: SinkMX, message: ComposeMessage, token: str
) -> None:
    """Messages on one connection carry their own envelope and nothing of the one before."""
    envelopes = [
        (sender_of(target, f"from-{number}"), target.recipient(f"to-{number}-{token}"))
        for number in range(3)
    ]
    probe = session()
    has_dsn = "DSN" in probe.ehlo().keywords
    for number, (sender, recipient) in enumerate(envelopes):
        parameters = (" RET=HDRS", " NOTIFY=NEVER") if has_dsn and number == 0 else ("", "")
        mail = probe.command(f"MAIL FROM:<{sender}>{parameters[0]}")
        must_answer(mail, "250", "MAIL from an allowed sender")
        rcpt = probe.command(f"RCPT TO:<{recipient}>{parameters[1]}")
        must_answer(rcpt, "250", "RCPT to a valid recipient")
        reply = probe.data(message(token) + b"number %d\r\n" % number)
        must_answer(reply, "250", "the message is valid")
    for number, (sender, recipient) in enumerate(envelopes):
        delivery = sink.wait_for(recipient=recipient)
        must(
            (delivery.reverse_path, delivery.recipients) == (sender, (recipient,))
            and delivery.content.endswith(b"number %d\r\n" % number),
            expected=f"message {number} from {sender} to {recipient} only",
            observed=f"{delivery.reverse_path} to {delivery.recipients}",
        )
    copies = sink.deliveries(token=token)
    must(len(copies) == 3, expected="three deliveries", observed=f"{len(copies)} deliveries")


def failed_mail(target: Target, kind: str) -> str:
    """Return a MAIL command that is to be refused for this reason."""
    return {
        "foreign-sender": f"MAIL FROM:<{FOREIGN_SENDER}>",
        "unknown-parameter": f"MAIL FROM:<{sender_of(target)}> FROB=1",
        "syntax": f"MAIL FROM:<{sender_of(target)}",
    }[kind]


@requirement("CMD-12")
@pytest.mark.parametrize("kind", ["foreign-sender", "unknown-parameter", "syntax"])
def test_failed_mail_opens_no_transaction(kind: str, session: LogIn, target: Target) -> None:
    """After a refused MAIL, RCPT and DATA are 503."""
    probe = session()
    reply = probe.command(failed_mail(target, kind))
    if reply.is_positive and kind == "foreign-sender":
        not_observable("a foreign sender is not refused at MAIL here")
    must_refuse(reply, "this MAIL is wrong", exactly=("550", "555", "501", "504"))
    rcpt = probe.rcpt(target.recipient())
    must_refuse(rcpt, "no transaction is open", exactly="503")
    must_refuse(probe.command("DATA"), "no transaction is open", exactly="503")


@requirement("CMD-12")
def test_failed_mail_leaves_room_for_a_good_one(
    session: LogIn, target: Target, message: ComposeMessage, token: str
) -> None:
    """After a refused MAIL the next, right one opens the transaction."""
    probe = session()
    must_refuse(probe.command(failed_mail(target, "unknown-parameter")), "no such parameter")
    open_transaction(probe, sender_of(target), [target.recipient()])
    must_answer(send_content(probe, message(token)), "250", "the message is valid")


@requirement("CMD-08")
def test_data_needs_a_transaction(session: LogIn, target: Target) -> None:
    """DATA after MAIL alone starts no data phase that could end in a delivery."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    must_refuse(probe.command("DATA"), "no recipient was given", exactly=("503", "554"))
    must_answer(probe.rcpt(target.recipient()), "250", "the transaction is still open")
    enter_data(probe)
