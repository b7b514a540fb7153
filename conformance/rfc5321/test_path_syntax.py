"""PATH: malformed, ambiguous and source-routed paths, and parameters (RFC 5321 §4.1.1, §4.1.3)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, not_claimed, remark
from conformance.requirement import requirement
from conformance.steps import (
    FOREIGN_SENDER,
    NothingArrived,
    free_local_parts,
    must_answer,
    must_refuse,
    need_header_rule,
    open_transaction,
    sender_of,
    verdict_on_sender,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.sink import SinkMX
from fixtures.target import Target

SYNTAX = ("501", "553", "555")


@requirement("PATH-06")
@pytest.mark.parametrize("local_part", [".a", "a.", "a..b"])
def test_misplaced_dots_are_refused(local_part: str, session: LogIn, target: Target) -> None:
    """A dot at the edge of a local part, or two in a row, is a syntax error."""
    probe = session()
    must_refuse(probe.mail(sender_of(target, local_part)), "no dot-string", exactly=SYNTAX)
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    must_refuse(probe.rcpt(target.recipient(local_part)), "no dot-string", exactly=SYNTAX)


@requirement("PATH-08")
@pytest.mark.parametrize(
    ("mail", "rcpt"),
    [("mail from: {}", "rcpt to: {}"), ("MAIL FROM: <{}>", "RCPT TO: <{}>")],
    ids=["no-brackets", "blank-only"],
)
def test_lenient_paths_follow_the_profile(
    mail: str,
    rcpt: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """The blank and the missing brackets of the documented session do what the profile says."""
    probe = session()
    sender, recipient = sender_of(target), target.recipient()
    reply = probe.command(mail.format(sender))
    if target.claims("strict_paths") is None:
        not_claimed("the profile does not say how strict it is about paths")
    if target.claims("strict_paths"):
        must_refuse(reply, "the profile is strict about paths", exactly="501")
        return
    must_answer(reply, "250", "the documented session does so")
    must_answer(probe.command(rcpt.format(recipient)), "250", "the documented session does so")
    must_answer(probe.data(message(token)), "250", "the message is valid")
    delivery = arrived(token)
    must(
        (delivery.reverse_path, delivery.recipients) == (sender, (recipient,)),
        expected=f"{sender} to {recipient}",
        observed=f"{delivery.reverse_path} to {delivery.recipients}",
    )


@requirement("PATH-08")
@pytest.mark.parametrize("mail", ["mail from: {}", "MAIL FROM:{}", "MAIL FROM: <{}>"])
def test_lenient_paths_meet_the_sender_rule(mail: str, session: LogIn, target: Target) -> None:
    """A foreign sender is refused in every spelling of MAIL."""
    probe = session()
    reply = verdict_on_sender(probe, probe.command(mail.format(FOREIGN_SENDER)), target)
    must_refuse(reply, "the sender is not in the domain", exactly=("550", "501"))


@requirement("PATH-09")
def test_source_routes_in_rcpt_are_ignored(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A source route is dropped and the mail goes to its last mailbox, or it is refused."""
    recipient = target.recipient()
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    reply = probe.command(f"RCPT TO:<@a.example,@b.example:{recipient}>")
    must_answer(reply, ("250", "5yz"), "source routes are accepted, or refused by policy")
    if reply.is_positive:
        must_answer(probe.data(message(token)), "250", "the recipient was accepted")
        delivery = arrived(token)
        must(delivery.recipients == (recipient,), recipient, delivery.recipients)


@requirement("PATH-10")
def test_source_route_hides_no_sender(session: LogIn, target: Target) -> None:
    """The sender is the last mailbox of the path, whatever route stands in front of it."""
    own = target.account().domain
    probe = session()
    hidden = probe.command(f"MAIL FROM:<@{own}:{FOREIGN_SENDER}>")
    judged = verdict_on_sender(probe, hidden, target)
    must_refuse(judged, "the mailbox is foreign", exactly=("550", "501"))
    if hidden.is_positive:
        must_answer(probe.command("RSET"), "250", "RSET ends what is left")
    open_one = probe.command(f"MAIL FROM:<@foreign.example:{sender_of(target)}>")
    must_answer(open_one, ("250", "5yz"), "the mailbox is in the domain")


@requirement("PATH-11")
@pytest.mark.parametrize("literal", ["[192.0.2.7]", "[IPv6:2001:db8::7]", "[IPv6:::1]"])
def test_address_literals_are_understood(literal: str, session: LogIn, target: Target) -> None:
    """A well-formed address literal is accepted, or refused by policy, never as bad syntax."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    reply = must_answer(probe.rcpt(f"u@{literal}"), ("250", "5yz"), "the literal is well-formed")
    # RFC 5321 §4.2.3: x0z is syntax, and 553 a name that is not allowed by its form.
    is_syntax = reply.code in (500, 501, 502, 503, 504, 553, 555) or reply.enhanced == "5.1.3"
    must(not is_syntax, "250, or a refusal that speaks of policy", reply.raw)


@requirement("PATH-11")
@pytest.mark.parametrize(
    "literal",
    ["[256.1.1.1]", "[1.2.3]", "[IPv6:1::2::3]", "[::1]", "[IPv6:12345::]", "[]", "[192.0.2.7"],
)
def test_malformed_address_literals_are_refused(
    literal: str, session: LogIn, target: Target
) -> None:
    """What only looks like an address literal is refused."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    must_refuse(probe.rcpt(f"u@{literal}"), "no such address", exactly="501")


