"""PATH: which mailboxes are accepted and how they reach the sink (RFC 5321 §4.1.2, §4.5.3.1)."""

from __future__ import annotations

import pytest

from conformance.judgement import must, not_claimed, not_observable, remark_unless
from conformance.requirement import requirement
from conformance.steps import (
    copies_for,
    free_local_parts,
    must_answer,
    must_refuse,
    open_transaction,
    sender_of,
    wait_for_each,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.sink import SinkMX
from fixtures.target import Target

# RFC 5322 §3.2.3: atext without letters and digits.
ATEXT_SPECIALS = "!#$%&'*+-/=?^_`{|}~"


def must_reach(sink: SinkMX, token: str, recipients: list[str]) -> None:
    """Demand one copy for each of these recipients, spelled exactly as here."""
    copies = wait_for_each(sink, token, recipients)
    counts = {recipient: copies_for(copies, recipient) for recipient in recipients}
    must(set(counts.values()) == {1}, "one copy for each recipient, unchanged", counts)


@requirement("PATH-01")
def test_all_atext_in_recipients(
    session: LogIn, target: Target, sink: SinkMX, message: ComposeMessage, token: str
) -> None:
    """Every atext character is accepted in a recipient's local part and arrives unchanged."""
    free_local_parts(target)
    recipients = [target.recipient(f"a{special}{token}") for special in ATEXT_SPECIALS]
    recipients.append(target.recipient(f"{ATEXT_SPECIALS}{token}"))
    probe = session()
    open_transaction(probe, sender_of(target), recipients)
    must_answer(probe.data(message(token)), "250", "all recipients were accepted")
    must_reach(sink, token, recipients)


@requirement("PATH-01")
@pytest.mark.parametrize("local_part", [ATEXT_SPECIALS, "o'neil+news/2026"])
def test_all_atext_in_the_sender(
    local_part: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Every atext character is accepted in the sender's local part and arrives unchanged."""
    sender = sender_of(target, local_part)
    probe = session()
    open_transaction(probe, sender, [target.recipient()])
    must_answer(probe.data(message(token)), "250", "the sender was accepted")
    delivery = arrived(token)
    must(delivery.reverse_path == sender, f"{sender} unchanged", delivery.reverse_path)


@requirement("PATH-02")
@pytest.mark.parametrize("length", [64, 65, 200])
def test_local_parts_are_never_cut(
    length: int,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
) -> None:
    """A local part of 64 octets is accepted; a longer one is refused or passed on whole."""
    free_local_parts(target)
    recipient = target.recipient(token.ljust(length, "x"))
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    reply = probe.rcpt(recipient)
    must_answer(reply, "250" if length <= 64 else ("250", "5yz"), f"{length} octets")
    if reply.is_positive:
        must_answer(probe.data(message(token)), "250", "the recipient was accepted")
        must_reach(sink, token, [recipient])


def domain_of_length(octets: int) -> str:
    """Return a domain of this length whose labels are legal and whose top label is a word."""
    tail = ".example"
    labels: list[str] = []
    rest = octets - len(tail)
    while rest > 63:
        labels.append("d" * (62 if rest == 64 else 63))
        rest -= len(labels[-1]) + 1
    labels.append("d" * rest)
    return ".".join(labels) + tail


@requirement("PATH-03")
@pytest.mark.parametrize(
    ("path", "is_legal"),
    [
        ("a@" + domain_of_length(251), True),
        ("a@" + "d" * 63 + ".example", True),
        ("a@" + "d" * 64 + ".example", False),
        ("a@" + domain_of_length(256), False),
        ("l" * 64 + "@" + domain_of_length(400), False),
    ],
    ids=["255-octet-path", "63-octet-label", "64-octet-label", "256-octet-domain", "464-octets"],
)
def test_long_paths(path: str, is_legal: bool, session: LogIn, target: Target) -> None:
    """The longest legal path is understood; a label over 63 or a domain over 255 is refused."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    reply = probe.rcpt(path)
    if is_legal:
        must_answer(reply, ("250", "550", "551", "556"), "the path is legal")
    else:
        must_refuse(reply, "no such domain can exist", exactly=("501", "553"))


def unquoted(mailbox: str) -> str:
    """Take the quoting off a local part, so that equal mailboxes compare equal."""
    local_part, _, domain = mailbox.rpartition("@")
    if local_part.startswith('"') and local_part.endswith('"'):
        characters = iter(local_part[1:-1])
        plain = [next(characters, "") if char == "\\" else char for char in characters]
        local_part = "".join(plain)
    return f"{local_part}@{domain}"


@requirement("PATH-04")
def test_quoted_local_parts_are_one_token(
    session: LogIn, target: Target, sink: SinkMX, message: ComposeMessage, token: str
) -> None:
    """The domain of a quoted mailbox is what follows the closing quote, whatever is inside."""
    free_local_parts(target)
    quoted = ['"a {}"', '"a@{}"', '"a>{}"', '"\\"{}"', '"b@foreign.example>{}"', '"a\\\\{}"']
    recipients = [target.recipient(form.format(token)) for form in quoted]
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    replies = [probe.rcpt(recipient) for recipient in recipients]
    for reply in replies:
        must_answer(reply, ("250", "5yz"), "quoted local parts are legal")
    must(
        len({reply.first_digit for reply in replies}) == 1,
        expected="the same answer to every quoted local part",
        observed=[str(reply) for reply in replies],
    )
    must_answer(probe.rcpt('""@' + target.recipient().rpartition("@")[2]), ("250", "5yz"), "empty")
    if not replies[0].is_positive:
        return
    must_answer(probe.data(message(token)), "250", "the recipients were accepted")
    wait_for_each(sink, token, recipients, spell=unquoted)


@requirement("PATH-05")
@pytest.mark.parametrize("domain", ["own", "foreign"])
def test_equivalent_quotings_get_one_decision(domain: str, session: LogIn, target: Target) -> None:
    """A sender is judged the same however its local part is quoted."""
    place = target.account().domain if domain == "own" else "foreign.example"
    probe = session()
    replies = []
    for local_part in ("bob", '"bob"', '"b\\ob"'):
        replies.append(probe.mail(f"{local_part}@{place}"))
        must_answer(replies[-1], ("250", "5yz"), "every spelling is legal")
        must_answer(probe.command("RSET"), "250", "RSET always works")
    must(
        len({reply.first_digit for reply in replies}) == 1,
        expected="the same answer to every spelling of one mailbox",
        observed=[str(reply) for reply in replies],
    )


@requirement("PATH-07")
def test_case_of_local_parts_is_kept(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Local parts keep their case from the client to the next hop."""
    free_local_parts(target)
    sender, recipient = sender_of(target, "MiXeD"), target.recipient("ReCiPiEnT")
    probe = session()
    open_transaction(probe, sender, [recipient])
    must_answer(probe.data(message(token)), "250", "the message is valid")
    delivery = arrived(token)
    local_parts = [
        mailbox.rpartition("@")[0] for mailbox in (delivery.reverse_path, *delivery.recipients)
    ]
    must(local_parts == ["MiXeD", "ReCiPiEnT"], "MiXeD and ReCiPiEnT", local_parts)


@requirement("PATH-14")
@pytest.mark.parametrize("name", ["postmaster", "Postmaster", "POSTMASTER"])
def test_postmaster_needs_no_domain(name: str, session: LogIn, target: Target) -> None:
    """RCPT to the bare reserved mailbox is accepted in any case."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    must_answer(probe.command(f"RCPT TO:<{name}>"), "250", "postmaster is always reachable")


@requirement("PATH-21")
def test_percent_and_bang_stay_opaque(
    session: LogIn, target: Target, sink: SinkMX, message: ComposeMessage, token: str
) -> None:
    """A local part with % or ! is not read as another route."""
    free_local_parts(target)
    recipients = [
        target.recipient(f"u-{token}%other.example"),
        target.recipient(f"other.example!u-{token}"),
    ]
    probe = session()
    open_transaction(probe, sender_of(target), recipients)
    must_answer(probe.data(message(token)), "250", "the recipients were accepted")
    must_reach(sink, token, recipients)


@requirement("PATH-23")
def test_a_hundred_recipients(
    session: LogIn, target: Target, sink: SinkMX, message: ComposeMessage, token: str
) -> None:
    """A transaction takes 100 recipients, and each of them gets the message."""
    declared = target.claims("recipients")
    if declared is not None and declared < 100:
        limits = session().ehlo().keywords.get("LIMITS", ())
        # Only a lower limit that clients can read (RFC 9422) is a choice and not a mistake; the
        # 100 of RFC 5321 stand all the same, so this is never a pass. PATH-24 tries the limit.
        must(f"RCPTMAX={declared}" in limits, f"the declared {declared} in LIMITS", limits)
        not_claimed(f"the profile declares {declared} recipients, below RFC 5321's 100")
    recipients = [target.recipient(f"r{number}-{token}") for number in range(100)]
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    for recipient in recipients:
        reply = probe.rcpt(recipient)
        must(reply.code == 250, f"250 for each of 100 recipients, {recipient} too", reply.raw)
    must_answer(probe.data(message(token)), "250", "the recipients were accepted")
    must_reach(sink, token, recipients)


@requirement("PATH-24", "LIM-01")
def test_surplus_recipients_are_put_off(
    session: LogIn, target: Target, sink: SinkMX, message: ComposeMessage, token: str
) -> None:
    """Recipients over the limit get 452, and those before them get the message."""
    probe = session()
    limits = dict(one.partition("=")[::2] for one in probe.ehlo().keywords.get("LIMITS", ()))
    limit = int(limits.get("RCPTMAX", target.claims("recipients") or 0))
    if not limit:
        not_claimed("no limit of recipients is declared")
    if limit > 1000:
        not_observable("the limit is too large to be tried in every run")
    recipients = [target.recipient(f"r{number}-{token}") for number in range(limit + 20)]
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    for number, recipient in enumerate(recipients):
        reply = probe.rcpt(recipient)
        if number < limit:
            must(reply.code == 250, f"250 for recipient {number + 1} of {limit}", reply.raw)
        else:
            must(reply.code in (452, 550, 554), f"452 beyond {limit} recipients", reply.raw)
            remark_unless(reply, "452 4.5.3", "too many recipients")
    must_answer(probe.data(message(token)), "250", "the recipients were accepted")
    must_reach(sink, token, recipients[:limit])
    surplus = [one for one in recipients[limit:] if sink.deliveries(recipient=one)]
    must(not surplus, expected="nothing for the surplus recipients", observed=surplus)


@requirement("PATH-25")
@pytest.mark.parametrize(
    "domain",
    ["example.org", "deep.sub.domain.example.net", "shop.technology", "xn--bcher-kva.example"],
)
def test_any_recipient_domain(domain: str, session: LogIn, target: Target) -> None:
    """An authorised user may write to any valid domain."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    must_answer(probe.rcpt(f"someone@{domain}"), "250", "recipients may be anywhere")


@requirement("PATH-16")
def test_null_forward_path_is_refused(session: LogIn, target: Target) -> None:
    """The null path is no recipient."""
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "MAIL from an allowed sender")
    refusal = probe.command("RCPT TO:<>")
    must_refuse(refusal, "a forward-path is never null", exactly=("501", "553"))
