"""SND: the sender of the envelope is in the domain of the configuration."""

from __future__ import annotations

import pytest

from conformance.judgement import must, remark_unless
from conformance.requirement import requirement
from conformance.service.sender_steps import carry_on, must_refuse_sender
from conformance.steps import (
    FOREIGN_SENDER,
    NothingArrived,
    must_answer,
    must_refuse,
    need_header_rule,
    open_transaction,
    sender_of,
)
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.target import Target


@requirement("SND-01")
@pytest.mark.parametrize(
    "sender",
    [
        "a@{domain}",
        "A@{mixed}",
        "news+{token}@{upper}",
        '"quoted local"@{domain}',
        "x.y-z@{domain}",
    ],
)
def test_senders_of_the_domain_are_accepted(
    sender: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Any local part in the configured domain may send, in whatever case the domain is written."""
    domain = target.account().domain
    sender = sender.format(domain=domain, upper=domain.upper(), mixed=domain.title(), token=token)
    probe = session()
    reply = must_answer(probe.mail(sender), "250", "the sender is in the configured domain")
    remark_unless(reply, "250 2.1.0", "the sender is accepted")
    must_answer(probe.rcpt(target.recipient()), "250", "the recipient is valid")
    must_answer(probe.data(message(token)), "250", "the message is valid")
    local = arrived(token).reverse_path.rpartition("@")[0]
    must(local == sender.rpartition("@")[0], f"the local part of {sender}", local)


@requirement("SND-02")
@pytest.mark.parametrize(
    "sender", [FOREIGN_SENDER, "postmaster@sink.example", "mailer@example.net", "a@b.example"]
)
def test_foreign_senders_are_refused(
    sender: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A sender outside the configured domain is refused, and nothing is delivered."""
    must_refuse_sender(session(), sender, target, message(token))
    nothing_arrived(token)


@requirement("SND-03")
@pytest.mark.parametrize("role", ["neighbour", "neighbour-config", "unruled"])
@pytest.mark.parametrize("place", ["envelope", "header", "both"])
def test_domains_of_other_configurations_are_foreign(
    place: str,
    role: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A domain that another configuration of the service has verified is foreign all the same."""
    other = target.account(role).sender
    if place == "header":
        need_header_rule(target)
    probe = session()
    content = message(token) if place == "envelope" else message(token, from_=other)
    mail = probe.mail(sender_of(target) if place == "header" else other)
    reply = carry_on(probe, mail, target, content)
    must_refuse(reply, f"{other} belongs to another configuration", exactly="550 5.7.1")
    nothing_arrived(token)


# {domain} is the configured domain, {head} and {tail} what stands before and behind its first dot.
LOOK_ALIKES = {
    "prefix": "evil{domain}",
    "suffix-label": "{domain}.evil.net",
    "shorter": "{domain_cut}",
    "longer": "{domain}m",
    "hyphen": "mail-{domain}",
    "homograph": "xn--exmple-4nf.com",
    "digit": "examp1e.com",
    "dot-replaced": "{head}-{tail}",
    "other-ending": "{head}.org",
    "domain-as-label": "{domain}.com",
}


@requirement("SND-04")
@pytest.mark.parametrize("kind", list(LOOK_ALIKES))
def test_look_alike_domains_are_foreign(
    kind: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A domain that only resembles or contains the configured one is foreign."""
    domain = target.account().domain
    head, _, tail = domain.partition(".")
    foreign = LOOK_ALIKES[kind].format(domain=domain, domain_cut=domain[:-1], head=head, tail=tail)
    probe = session()
    must_refuse_sender(probe, f"mailer@{foreign}", target, message(token))
    nothing_arrived(token)
    if target.claims("header_sender") is False:
        return
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = probe.data(message(token, from_=f"Mailer <mailer@{foreign}>"))
    must_refuse(reply, f"{foreign} is not the configured domain", exactly="550 5.7.1")
    nothing_arrived(token)


@requirement("SND-05")
def test_subdomains_follow_the_profile(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
    nothing_arrived: NothingArrived,
) -> None:
    """Names below the configured domain may send if the profile says so, and not otherwise."""
    below = f"mailer@mail.{target.account().domain}"
    probe = session()
    if target.claims("subdomains"):
        open_transaction(probe, below, [target.recipient()])
        reply = probe.data(message(token, from_=f"Mailer <{below}>"))
        must_answer(reply, "250", "the profile lets names below the domain send")
        arrived(token)
        return
    must_refuse_sender(probe, below, target, message(token))
    nothing_arrived(token)
    if target.claims("header_sender") is False:
        return
    open_transaction(probe, sender_of(target), [target.recipient()])
    reply = probe.data(message(token, from_=f"Mailer <{below}>"))
    must_refuse(reply, "the author is not exactly in the domain", exactly="550 5.7.1")
    nothing_arrived(token)


@requirement("SND-05")
def test_the_parent_domain_is_foreign(
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """The domain above the configured one is foreign, whatever the profile says."""
    parent = target.account().domain.partition(".")[2]
    must_refuse_sender(session(), f"mailer@{parent}", target, message(token))
    nothing_arrived(token)
