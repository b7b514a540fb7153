"""DNS: a domain's SPF record is evaluated, for every address that mail leaves from (RFC 7208)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.judgement import must
from conformance.requirement import requirement
from conformance.service.sender_domain import SenderDomain
from fake_dns import Truncated

NewDomain = Callable[..., SenderDomain]


def published(own: SenderDomain, text: str) -> str:
    """Put the service's include in the place of {include}."""
    return text.format(include=own.include, service=own.service_name, name=own.name)


@requirement("DNS-01")
def test_the_issued_value_verifies_in_any_company(new_domain: NewDomain) -> None:
    """Alone, amid further mechanisms, in upper case, beside other TXT records: verified."""
    own = new_domain()
    for text in (
        "v=spf1 {include} ~all",
        "v=spf1 ip4:192.0.2.0/24 {include} -all",
        "v=spf1 {include} include:_spf.nobody.invalid ~all",
        "v=spf1   {include}   ?all",
    ):
        own.publish(spf=[published(own, text)])
        own.must_verify("spf", text)
    own.publish(spf=[f"v=spf1 INCLUDE:{own.service_name.upper()} ~ALL"])
    own.must_verify("spf", "mechanisms and names know no case")
    own.publish(spf=["google-site-verification=x", own.registration.spf_value, "v=other"])
    own.must_verify("spf", "other TXT records are no SPF records")


@requirement("DNS-02")
@pytest.mark.parametrize(
    "text",
    [
        "v=spf1 -all {include}",
        "v=spf1 -{include} ~all",
        "v=spf1 ?{include} ~all",
        "v=spf1 ~{include} -all",
        "v=spf1 ip4:127.0.4.1 -all",
    ],
)
def test_what_does_not_pass_is_not_verified(text: str, new_domain: NewDomain) -> None:
    """An include out of reach or turned round, or a pass for one address of two: not verified."""
    own = new_domain()
    own.publish(spf=[published(own, text)])
    own.must_not_verify("spf", text)


@requirement("DNS-03")
@pytest.mark.parametrize("version", ["v=spf10 ", " v=spf1 ", "v=spf1;", '"v=spf1 '])
def test_another_version_is_no_record(version: str, new_domain: NewDomain) -> None:
    """Only the very token v=spf1, and a blank or nothing behind it, begins an SPF record."""
    own = new_domain()
    own.publish(spf=[f"{version}{own.include} ~all"])
    own.must_not_verify("spf", f"{version!r} is another version")


@requirement("DNS-04")
@pytest.mark.parametrize("other", ["v=spf1 -all", "v=spf1 ip4:192.0.2.1 ~all"])
def test_two_records_are_an_error(other: str, new_domain: NewDomain) -> None:
    """Two SPF records verify nothing, in either order, although one of them is right."""
    own = new_domain()
    for records in ([own.registration.spf_value, other], [other, own.registration.spf_value]):
        own.publish(spf=records)
        own.must_not_verify("spf", "there are two SPF records")


@requirement("DNS-05")
@pytest.mark.parametrize("octets", [1, 7, 255])
def test_strings_are_joined_without_blanks(octets: int, new_domain: NewDomain) -> None:
    """Records cut inside words verify as if they were whole."""
    own = new_domain()
    spf, dkim = own.registration.spf_value, own.registration.dkim_value
    own.publish(spf=[_cut(spf, octets)], dkim=[_cut(dkim, octets)])
    own.must_verify("spf", f"strings of {octets} octets are one record")
    own.must_verify("dkim", f"strings of {octets} octets are one record")


def _cut(text: str, octets: int) -> list[str]:
    return [text[at : at + octets] for at in range(0, len(text), octets)]


