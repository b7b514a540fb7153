"""RLY: which server gets the mail of a domain, and from which address (RFC 5321 §5.1)."""

from __future__ import annotations

import re

import pytest

from conformance.judgement import must, not_claimed, not_observable
from conformance.relaying.look_up import LookUp
from conformance.relaying.next_hop import must_reach
from conformance.relaying.queue_ids import queue_id_of, wait_for_states
from conformance.requirement import requirement
from conformance.steps import must_answer, must_refuse, sender_of, wait_for_each
from fake_dns import FakeDNS, Zone
from fixtures.plugin import Arrived, ComposeMessage, LogIn, NothingArrived
from fixtures.sink import Dialect, SinkMX, Stage
from fixtures.target import Target

STRICT_HOST, LF_HOST = "mx.strict.sink.example.", "mx.lf.sink.example."
# A loopback address where nobody listens.
NOBODY = "127.0.3.99"


def add_domain(dns: FakeDNS, token: str, records: dict[str, object]) -> str:
    """Publish a domain that no other test uses; return it."""
    origin = f"{token}.routing.example"
    dns.add(Zone(origin, records))
    return origin


@requirement("RLY-07")
@pytest.mark.parametrize("preferences", [(10, 20), (9, 10), (20, 100), (0, 65535)])
@pytest.mark.parametrize("order", ["ascending", "descending"])
def test_the_lowest_preference_comes_first(
    order: str,
    preferences: tuple[int, int],
    session: LogIn,
    target: Target,
    dns: FakeDNS,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Mail goes to the MX host with the lowest number, in whatever order the answer lists them."""
    low, high = preferences
    exchanges = [f"{low} {LF_HOST}", f"{high} {STRICT_HOST}"]
    if order == "descending":
        exchanges.reverse()
    domain = add_domain(dns, token, {"@": {"MX": exchanges}})
    probe = session()
    probe.submit(sender_of(target), f"rcpt@{domain}", message(token))
    dialect = arrived(token).dialect
    must(dialect is Dialect.LF_LENIENT, f"the host with preference {low}", dialect)


@requirement("RLY-07")
@pytest.mark.parametrize("kind", ["dead-host", "dead-address", "unknown-host"])
def test_the_next_host_is_tried(
    kind: str,
    session: LogIn,
    target: Target,
    dns: FakeDNS,
    message: ComposeMessage,
    token: str,
    sink: SinkMX,
) -> None:
    """Where the first host cannot be reached, the next one or its next address gets the mail."""
    exchanges = ["10 first", f"20 {STRICT_HOST}"]
    records: dict[str, object] = {"@": {"MX": exchanges}, "first": {"A": [NOBODY]}}
    if kind == "dead-address":
        records = {"@": {"MX": ["10 first"]}, "first": {"A": [NOBODY, "127.0.3.1"]}}
    elif kind == "unknown-host":
        del records["first"]
    domain = add_domain(dns, token, records)
    probe = session()
    probe.submit(sender_of(target), f"rcpt@{domain}", message(token))
    must_reach(sink, "the message at the next host or address", token=token, within=15.0)


@requirement("RLY-07")
def test_a_busy_host_is_passed_over(
    session: LogIn,
    target: Target,
    dns: FakeDNS,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """Where the first host ends the session with 421, the next one gets the mail."""
    domain = add_domain(dns, token, {"@": {"MX": [f"10 {LF_HOST}", f"20 {STRICT_HOST}"]}})
    sender = sender_of(target, f"busy-{token}")
    sink.refuse(sender, "421 4.3.2 Busy", times=1, stage=Stage.MAIL, close=True)
    try:
        probe = session()
        probe.submit(sender, f"rcpt@{domain}", message(token))
        dialect = arrived(token, within=15.0).dialect
    finally:
        sink.accept(sender)
    must(dialect is Dialect.STRICT, expected="the second host", observed=dialect)


@requirement("RLY-07")
def test_equal_hosts_take_turns(
    session: LogIn,
    target: Target,
    dns: FakeDNS,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
) -> None:
    """Of two hosts with the same preference both get mail."""
    # By chance alone all go to one of two hosts once in 2^23 runs.
    names = {f"d{number}": {"MX": [f"10 {LF_HOST}", f"10 {STRICT_HOST}"]} for number in range(24)}
    origin = add_domain(dns, token, dict(names))
    recipients = [f"rcpt@{name}.{origin}" for name in names]
    probe = session()
    probe.submit(sender_of(target), recipients, message(token))
    used = {copy.dialect for copy in wait_for_each(sink, token, recipients)}
    must(len(used) == 2, expected="both hosts", observed=used)


@requirement("RLY-08")
def test_without_mx_the_address_counts(
    session: LogIn,
    target: Target,
    dns: FakeDNS,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A domain without any MX record gets its mail at its own address."""
    domain = add_domain(dns, token, {"@": {"A": ["127.0.3.2"]}})
    probe = session()
    probe.submit(sender_of(target), f"rcpt@{domain}", message(token))
    dialect = arrived(token).dialect
    must(dialect is Dialect.LF_LENIENT, "the domain's own address", dialect)


@requirement("RLY-08")
def test_with_mx_the_address_does_not_count(
    session: LogIn,
    target: Target,
    dns: FakeDNS,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """Where the MX records lead nowhere, the domain's own address is not used instead."""
    domain = add_domain(
        dns, token, {"@": {"MX": ["10 no-such-host"], "A": ["127.0.3.1"]}, "other": {"A": [NOBODY]}}
    )
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "the sender is allowed")
    reply = probe.rcpt(f"rcpt@{domain}")
    if reply.is_positive:
        must_answer(probe.data(message(token)), ("250", "5yz"), "accepted, or refused at once")
    nothing_arrived(token, f"rcpt@{domain}")


@requirement("RLY-08")
def test_aliases_are_followed(
    session: LogIn,
    target: Target,
    dns: FakeDNS,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """The mail of a domain that is an alias goes where the canonical name's mail goes."""
    origin = add_domain(dns, token, {"alias": {"CNAME": "lf.sink.example."}})
    probe = session()
    probe.submit(sender_of(target), f"rcpt@alias.{origin}", message(token))
    dialect = arrived(token).dialect
    must(dialect is Dialect.LF_LENIENT, "the host of the canonical name", dialect)


@requirement("RLY-09")
def test_a_null_mx_fails_at_once(
    session: LogIn,
    target: Target,
    dns: FakeDNS,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A domain that takes no mail gets none, is not looked up further, and fails for good."""
    domain = add_domain(dns, token, {"@": {"MX": ["0 ."], "A": ["127.0.3.1"]}})
    probe = session()
    must_answer(probe.mail(sender_of(target)), "250", "the sender is allowed")
    reply = probe.rcpt(f"rcpt@{domain}")
    if reply.is_permanent:
        must_refuse(reply, "the domain takes no mail", exactly="556 5.1.10")
        nothing_arrived(token)
        return
    final = must_answer(probe.data(message(token)), "250", "the recipient was accepted")
    nothing_arrived(token, f"rcpt@{domain}")
    looked_up = [query for type in ("A", "AAAA") for query in dns.queries(domain, type)]
    must(not looked_up, expected="no look-up of the domain's address", observed=looked_up)
    if target.control_plane is None:
        not_observable("the report needs a control plane")
    states = wait_for_states(target, queue_id_of(target, final), 1, ("bounced",))
    must(states == ["bounced"], expected="bounced at once", observed=states)


@requirement("RLY-06")
@pytest.mark.parametrize("role", ["primary", "region:eu-de"])
def test_deliveries_leave_from_the_published_addresses(
    role: str,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    look_up: LookUp,
) -> None:
    """Deliveries come from the addresses that the endpoint's name publishes, with a full name."""
    if not target.claims("outgoing_addresses"):
        not_claimed("the profile promises no outgoing addresses")
    account = target.account(role)
    region = (target.claims("endpoint_regions") or {}).get(account.region)
    host = target.endpoint(region).host
    published = set(re.findall(r"ip4:([0-9.]+)", look_up(f"_spf.{host}").decode()))
    must(published, expected=f"addresses at _spf.{host}", observed="none")
    probe = session(role)
    for dialect in ("strict", "lf", "cr", "strict"):
        content = message(token, from_=account.sender)
        probe.submit(account.sender, target.recipient(dialect=dialect), content)
    sink.wait_for(token=token, count=4)
    for copy in sink.deliveries(token=token):
        must(copy.peer_address in published, f"one of {sorted(published)}", copy.peer_address)
        name = re.fullmatch(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", copy.helo)
        must(name is not None, expected="a full domain name in EHLO", observed=copy.helo)