@requirement("PATH-13")
@pytest.mark.parametrize("address", ["u@localhost", "u@sales", "u"])
def test_domains_are_fully_qualified(
    address: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A recipient with a single label or no domain is refused, or leaves with a whole one."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    refusal = probe.command(f"RCPT TO:<{address}>")
    if not refusal.is_positive:
        must_refuse(refusal, "no fully qualified domain", exactly=("554", "501", "553", "550"))
        return
    # RFC 6409 §4.2 tolerates a local convention that completes it; what leaves must be complete.
    must_answer(probe.data(message(token)), "250", "the recipient was accepted")
    for recipient in arrived(token).recipients:
        domain = recipient.rpartition("@")[2]
        must("." in domain, "a fully qualified domain, or a refusal", f"RCPT TO:<{recipient}>")
    remark(f"{address} was completed by a local convention")


@requirement("PATH-15")
@pytest.mark.parametrize(
    "domain",
    [
        "a_b.example",
        "-a.example",
        "a-.example",
        "a..example",
        ".example",
        "a$b.example",
        "a b.example",
    ],
)
def test_malformed_domains_are_refused(domain: str, session: LogIn, target: Target) -> None:
    """A domain is letters, digits and inner hyphens between single dots."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    must_refuse(probe.rcpt(f"u@{domain}"), "no such domain", exactly="501")


@requirement("PATH-15")
def test_trailing_dot_is_refused_or_normalised(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """A domain with a trailing dot is 501, or the domain without it, for sender and recipient."""
    probe = session()
    mail = probe.mail(sender_of(target) + ".")
    must_answer(mail, ("250", "5yz"), "501 or normalised")
    if not mail.is_positive:
        must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    rcpt = probe.rcpt(target.recipient() + ".")
    must_answer(rcpt, ("250", "5yz"), "501 or normalised")
    must(
        mail.first_digit == rcpt.first_digit,
        expected="the same for sender and recipient",
        observed=f"{mail}; {rcpt}",
    )
    if rcpt.is_positive:
        must_answer(probe.data(message(token)), "250", "the recipient was accepted")
        delivery = arrived(token)
        seen = (delivery.reverse_path, *delivery.recipients)
        must(seen == (sender_of(target), target.recipient()), "both without the dot", seen)


@requirement("PATH-17")
def test_null_reverse_path_with_own_from(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """The null reverse-path is accepted when the header's From is in the domain."""
    probe = session()
    mail = probe.command("MAIL FROM:<>")
    if target.claims("null_reverse_path") is False:
        must_refuse(mail, "the profile refuses null senders", exactly="550")
        return
    must_answer(mail, "250", "a null reverse-path is legal")
    must_answer(probe.rcpt(target.recipient()), "250", "RCPT to a valid recipient")
    must_answer(probe.data(message(token)), "250", "From is in the domain")
    delivery = arrived(token)
    must(delivery.reverse_path == "", "the null reverse-path at the sink", delivery.reverse_path)


@requirement("PATH-17")
def test_null_reverse_path_does_not_free_the_from(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A foreign From is refused under a null reverse-path as under any other."""
    need_header_rule(target)
    probe = session()
    mail = probe.command("MAIL FROM:<>")
    if mail.is_positive:
        must_answer(probe.rcpt(target.recipient()), "250", "RCPT to a valid recipient")
        reply = probe.data(message(token, From=f"Mailer <{FOREIGN_SENDER}>"))
        must_refuse(reply, "From is foreign", exactly=("550", "554"))
    else:
        must_answer(mail, "5yz", "accepted, or refused by profile")
    nothing_arrived(token)


@requirement("PATH-22")
@pytest.mark.parametrize(
    "path",
    [
        "<a@{0}>@{1}",
        "<a@{0}@{1}>",
        "<a@{0}> junk",
        "<a@{0}>,<c@{1}>",
        "<(c)a@{0}>",
        "<<a@{0}>>",
        "<a@{0}",
        "a@{0}>",
        '<"a@{0}>',
        "<a b@{0}>",
        "Name <a@{0}>",
    ],
)
def test_ambiguous_paths_are_refused(path: str, session: LogIn, target: Target) -> None:
    """A path that two parsers could read differently is refused, not guessed at."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    domain = target.recipient().rpartition("@")[2]
    reply = probe.command("RCPT TO:" + path.format(domain, "b.example"))
    must_refuse(reply, "no path of the grammar", exactly=SYNTAX)
    must_refuse(probe.command("DATA"), "no recipient was accepted", exactly=("503", "554"))


@requirement("PATH-22")
def test_encoded_words_are_opaque_in_paths(
    session: LogIn, target: Target, sink: SinkMX, message: ComposeMessage, token: str
) -> None:
    """What looks like an encoded word is a local part like any other."""
    free_local_parts(target)
    recipient = target.recipient(f"=?utf-8?q?{token}=40b.example?=")
    probe = session()
    open_transaction(probe, sender_of(target), [recipient])
    must_answer(probe.data(message(token)), "250", "the recipient was accepted")
    delivery = sink.wait_for(recipient=recipient)
    must(delivery.recipients == (recipient,), recipient, delivery.recipients)
