"""SND: no spelling, sequence or extension leads around the sender rule."""

from __future__ import annotations

import pytest

from conformance.header import fields_named
from conformance.judgement import must
from conformance.requirement import requirement
from conformance.service.sender_steps import carry_on, must_refuse_sender
from conformance.steps import (
    FOREIGN_SENDER,
    NothingArrived,
    must_answer,
    must_refuse,
    need_header_rule,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.probe import Reply, SMTPProbe
from fixtures.sink import SinkMX
from fixtures.target import Target

# Forms that some readers take for the configured domain and others do not.
TRICKS = {
    "percent": "mailer%{domain}@foreign.example",
    "percent-reversed": "mailer%foreign.example@evil.{domain}",
    "literal": "mailer@[192.0.2.1]",
    "ideographic-stop": "mailer@{head}\u3002{tail}",
    "full-width": "mailer@{wide}",
    "double-dot": "mailer@{head}..{tail}",
    "soft-hyphen": "mailer@{head}\u00ad.{tail}",
    "source-route": "@{domain}:mailer@foreign.example",
    "trailing-blank": "mailer@{domain} @foreign.example",
}


@requirement("SND-06")
@pytest.mark.parametrize("parameters", ["", "SMTPUTF8"])
@pytest.mark.parametrize("kind", list(TRICKS))
def test_tricks_of_spelling_are_refused(
    kind: str,
    parameters: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """No second spelling of a domain lets a foreign sender pass."""
    domain = target.account().domain
    head, _, tail = domain.partition(".")
    # U+FF01 ... U+FF5E are the wide forms of ASCII.
    wide = "".join(chr(ord(c) + 0xFEE0) if c.isalpha() else c for c in domain)
    sender = TRICKS[kind].format(domain=domain, head=head, tail=tail, wide=wide)
    must_refuse_sender(session(), sender, target, message(token), parameters)
    nothing_arrived(token)


AMBIGUOUS = (
    '"x@evil.example"@{domain}',
    '"x@{domain}"@evil.example',
    "x@{domain}.evil.example",
    "x@evil.example@{domain}",
    "x@{domain}@evil.example",
    "x@{domain}>@evil.example",
    "x@{domain}(@evil.example)",
    "(x@evil.example)x@{domain}",
    "=?utf-8?q?x=40evil.example?=@{domain}",
    "x@{domain}\0@evil.example",
    '"x\\"@evil.example"@{domain}',
)


@requirement("SND-07")
@pytest.mark.parametrize("sender", AMBIGUOUS, ids=range(len(AMBIGUOUS)))
def test_ambiguous_senders_are_refused_or_kept_whole(
    sender: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """What two readers may split differently is refused, or goes on with exactly this spelling."""
    domain = target.account().domain
    sender = sender.format(domain=domain)
    probe = session()
    reply = carry_on(probe, probe.mail(sender), target, message(token))
    must_answer(reply, ("250", "5yz"), "refused, or judged by its real domain")
    if reply.is_permanent:
        nothing_arrived(token)
        return
    seen = arrived(token).reverse_path
    must(seen == sender, expected=f"the sender {sender} unchanged", observed=seen)
    must(sender.endswith(f"@{domain}"), "a refusal: this is a foreign domain", seen)


@requirement("SND-08")
@pytest.mark.parametrize("between", ["", "RSET", "EHLO client.example", "NOOP"])
def test_each_transaction_is_judged(
    between: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A good message does not open the door for a foreign sender in the next transaction."""
    probe = session()
    probe.submit(sender_of(target), target.recipient(), message(f"good-{token[1:]}"))
    if between:
        must_answer(probe.command(between), "250", "between two transactions")
    must_refuse_sender(probe, FOREIGN_SENDER, target, message(token))
    nothing_arrived(token)


@requirement("SND-08")
def test_each_pipelined_transaction_is_judged(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """In one segment, too, MAIL after RSET is judged anew."""
    probe = session()
    rcpt = f"RCPT TO:<{target.recipient()}>\r\n"
    first = f"MAIL FROM:<{sender_of(target)}>\r\n{rcpt}RSET\r\n"
    probe.send(f"{first}MAIL FROM:<{FOREIGN_SENDER}>\r\n{rcpt}".encode())
    replies = [probe.read_reply() for _ in range(5)]
    for reply in replies[:3]:
        must_answer(reply, "250", "the first transaction is in order")
    # RFC 5321 §3.3: a server may judge the sender when it sees a recipient.
    second, decided = replies[3:]
    judged = decided if second.is_positive else second
    must_refuse(judged, "the second sender is foreign", exactly="550 5.7.1")
    must_refuse(decided, "no transaction is open", exactly="503")
    data = probe.command("DATA")
    must_refuse(data, "no recipient was accepted", exactly=("503", "554"))
    nothing_arrived(token)


@requirement("SND-16")
@pytest.mark.parametrize("place", ["envelope", "header"])
def test_refusals_make_no_bounces(
    place: str,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A refused sender gets its 5yz in the session, and nobody gets a bounce."""
    # The neighbour's mail comes to the sink, so a bounce to this address would be seen.
    forged = f"forged-{token}@{target.account('neighbour').domain}"
    if place == "header":
        need_header_rule(target)
    probe = session()
    mail = probe.mail(forged if place == "envelope" else sender_of(target))
    content = message(token) if place == "envelope" else message(token, from_=forged)
    must_refuse(carry_on(probe, mail, target, content), f"{forged} is foreign", "550 5.7.1")
    nothing_arrived(token)
    bounces = sink.deliveries(recipient=forged)
    must(not bounces, expected=f"no mail to {forged}", observed=bounces)


@requirement("SND-17")
@pytest.mark.parametrize("offence", ["envelope", "header", "two-from"])
@pytest.mark.parametrize("way", ["DATA", "BDAT", "pipelined", "SMTPUTF8", "8BITMIME", "HELO"])
def test_the_verdict_is_the_same_on_every_way(
    way: str,
    offence: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """Extensions and other ways to hand over a message do not get around the sender rule."""
    if offence != "envelope":
        need_header_rule(target)
    probe = session()
    keywords = probe.ehlo().keywords
    needed = {"BDAT": "CHUNKING", "pipelined": "PIPELINING"}.get(way, way)
    if needed not in ("DATA", "HELO") and needed not in keywords:
        return
    if way == "HELO":
        must_answer(probe.helo(), "250", "HELO is supported")
    sender = FOREIGN_SENDER if offence == "envelope" else sender_of(target)
    content = message(token)
    if offence != "envelope":
        content = message(token, from_=FOREIGN_SENDER)
    if offence == "two-from":
        content = f"From: {sender_of(target)}\r\n".encode() + content
    must(len(fields_named(content, "From")) == 1 + (offence == "two-from"), "a bad message")
    reply = submit_by(probe, way, sender, target.recipient(), content)
    must_refuse(reply, "the sender rule knows no way around it", exactly=("550 5.7.1", "554 5.6.0"))
    nothing_arrived(token)


def submit_by(probe: SMTPProbe, way: str, sender: str, recipient: str, content: bytes) -> Reply:
    """Submit a message in one of several ways; return the first refusal or the final reply."""
    parameters = {"SMTPUTF8": " SMTPUTF8", "8BITMIME": " BODY=8BITMIME"}.get(way, "")
    lines = [f"MAIL FROM:<{sender}>{parameters}\r\n", f"RCPT TO:<{recipient}>\r\n"]
    if way == "pipelined":
        probe.send("".join([*lines, "DATA\r\n"]).encode())
        replies = [probe.read_reply() for _ in range(3)]
    else:
        replies = []
        for line in lines:
            probe.send(line.encode())
            replies.append(probe.read_reply())
            if not replies[-1].is_positive:
                return replies[-1]
        if way == "BDAT":
            probe.send(b"BDAT %d LAST\r\n" % len(content) + content)
            return probe.read_reply()
        replies.append(probe.command("DATA"))
    if replies[-1].code == 354:
        probe.send(content + b".\r\n")
        return probe.read_reply()
    return next(reply for reply in replies if not reply.is_positive)
