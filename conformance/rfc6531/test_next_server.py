"""UTF8: internationalised mail for a next server that takes none (RFC 6531 §3.2, §3.5, §3.7)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.judgement import inconclusive, must, not_claimed, not_observable
from conformance.relaying.queue_ids import queue_id_of, wait_for_states
from conformance.requirement import requirement
from conformance.steps import must_answer, sender_of
from fake_dns import FakeDNS, Zone
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.probe import stuffed
from fixtures.sink import EXTENSIONS, Dialect, SinkMX
from fixtures.target import Target

# Not one of those that the world's own sink listens on.
OLD_SERVER = "127.0.3.77"


@pytest.fixture
def old_server(sink: SinkMX) -> Iterator[SinkMX]:
    """A next server that does not offer SMTPUTF8, at the port that the relay delivers to."""
    extensions = tuple(one for one in EXTENSIONS if one != "SMTPUTF8")
    old = SinkMX({Dialect.STRICT: OLD_SERVER}, port=sink.port, extensions=extensions)
    try:
        old.start()
    except OSError as error:
        inconclusive(f"no second sink at {OLD_SERVER}: {error}")
    yield old
    old.stop()


@requirement("UTF8-02")
def test_no_utf8_envelope_for_an_old_server(
    session: LogIn,
    target: Target,
    dns: FakeDNS,
    old_server: SinkMX,
    message: ComposeMessage,
    token: str,
) -> None:
    """A recipient in another script behind a server without SMTPUTF8 bounces, unspoilt."""
    domain = f"old-{token}.example"
    address = {"mx": {"A": [OLD_SERVER]}, "@": {"MX": [f"10 mx.{domain}."]}}
    dns.add(Zone(domain, address))
    try:
        probe = session()
        if "SMTPUTF8" not in probe.ehlo().keywords:
            not_claimed("SMTPUTF8 is not advertised")
        must_answer(probe.mail(sender_of(target), "SMTPUTF8"), "250", "SMTPUTF8 is advertised")
        refusal = probe.rcpt(f"почта@{domain}")
        if not refusal.is_positive:
            must_answer(refusal, ("550", "553"), "refused at once, as it may be")
            return
        must_answer(probe.command("DATA"), "354", "the envelope is complete")
        probe.send(stuffed(message(token)))
        reply = must_answer(probe.read_reply(), ("250", "550", "554"), "taken, or refused")
        if not reply.is_positive:
            return
        if target.control_plane is None:
            not_observable("what becomes of the message needs a control plane")
        states = wait_for_states(target, queue_id_of(target, reply), 1, ("bounced", "delivered"))
        got = [one.recipients for one in old_server.deliveries(token=token)]
        must(not any("почта" in "".join(one) for one in got), "no UTF-8 in the envelope", got)
        said = b"".join(each.octets("C") for each in old_server.transcripts)
        must(said.isascii(), "nothing but ASCII for a server without SMTPUTF8", said[-200:])
        must(states == ["bounced"] or got, "a bounce, or a lawful conversion", states)
    finally:
        dns.remove(domain)


@requirement("UTF8-02")
def test_domains_are_looked_up_in_ascii(
    session: LogIn,
    target: Target,
    dns: FakeDNS,
    message: ComposeMessage,
    token: str,
    arrived: Arrived,
) -> None:
    """A recipient's domain in another script is found by its A-label (RFC 5891)."""
    ascii_name = f"xn--bcher-kva.{token}.example"
    host = target.recipient("x").rpartition("@")[2]
    dns.add(Zone(ascii_name, {"@": {"MX": [f"10 mx.{host}."]}}))
    try:
        probe = session()
        if "SMTPUTF8" not in probe.ehlo().keywords:
            not_claimed("SMTPUTF8 is not advertised")
        must_answer(probe.mail(sender_of(target), "SMTPUTF8"), "250", "SMTPUTF8 is advertised")
        must_answer(probe.rcpt(f"user@bücher.{token}.example"), "250", "a domain in U-labels")
        must_answer(probe.command("DATA"), "354", "the envelope is complete")
        probe.send(stuffed(message(token)))
        must_answer(probe.read_reply(), "250", "the message is valid")
        arrived(token)
    finally:
        dns.remove(ascii_name)
