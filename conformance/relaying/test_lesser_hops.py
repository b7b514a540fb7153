"""UTF8 and 8BIT: mail that the next server cannot take as it is (RFC 6531 §3.2, RFC 6152 §3)."""

from __future__ import annotations

import email

from conformance.judgement import must
from conformance.relaying.next_hop import OpenNextHop, must_reach, wait_until
from conformance.relaying.report import reports_to
from conformance.requirement import requirement
from conformance.steps import must_answer, sender_of
from fixtures.plugin import ComposeMessage, LogIn
from fixtures.sink import EXTENSIONS, SinkMX
from fixtures.target import Target

WITHOUT_UTF8 = tuple(keyword for keyword in EXTENSIONS if keyword != "SMTPUTF8")
SEVEN_BITS = tuple(keyword for keyword in WITHOUT_UTF8 if keyword != "8BITMIME")


@requirement("UTF8-02")
def test_internationalised_mail_is_not_forced_on_a_lesser_host(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
) -> None:
    """Without SMTPUTF8 at the next host the sender hears of it, and no UTF-8 mailbox goes there."""
    hop = next_hop(WITHOUT_UTF8)
    sender = sender_of(target, f"world-{token}")
    probe = session()
    must_answer(probe.mail(sender, "SMTPUTF8"), "250", "SMTPUTF8 is offered")
    must_answer(probe.rcpt(hop.recipient("jörg")), "250", "a mailbox in UTF-8")
    must_answer(probe.data(message(token)), "250", "a good message")
    wait_until(lambda: bool(reports_to(sink, sender)) or hop.sink.taken > 0)
    said = b"".join(each.octets("C") for each in hop.sink.transcripts)
    must(said.isascii(), expected="ASCII alone on the wire", observed=said[:500])
    copies = hop.sink.deliveries()
    must(not copies, expected="no copy for somebody else", observed=copies)
    statuses = [each["status"] for one in reports_to(sink, sender) for each in one.about_recipients]
    must(statuses == ["5.6.7"], expected="a report with 5.6.7", observed=statuses)


@requirement("UTF8-02")
def test_an_internationalised_domain_is_looked_up_by_its_a_label(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
) -> None:
    """A domain in UTF-8 is found by its A-label, and the mailbox arrives as it was sent."""
    hop = next_hop(label="bücher")
    recipient = hop.recipient("jörg")
    probe = session()
    must_answer(probe.mail(sender_of(target), "SMTPUTF8"), "250", "SMTPUTF8 is offered")
    must_answer(probe.rcpt(recipient), "250", "a mailbox in UTF-8")
    must_answer(probe.data(message(token)), "250", "a good message")
    copy = must_reach(hop.sink, "the message", token=token)
    must(copy.recipients == (recipient,), expected=recipient, observed=copy.recipients)
    must("SMTPUTF8" in copy.mail_parameters, "SMTPUTF8 asked for", copy.mail_parameters)


@requirement("8BIT-01")
def test_eight_bits_are_not_forced_on_a_lesser_host(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
) -> None:
    """Without 8BITMIME at the next host the content comes encoded, or the sender hears of it."""
    hop = next_hop(SEVEN_BITS)
    sender = sender_of(target, f"bits-{token}")
    fields = {"MIME_Version": "1.0", "Content_Type": "text/plain; charset=utf-8"}
    body = "Grüße"
    content = message(token, body, Content_Transfer_Encoding="8bit", **fields)
    probe = session()
    must_answer(probe.mail(sender, "BODY=8BITMIME"), "250", "8BITMIME is offered")
    must_answer(probe.rcpt(hop.recipient()), "250", "a valid recipient")
    must_answer(probe.data(content), "250", "a good message")
    wait_until(lambda: bool(reports_to(sink, sender)) or hop.sink.taken > 0)
    copies = hop.sink.deliveries()
    if not copies:
        actions = [each.actions for each in reports_to(sink, sender)]
        must(actions == [["failed"]], expected="a report of failure", observed=actions)
        return
    [copy] = copies
    must(not copy.offences, expected="nothing that was not offered", observed=copy.offences)
    decoded = email.message_from_bytes(copy.content).get_payload(decode=True)
    is_same = isinstance(decoded, bytes) and decoded.rstrip(b"\r\n") == body.encode()
    must(is_same, expected="the same octets, encoded", observed=copy.content)
