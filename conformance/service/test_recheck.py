"""DNS: what was proven once is looked at again, and sending follows (service/periodic-recheck)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.judgement import must
from conformance.requirement import requirement, takes_seconds
from conformance.service.sender_domain import (
    CYCLE_SECONDS,
    FAILED,
    PENDING,
    VERIFIED,
    SenderDomain,
    reply_to_mail,
    submit,
)
from conformance.steps import must_answer, must_refuse
from fake_dns import Refused, ServerFailure, Silence, Stale

NewDomain = Callable[..., SenderDomain]
Advance = Callable[[float], None]


@requirement("DNS-04")
def test_a_second_record_suspends(new_domain: NewDomain, advance: Advance) -> None:
    """A second SPF record that appears later suspends at the next look."""
    own = new_domain()
    own.enable()
    own.publish(spf=[own.registration.spf_value, "v=spf1 -all"])
    advance(CYCLE_SECONDS)
    must(own.state("spf") == FAILED, f"spf {FAILED} after the cycle", own.state("spf"))


@requirement("DNS-12")
@pytest.mark.parametrize("type", ["spf", "dkim"])
def test_an_absent_record_suspends(type: str, new_domain: NewDomain, advance: Advance) -> None:
    """A name or a record that is gone at the re-check fails at once."""
    own = new_domain()
    own.must_not_verify(type, "the domain does not exist")
    own.enable()
    own.publish(**{type: None})
    advance(CYCLE_SECONDS)
    must(own.state(type) == FAILED, f"{type} {FAILED}: the record is gone", own.state(type))


@requirement("DNS-12")
@pytest.mark.parametrize("fault", [ServerFailure(), Refused(), Silence()], ids=str)
def test_no_answer_verifies_nothing(fault: object, new_domain: NewDomain) -> None:
    """At the first verification no answer leaves it pending, and the next answer decides."""
    own = new_domain()
    own.publish()
    own.misbehave(fault, name=own.registration.dkim_name, type="TXT", repeat=True)
    state = own.verify("dkim")
    must(state == PENDING, f"dkim {PENDING}: nothing is known", state)
    own.behave()
    own.must_verify("dkim", "the answer comes again")


@requirement("DNS-12")
@takes_seconds(5)
@pytest.mark.parametrize("type", ["spf", "dkim"])
def test_no_answer_is_no_failure(type: str, new_domain: NewDomain, advance: Advance) -> None:
    """What was verified stays so for three turns without an answer, whatever the fault."""
    own = new_domain()
    own.enable()
    name = own.name if type == "spf" else own.registration.dkim_name
    for turn, fault in enumerate((Silence(), ServerFailure(), Refused()), 1):
        own.behave()
        own.misbehave(fault, name=name, type="TXT", repeat=True)
        advance(CYCLE_SECONDS)
        state = own.state(type)
        must(state == VERIFIED, f"{type} {VERIFIED} after {turn} turns without answer", state)
    advance(CYCLE_SECONDS)
    must(own.state(type) == FAILED, "suspension at the fourth turn", own.state(type))


@requirement("DNS-14")
@pytest.mark.parametrize("type", ["spf", "dkim"])
def test_sending_stops_when_a_record_is_gone(
    type: str, new_domain: NewDomain, advance: Advance
) -> None:
    """Before the next look mail is taken; after it MAIL is refused and the status says why."""
    own = new_domain()
    account = own.enable()
    must_answer(reply_to_mail(own.target, account), "250", "everything is verified")
    own.publish(**{type: None})
    must_answer(reply_to_mail(own.target, account), "250", "the next look is to come")
    advance(CYCLE_SECONDS)
    reply = reply_to_mail(own.target, account)
    must_refuse(reply, f"the {type} record is gone", "550 5.7.1")
    must(type.upper() in reply.text.upper(), f"a reply that names {type.upper()}", reply.text)
    standing = own.standing(type)
    must(standing.state == FAILED and standing.reason, "the cause in the status", standing)


@requirement("DNS-15")
@pytest.mark.parametrize("by_itself", [True, False], ids=["at the next look", "asked for"])
def test_repair_resumes_sending(
    by_itself: bool, new_domain: NewDomain, advance: Advance, token: str
) -> None:
    """With the record back, sending goes on without a new approval; no mail is lost or doubled."""
    own = new_domain()
    account = own.enable()
    sink = own.target.sink
    assert sink is not None
    recipient = own.target.recipient()
    own.misbehave(ServerFailure(), name="strict.sink.example", repeat=True)
    submit(own.target, account, f"{token}-queued", recipient)
    own.publish(spf=None)
    advance(CYCLE_SECONDS)
    must_refuse(reply_to_mail(own.target, account), "the record is gone", "550 5.7.1")
    own.behave()
    own.publish()
    if by_itself:
        advance(CYCLE_SECONDS)
    else:
        own.must_verify("spf", "the record is back")
        advance(CYCLE_SECONDS)
    must_answer(reply_to_mail(own.target, account), "250", "the record is back")
    submit(own.target, account, f"{token}-later", recipient)
    for each in (f"{token}-queued", f"{token}-later"):
        sink.wait_for(token=each, within=15)
        copies = len(sink.deliveries(token=each))
        must(copies == 1, "one copy of each message", f"{copies} of {each}")


@requirement("DNS-16")
def test_what_was_missing_may_come(new_domain: NewDomain, advance: Advance) -> None:
    """A record that shows after 72 hours verifies then, and at once when it was just published."""
    own = new_domain()
    own.publish(spf=None)
    own.must_not_verify("spf", "nothing is published")
    own.publish()
    own.must_verify("spf", "it has been published since")
    other = new_domain()
    other.publish(dkim={"values": [other.registration.dkim_value], "from": "+72h"})
    other.must_not_verify("dkim", "it shows in 72 hours")
    advance(72 * 3600.0 + 60.0)
    other.must_verify("dkim", "72 hours have gone by")


@requirement("DNS-16")
def test_a_server_that_lags_is_no_wavering(new_domain: NewDomain, advance: Advance) -> None:
    """While old answers, with the right record, come in between, nothing is suspended."""
    own = new_domain()
    own.enable()
    own.publish(spf=["v=spf1 ip4:192.0.2.1 " + own.include + " ~all"])
    own.misbehave(Stale(30.0), None, name=own.name, type="TXT", repeat=True)
    for _ in range(3):
        advance(CYCLE_SECONDS)
        must(own.state("spf") == VERIFIED, f"spf {VERIFIED} throughout", own.state("spf"))
