"""PATH: recipients whose mail must not, or cannot, be brought anywhere (RFC 5321 §5.1)."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable, Iterator

import pytest

from conformance.judgement import must, not_observable
from conformance.relaying.next_hop import OpenNextHop, must_reach, wait_until
from conformance.relaying.report import reports_to
from conformance.requirement import requirement, takes_seconds
from conformance.steps import must_answer, sender_of
from fake_dns import FakeDNS, Fault, ServerFailure, Silence, Zone
from fixtures.plugin import ComposeMessage, LogIn
from fixtures.sink import SinkMX
from fixtures.target import Target

INSIDE = ("127.0.0.1", "::1")


class Trap:
    """Listeners on this machine's own addresses, with the port that mail is delivered to."""

    def __init__(self, port: int) -> None:
        self._listeners = []
        for address in INSIDE:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            with contextlib.suppress(OSError):
                self._listeners.append(socket.create_server((address, port), family=family))

    @property
    def is_set(self) -> bool:
        """Whether it could be put up where the first address is."""
        return bool(self._listeners)

    def caught(self) -> int:
        """How many connections have been made so far and not been counted yet."""
        with selectors.DefaultSelector() as selector:
            for listener in self._listeners:
                selector.register(listener, selectors.EVENT_READ)
            found = selector.select(0)
            for key, _ in found:
                assert isinstance(key.fileobj, socket.socket)
                key.fileobj.accept()[0].close()
            return len(found)

    def close(self) -> None:
        """Take it away."""
        for listener in self._listeners:
            listener.close()


@pytest.fixture
def trap(sink: SinkMX) -> Iterator[Trap]:
    """A trap for whoever talks to hosts inside."""
    trap = Trap(sink.port)
    yield trap
    trap.close()


def must_fail_at_once(
    session: LogIn, sink: SinkMX, sender: str, recipient: str, content: bytes
) -> None:
    """Demand a 5yz, or a report of failure soon after the 250."""
    probe = session()
    must_answer(probe.mail(sender), "250", "the sender is allowed")
    reply = probe.rcpt(recipient)
    if not reply.is_positive:
        must_answer(reply, "5yz", "the recipient cannot be reached")
        return
    final = probe.data(content)
    if not final.is_positive:
        must_answer(final, "5yz", "the recipient cannot be reached")
        return
    wait_until(lambda: bool(reports_to(sink, sender)))
    actions = [each.actions for each in reports_to(sink, sender)]
    must(actions == [["failed"]], expected="a prompt report of failure", observed=actions)


LITERALS = [
    "[127.0.0.1]",
    "[IPv6:::1]",
    "[IPv6:::ffff:127.0.0.1]",
    "[IPv6:::ffff:10.0.0.1]",
    "[10.0.0.1]",
    "[169.254.169.254]",
]
RECORDS: dict[str, dict[str, object]] = {
    "mx-loopback": {"@": {"MX": ["10 in"]}, "in": {"A": ["127.0.0.1"]}},
    "mx-loopback-ipv6": {"@": {"MX": ["10 in"]}, "in": {"AAAA": ["::1"]}},
    "mx-mapped": {"@": {"MX": ["10 in"]}, "in": {"AAAA": ["::ffff:127.0.0.1"]}},
    "mx-private": {"@": {"MX": ["10 in"]}, "in": {"A": ["10.0.0.1"]}},
    "address-loopback": {"@": {"A": ["127.0.0.1"]}},
    "alias-of-inside": {
        "@": {"MX": ["10 alias"]},
        "alias": {"CNAME": "in"},
        "in": {"A": ["127.0.0.1"]},
    },
}


@requirement("PATH-12")
@pytest.mark.parametrize("literal", LITERALS)
def test_a_literal_leads_to_no_host_inside(
    literal: str,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    message: ComposeMessage,
    token: str,
    trap: Trap,
) -> None:
    """Mail for an address literal inside is refused or bounced, and nobody there is talked to."""
    if target.claims("smart_host"):
        not_observable("the profile sends all mail to one next hop, literals too")
    sender = sender_of(target, f"inside-{token}")
    must_fail_at_once(session, sink, sender, f"root@{literal}", message(token))
    caught = trap.caught()
    must(caught == 0, expected="no connection inside", observed=f"{caught} connections")


@requirement("PATH-12")
@pytest.mark.parametrize("kind", list(RECORDS))
def test_a_domain_leads_to_no_host_inside(
    kind: str,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    dns: FakeDNS,
    message: ComposeMessage,
    token: str,
    trap: Trap,
) -> None:
    """Mail for a domain whose host is inside is refused or bounced, and nobody is talked to."""
    domain = f"{token}.inside.example"
    dns.add(Zone(domain, RECORDS[kind]))
    sender = sender_of(target, f"inside-{token}")
    must_fail_at_once(session, sink, sender, f"root@{domain}", message(token))
    caught = trap.caught()
    must(caught == 0, expected="no connection inside", observed=f"{caught} connections")


@requirement("PATH-26")
def test_a_domain_that_does_not_exist_fails_at_once(
    session: LogIn, target: Target, sink: SinkMX, dns: FakeDNS, message: ComposeMessage, token: str
) -> None:
    """For a name that does not exist mail is refused or bounced at once."""
    dns.add(Zone(f"{token}.nothing.example", {"@": {"TXT": ["nothing else"]}}))
    recipient = f"rcpt@gone.{token}.nothing.example"
    sender = sender_of(target, f"gone-{token}")
    must_fail_at_once(session, sink, sender, recipient, message(token))


@requirement("PATH-26")
@takes_seconds(20)
@pytest.mark.parametrize("fault", [ServerFailure(), Silence()], ids=["servfail", "silence"])
def test_a_domain_that_cannot_be_looked_up_is_tried_again(
    fault: Fault,
    session: LogIn,
    target: Target,
    sink: SinkMX,
    dns: FakeDNS,
    message: ComposeMessage,
    token: str,
    next_hop: OpenNextHop,
    advance: Callable[[float], None],
) -> None:
    """While the name server fails mail waits, and arrives once it answers again."""
    hop = next_hop()
    sender = sender_of(target, f"waits-{token}")
    rule = dns.inject(fault, name=hop.domain)
    probe = session()
    must_answer(probe.mail(sender), "250", "the sender is allowed")
    reply = probe.rcpt(hop.recipient())
    if not reply.is_positive:
        must(reply.is_transient, expected="4yz: nothing is known of the domain", observed=reply.raw)
        return
    must_answer(probe.data(message(token)), "250", "the recipient was accepted")
    # A resolver gives up after a quarter of a minute or so.
    wait_until(lambda: bool(reports_to(sink, sender)), 2.0 if fault == ServerFailure() else 20.0)
    failures = [each.actions for each in reports_to(sink, sender)]
    must(not failures, expected="no report of failure", observed=failures)
    dns.withdraw(rule)
    for _ in range(24):
        advance(600.0)
        if wait_until(lambda: bool(hop.copies(hop.recipient())), 0.25):
            break
    must_reach(hop.sink, "the message once the name server answers", token=token)
