"""RLY-01 with a real Postfix: as the client in front of the relay, and as the MX host behind it."""

from __future__ import annotations

import re

from conformance.header import fields_named
from conformance.interop import postfix
from conformance.judgement import must
from conformance.relaying.look_up import look_up_for
from conformance.relaying.next_hop import must_reach
from conformance.relaying.report import is_report, read
from conformance.relaying.test_dkim import must_verify
from conformance.requirement import requirement, takes_seconds
from conformance.steps import must_answer, sender_of
from fake_dns import FakeDNS, Zone
from fixtures.budget import current_budget
from fixtures.certificates import CertificateAuthority
from fixtures.peers.programs import free_port
from fixtures.plugin import ComposeMessage, LogIn
from fixtures.probe import SMTPProbe
from fixtures.sink import SinkMX
from fixtures.target import Target

BODY = "Grüße\r\n.\r\n..dot\r\nFrom here\r\n" + "x" * 900 + "\r\nend"


@requirement("RLY-01")
@takes_seconds(3)
def test_postfix_relays_everything_through_the_relay(
    target: Target, sink: SinkMX, message: ComposeMessage, token: str
) -> None:
    """A Postfix with the relay as its smarthost, with TLS and AUTH, gets its mail through whole."""
    endpoint, account = target.endpoint(), target.account()
    address, port = endpoint.sockets[0]
    own = "127.0.7.1"
    settings = {
        "myhostname": "client.example.net",
        "smtpd_relay_restrictions": "permit_mynetworks, reject",
        "relayhost": f"[{address}]:{port}",
        "smtp_bind_address": target.client_address("admitted"),
        "smtp_tls_security_level": "encrypt",
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_password_maps": "texthash:{folder}/etc/passwords",
        "smtp_sasl_security_options": "noanonymous",
    }
    recipients = [target.recipient(f"{name}-{token}") for name in ("one", "two")]
    recipients.append(target.recipient(f"three-{token}", dialect="lf"))
    content = message(token, BODY)
    own_port = free_port(own)
    passwords = f"[{address}]:{port} {account.username}:{account.password}\n".encode()
    with (
        current_budget().client(messages=len(recipients)),
        postfix.running(own, own_port, settings, files={"passwords": passwords}),
        SMTPProbe.connect(own, own_port) as probe,
    ):
        must_answer(probe.read_reply(), "220", "Postfix is there")
        must_answer(probe.ehlo(), "250", "Postfix is there")
        must_answer(probe.submit(sender_of(target), recipients, content), "250", "Postfix takes it")
        for recipient in recipients:
            copy = must_reach(
                sink, f"a copy for {recipient}", token=token, recipient=recipient, within=30.0
            )
            must(copy.body == content.partition(b"\r\n\r\n")[2], "the body unharmed", copy.body)
            traces = [field.value for field in fields_named(copy.content, "Received")]
            by = [re.search(r"\bby (\S+)", trace) for trace in traces]
            names = [found[1] for found in by if found]
            must("client.example.net" in names[1:], "Postfix's trace below the relay's", traces)
            must("ESMTPSA" in traces[0], expected="with ESMTPSA", observed=traces[0])
    counts = [len(sink.deliveries(recipient=recipient, token=token)) for recipient in recipients]
    must(counts == [1, 1, 1], expected="one copy each", observed=counts)


@requirement("RLY-01")
@takes_seconds(3)
def test_postfix_is_the_mx_host_behind_the_relay(
    session: LogIn,
    target: Target,
    sink: SinkMX,
    dns: FakeDNS,
    message: ComposeMessage,
    token: str,
) -> None:
    """A Postfix as the MX host gets mail over TLS, signed and whole; its refusals are reported."""
    own, domain = "127.0.6.255", f"{token}.postfix.example"
    dns.add(Zone(domain, {"@": {"MX": ["10 mx"]}, "mx": {"A": [own]}}))
    certificate = CertificateAuthority.create().issue([f"mx.{domain}"])
    settings = {
        "myhostname": f"mx.{domain}",
        "relay_domains": domain,
        "relay_transport": "smtp",
        "smtpd_relay_restrictions": "reject_unauth_destination",
        "smtpd_recipient_restrictions": (
            f"check_recipient_access inline:{{ {{nobody@{domain} = 550 5.1.1 No such user}} }}"
        ),
        "relayhost": f"[{sink.addresses[next(iter(sink.addresses))]}]:{sink.port}",
        "smtp_tls_security_level": "none",
        "smtpd_tls_security_level": "may",
        "smtpd_tls_received_header": "yes",
        "smtpd_tls_chain_files": "{folder}/etc/tls.pem",
        "local_header_rewrite_clients": "",
    }
    chain = certificate.key_pem + certificate.chain_pem
    sender = sender_of(target, f"mx-{token}")
    good, bad = f"rcpt@{domain}", f"nobody@{domain}"
    with postfix.running(own, sink.port, settings, files={"tls.pem": chain}):
        content = message(token, BODY)
        reply = session().submit(sender, [good, bad], content)
        must_answer(reply, "250", "a good message")
        copy = must_reach(sink, "the message by way of Postfix", recipient=good, within=30.0)
        traces = [field.value for field in fields_named(copy.content, "Received")]
        must(f"by mx.{domain}" in traces[0], expected="Postfix's trace on top", observed=traces)
        must("using TLSv1" in traces[0], expected="TLS to Postfix", observed=traces[0])
        must(copy.body == content.partition(b"\r\n\r\n")[2], "the body unharmed", copy.body)
        must_verify(copy.content, target, look_up_for(target))
        found = must_reach(sink, "a report on the refused one", recipient=sender, within=30.0)
        must(is_report(found), expected="a report", observed=found.header[:300])
        [fields] = read(found).about_recipients
        must(bad in fields.get("final-recipient", ""), expected=bad, observed=fields)
        words = fields.get("diagnostic-code", "")
        must("No such user" in words, expected="Postfix's words", observed=fields)