@requirement("DNS-06")
@pytest.mark.parametrize(
    ("text", "verifies"),
    [
        ("v=spf1 include:inner.{name} -all", True),
        ("v=spf1 redirect=inner.{name}", True),
        ("v=spf1 {include} unknown=%{{d}}x ~all", True),
        ("v=spf1 include:nothing.{name} {include} ~all", False),
        ("v=spf1 redirect=inner.{name} ~all", False),
        ("v=spf1 redirect=nothing.{name}", False),
        ("v=spf1 {include} ip4:300.0.0.1", False),
        ("v=spf1 {include} redirect=inner.{name} redirect=inner.{name}", False),
    ],
)
def test_include_and_redirect(text: str, verifies: bool, new_domain: NewDomain) -> None:
    """Nested includes count, redirect does only without all, and any mistake spoils the record."""
    own = new_domain()
    inner = {"inner": {"TXT": [own.registration.spf_value]}, "nothing": {"A": ["127.0.0.1"]}}
    own.publish(spf=[published(own, text)], more=inner)
    if verifies:
        own.must_verify("spf", text)
    else:
        own.must_not_verify("spf", text)


@requirement("DNS-07")
@pytest.mark.parametrize(("terms", "verifies"), [(10, True), (11, False)])
def test_ten_terms_may_ask(terms: int, verifies: bool, new_domain: NewDomain) -> None:
    """Ten terms that ask are evaluated, the eleventh is an error; nested ones count."""
    own = new_domain()
    # Besides these: the include of the record below, and the service's own.
    asking = "a:mx-target.{name} " * (terms - 2) + "{include} ~all"
    inner = {"inner": {"TXT": ["v=spf1 " + published(own, asking)]}}
    own.publish(spf=[f"v=spf1 include:inner.{own.name} -all"], more=inner)
    if verifies:
        own.must_verify("spf", f"{terms} terms ask")
    else:
        own.must_not_verify("spf", f"{terms} terms ask")


@requirement("DNS-07")
@pytest.mark.parametrize(("voids", "verifies"), [(2, True), (3, False)])
def test_two_look_ups_may_be_empty(voids: int, verifies: bool, new_domain: NewDomain) -> None:
    """Two look-ups without a result are borne, three are an error."""
    own = new_domain()
    terms = "".join(f"a:none{number}.{own.name} " for number in range(voids))
    own.publish(spf=[f"v=spf1 {terms}{own.include} ~all"])
    if verifies:
        own.must_verify("spf", f"{voids} look-ups are empty")
    else:
        own.must_not_verify("spf", f"{voids} look-ups are empty")


@requirement("DNS-07")
@pytest.mark.parametrize("term", ["include:loop.{name} -all", "redirect=loop.{name}"])
def test_a_loop_ends(term: str, new_domain: NewDomain) -> None:
    """Records that lead back to themselves are an error, and an answer comes."""
    own = new_domain()
    loop = "v=spf1 " + published(own, term)
    own.publish(spf=[loop], more={"loop": {"TXT": [loop]}})
    own.must_not_verify("spf", "the record leads back to itself")


@requirement("DNS-13")
def test_a_truncated_answer_is_no_answer(new_domain: NewDomain) -> None:
    """What does not fit into a datagram is asked for over TCP, and evaluated as a whole."""
    own = new_domain()
    padding = [f"padding {number} " + "x" * 200 for number in range(20)]
    own.publish(spf=[*padding, own.registration.spf_value], dkim=...)
    own.must_verify("spf", "4 KiB of TXT records come over TCP")
    own.publish()
    own.misbehave(Truncated(), name=own.registration.dkim_name, type="TXT")
    own.must_verify("dkim", "the answer over TCP is whole")


@requirement("DNS-17")
def test_the_domain_has_an_address(new_domain: NewDomain) -> None:
    """Without an A record SPF is not verified, and an AAAA record is none."""
    own = new_domain()
    for apex in ({"MX": ["10 mx-target"]}, {"AAAA": ["::1"]}):
        own.publish(apex=apex)
        own.must_not_verify("spf", "the domain has no A record")
    own.publish()
    own.must_verify("spf", "now it has an A record")


@requirement("DNS-17")
def test_a_domain_is_asked_for_in_a_labels(new_domain: NewDomain, token: str) -> None:
    """A domain given in U-labels, upper case or with a final dot is looked up as A-labels."""
    for name in (f"bücher-{token}.example", f"{token.upper()}-UP.Example"):
        own = new_domain(name)
        own.publish()
        own.must_verify("spf", f"{name} is published under its A-labels")
        own.must_verify("dkim", f"{name} is published under its A-labels")
        asked = {str(query.name).lower() for query in own.dns.queries()}
        must(all(one.isascii() for one in asked), "questions in A-labels", sorted(asked)[-5:])
