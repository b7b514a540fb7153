"""CBR: from which addresses the service may be used; nobody is let in without a rule."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import pytest

from conformance.header import top_trace
from conformance.judgement import must, must_reply, not_claimed, not_observable
from conformance.requirement import requirement
from conformance.service.admission import (
    must_keep_out,
    must_let_in,
    outcome_of_auth,
    served_by,
)
from conformance.steps import NothingArrived, must_answer, must_refuse, sender_of
from fixtures.plugin import Arrived, ComposeMessage, Connect, LogIn
from fixtures.probe import ConnectionLost
from fixtures.target import Target


def need_source_addresses(target: Target) -> None:
    """End the check unless there is an address that no rule admits."""
    if not target.has("source-addresses"):
        not_observable("needs a client address that is not admitted")


def cases(target: Target, *kinds: str) -> tuple[Mapping[str, Any], ...]:
    """Return the zone edges of these kinds, or end the check."""
    # Whether the machine lets us use such addresses at all.
    target.client_address("primary-only")
    found = [case for case in target.claims("cbr_cases") or () if case["kind"] in kinds]
    if not found:
        not_observable(f"the target declares no zone edges of kind {' or '.join(kinds)}")
    return tuple(found)


@requirement("CBR-01")
@pytest.mark.parametrize(
    ("region", "type"), [(None, "public"), (None, "private"), ("eu-de", "public")]
)
def test_an_address_without_a_rule_stays_out(
    region: str | None, type: str, connect: Connect, target: Target
) -> None:
    """Who is in no zone is refused before AUTH, on every endpoint."""
    need_source_addresses(target)
    must_keep_out(connect, target, source=target.client_address("denied"), region=region, type=type)


@requirement("CBR-01")
def test_an_endpoint_that_no_rule_opens_is_shut(connect: Connect, target: Target) -> None:
    """Where no instance admits anybody, an address admitted elsewhere stays out, too."""
    closed = target.endpoint("eu-de", "private")
    need_source_addresses(target)
    must_keep_out(
        connect,
        target,
        source=target.client_address("admitted"),
        region=closed.region,
        type=closed.type,
    )


@requirement("CBR-01")
def test_an_instance_without_a_rule_lets_nobody_in(
    secure: Connect,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """Good credentials are worth nothing as long as their instance has no rule."""
    account = target.account("unruled")
    probe = secure()
    reply = probe.auth_plain(account)
    if reply.is_positive:
        mail = probe.mail(account.sender)
        must_refuse(mail, "the instance has no rule", exactly="550 5.7.1")
    else:
        must_refuse(reply, "the instance has no rule", exactly="535 5.7.8")
    must_reply(probe.rcpt(target.recipient()), "5yz", because="no transaction is open")
    must_reply(probe.command("DATA"), "5yz", because="no transaction is open")
    nothing_arrived(token)


@requirement("CBR-02")
def test_a_zone_lets_its_addresses_in(
    session: LogIn,
    connect: Connect,
    target: Target,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """An address of the zone may submit, and one outside may not even begin."""
    need_source_addresses(target)
    probe = session(source=target.client_address("admitted"))
    probe.submit(sender_of(target), target.recipient(), message(token))
    arrived(token)
    must_keep_out(connect, target, source=target.client_address("denied"))


@requirement("CBR-03")
@pytest.mark.parametrize(
    "kind", ["single", "range", "range of one", "subnet", "subnet of two", "subnet of one"]
)
def test_the_edges_of_a_zone_are_exact(kind: str, connect: Connect, target: Target) -> None:
    """Both ends of a zone are inside, the addresses next to them are outside."""
    for case in cases(target, kind):
        for address in case["inside"]:
            must_let_in(connect, target, source=address, zone=case["zone"])
        for address in case["outside"]:
            must_keep_out(connect, target, source=address, zone=case["zone"])


@requirement("CBR-04")
def test_ipv6_addresses_are_compared_as_numbers(connect: Connect, target: Target) -> None:
    """A zone admits an IPv6 address however the rule spells it."""
    found = cases(target, "ipv6")
    endpoint = target.endpoint()
    addresses = [each for each in endpoint.addresses if ":" in each]
    if not addresses:
        not_observable("the endpoint has no IPv6 address")
    for case in found:
        for address in case["inside"]:
            spelled_otherwise = address not in case["zone"]
            must(spelled_otherwise, "a rule in another spelling than ours", case["zone"])
            same = any(ip_address(zone) == ip_address(address) for zone in case["zone"])
            must(same, "a rule for this address", case["zone"])
            must_let_in(connect, target, source=address, zone=case["zone"], address=addresses[0])


@requirement("CBR-06")
def test_exclusions_win(connect: Connect, target: Target) -> None:
    """An address excluded from a zone stays out, and its neighbours are in."""
    for case in cases(target, "exclusion"):
        for address in case["outside"]:
            must_keep_out(connect, target, source=address, zone=case["zone"])
        for address in case["inside"]:
            must_let_in(connect, target, source=address, zone=case["zone"])


@requirement("CBR-10")
def test_a_rule_for_public_opens_public_alone(secure: Connect, target: Target) -> None:
    """An instance whose rule names the public endpoint cannot be used through the private one."""
    role = "region:eu-gb"
    region = served_by(target, role)
    public = outcome_of_auth(secure(region=region), target, role)
    must_answer(public, "235", "the rule names public endpoints")
    private = outcome_of_auth(secure(region=region, type="private"), target, role)
    must_refuse(private, "the rule names public endpoints alone", exactly="535 5.7.8")


@requirement("CBR-10")
def test_a_rule_for_both_opens_both(secure: Connect, target: Target) -> None:
    """An instance whose rule names both kinds of endpoint can be used through either."""
    for type in ("public", "private"):
        probe = secure(region=served_by(target, "primary"), type=type)
        reply = outcome_of_auth(probe, target, "primary")
        must_answer(reply, "235", f"the rule names {type} endpoints")


@requirement("CBR-11")
@pytest.mark.parametrize("role", ["neighbour", "unruled", "pending"])
def test_the_own_rules_count_after_auth(
    role: str,
    connect: Connect,
    target: Target,
    nothing_arrived: NothingArrived,
    token: str,
) -> None:
    """An address admitted by one instance is of no use to the users of another."""
    source = target.client_address("primary-only")
    probe = must_let_in(connect, target, source=source)
    account = target.account(role)
    must_answer(probe.ehlo(), "250", "the address is admitted")
    must_answer(probe.starttls(), "220", "the address is admitted")
    must_answer(probe.ehlo(), "250", "the address is admitted")
    reply = probe.auth_plain(account)
    if reply.is_positive:
        reply = probe.mail(account.sender)
    must_refuse(reply, "its instance does not admit this address", ("535 5.7.8", "550 5.7.1"))
    must_reply(probe.rcpt(target.recipient()), "5yz", because="no transaction is open")
    nothing_arrived(token)


@requirement("CBR-11")
def test_the_refusal_tells_no_more_than_a_wrong_password(secure: Connect, target: Target) -> None:
    """Where only another instance's rules admit the client, AUTH fails as for anybody."""
    if target.claims("denied_address") is None:
        not_claimed("the profile says nothing about addresses that are not admitted")
    source = target.client_address("primary-only")
    refused = outcome_of_auth(secure(source=source), target, "neighbour")
    accepted = outcome_of_auth(secure(source=source), target, "primary")
    must_answer(accepted, "235", "the own instance admits this address")
    must_reply(refused, "535", because="the address must not tell right from wrong credentials")


PREFACES = {
    "proxy-v1": b"PROXY TCP4 127.0.0.1 127.0.1.1 40000 587\r\n",
    "proxy-v2": b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c\x7f\0\0\x01\x7f\0\x01\x01\x9c\x40\x02\x4b",
    "xclient": b"XCLIENT ADDR=127.0.0.1 NAME=localhost\r\n",
    "literal": b"EHLO [127.0.0.1]\r\n",
    "forwarded": b"X-Forwarded-For: 127.0.0.1\r\n",
}


@requirement("CBR-15")
@pytest.mark.parametrize("preface", list(PREFACES))
def test_no_text_stands_for_the_address(preface: str, connect: Connect, target: Target) -> None:
    """What a client says about its address does not let it in."""
    need_source_addresses(target)
    source = target.client_address("denied")
    must_keep_out(connect, target, source=source, preface=PREFACES[preface])


@requirement("CBR-15")
def test_xclient_changes_no_address(
    session: LogIn, target: Target, message: ComposeMessage, token: str, arrived: Arrived
) -> None:
    """An authenticated client, too, is recorded with the address it really has."""
    probe = session()
    try:
        reply = probe.command("XCLIENT ADDR=192.0.2.99 NAME=elsewhere.example")
        must_refuse(reply, "XCLIENT is not for clients", exactly=("500", "502"))
        probe.submit(sender_of(target), target.recipient(), message(token))
    except ConnectionLost:
        return  # to end such a session is as good
    trace = top_trace(arrived(token).content)
    if not trace:
        not_observable("the relay writes no Received field")
    must("192.0.2.99" not in trace, "the real address in Received", trace)
    must(probe.local_address in trace, f"{probe.local_address} in Received", trace)
