"""TLS: certificates, server names, resumption and the end of TLS (RFC 7817, RFC 8446 §6.1)."""

from __future__ import annotations

import contextlib
import ssl
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from conformance.judgement import must, not_observable, remark
from conformance.requirement import requirement
from conformance.rfc3207.client_hello import ECDHE_AEAD_SUITES, TLS_1_2, client_hello, server_hello
from conformance.steps import (
    NothingArrived,
    enter_data,
    must_answer,
    must_refuse,
    open_transaction,
    sender_of,
    verdict_on_sender,
)
from fixtures.plugin import ComposeMessage, Connect, LogIn
from fixtures.probe import ConnectionLost, HandshakeFailed, SMTPProbe
from fixtures.target import Target, TargetEndpoint


def open_tls(endpoint: TargetEndpoint, address: str, context: ssl.SSLContext) -> SMTPProbe | None:
    """Connect to one address of an endpoint and start TLS; None if this client is not admitted.

    Raises:
        HandshakeFailed: The chain or the name is not what the context trusts.
    """
    probe = SMTPProbe.connect(
        address, endpoint.port_of(address), context=context, server_hostname=endpoint.host
    )
    try:
        if probe.read_reply().code != 220:
            probe.close()
            return None
        must_answer(probe.ehlo(), "250", "EHLO with a domain is answered")
        must_answer(probe.starttls(), "220", "STARTTLS is offered")
    except BaseException:
        probe.close()
        raise
    return probe


def judge_certificate(certificate: x509.Certificate, host: str) -> None:
    """Demand the server's name, a strong key, SHA-2 and valid dates (RFC 9325 §4.5)."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    dns_ids = names.get_values_for_type(x509.DNSName)
    must(host in dns_ids, expected=f"{host} among the DNS-IDs", observed=dns_ids)
    key = certificate.public_key()
    is_strong = (
        (isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048)
        or (isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= 256)
        or isinstance(key, ed25519.Ed25519PublicKey)
    )
    must(is_strong, expected="RSA of 2048 bits, ECDSA of 256, or better", observed=type(key))
    digest = certificate.signature_hash_algorithm
    must(
        digest is None or digest.digest_size >= 32,
        expected="a signature with SHA-256 or better",
        observed=digest and digest.name,
    )
    now = datetime.now(UTC)
    must(
        certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc,
        expected="a certificate of today",
        observed=f"{certificate.not_valid_before_utc} to {certificate.not_valid_after_utc}",
    )


@requirement("TLS-15")
def test_every_endpoint_has_a_valid_certificate(target: Target) -> None:
    """The certificate is valid for each public and private name, with its whole chain."""
    judged = 0
    for endpoint in target.endpoints:
        for address in endpoint.addresses:
            try:
                probe = open_tls(endpoint, address, target.tls_context)
            except HandshakeFailed as failed:
                expected = f"a chain and a name that verify at {endpoint.key}"
                must(False, expected=expected, observed=failed.reason)
                raise
            if probe is None:
                remark(f"{endpoint.key} at {address} admits no client here")
                continue
            with probe:
                assert probe.tls is not None
                der = probe.tls.getpeercert(binary_form=True)
                assert der is not None
                judge_certificate(x509.load_der_x509_certificate(der), endpoint.host)
                judged += 1
    if not judged:
        not_observable("no endpoint admits a client from here")


@requirement("TLS-16")
@pytest.mark.parametrize("name", ["endpoint", "none", "unknown"])
def test_server_names_are_handled(name: str, target: Target) -> None:
    """TLS works with the right server name and with none, and ends cleanly with a foreign one."""
    endpoint = target.endpoint()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    address = endpoint.addresses[0]
    server_name = {"endpoint": endpoint.host, "none": None, "unknown": "unknown.example"}[name]
    with SMTPProbe.connect(
        address, endpoint.port_of(address), context=context, server_hostname=server_name
    ) as probe:
        must_answer(probe.read_reply(), "220", "a new connection is greeted")
        must_answer(probe.ehlo(), "250", "EHLO with a domain is answered")
        must_answer(probe.command("STARTTLS"), "220", "STARTTLS is offered")
        try:
            probe.handshake()
        except HandshakeFailed as failed:
            must(name == "unknown", expected="a handshake", observed=failed.reason)
            return
        must_answer(probe.ehlo(), "250", "EHLO starts the session anew")
        if name == "unknown":
            remark("a foreign server name gets the default certificate")


@requirement("TLS-16")
@pytest.mark.parametrize(
    "server_name", ["x" * 63 + ".example", "a.example\\\0", "a" * 255, ""], ids=str.__len__
)
def test_odd_server_names_crash_nothing(server_name: str, clear: Connect, target: Target) -> None:
    """After a ClientHello with an odd server name the next client is served."""
    probe = clear()
    must_answer(probe.ehlo(), "250", "EHLO with a domain is answered")
    must_answer(probe.command("STARTTLS"), "220", "STARTTLS is offered")
    with contextlib.suppress(ConnectionLost):
        probe.send(client_hello(TLS_1_2, ECDHE_AEAD_SUITES, server_name))
        answer = probe.silence(0.05)
        must(
            not answer or answer[0] in (21, 22),
            expected="a TLS record or the end",
            observed=answer,
        )
        if server_hello(answer) is None:
            remark("refused by an alert or by the end of the connection")
    after = clear()
    must_answer(after.ehlo(), "250", "the next client is served")


@requirement("TLS-18")
def test_resumption_restores_nothing(clear: Connect, target: Target) -> None:
    """A resumed TLS session begins without EHLO, user or transaction."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    first = clear()
    must_answer(first.ehlo(), "250", "EHLO with a domain is answered")
    must_answer(first.starttls(context), "220", "STARTTLS is offered")
    must_answer(first.ehlo(), "250", "EHLO starts the session anew")
    must_answer(first.auth_plain(target.account()), "235", "the credentials are right")
    assert first.tls is not None
    ticket = first.tls.session
    must_answer(first.command("QUIT"), "221", "QUIT always works")
    second = clear()
    must_answer(second.ehlo(), "250", "EHLO with a domain is answered")
    must_answer(second.command("STARTTLS"), "220", "STARTTLS is offered")
    second.handshake(context, session=ticket)
    assert second.tls is not None
    if not second.tls.session_reused:
        remark("the server did not resume the TLS session, so there was nothing to restore")
    mail = verdict_on_sender(second, second.mail(sender_of(target)), target)
    must_refuse(mail, "a new SMTP session", exactly=("503", "530"))
    must_answer(second.ehlo(), "250", "EHLO starts the session anew")
    mail = verdict_on_sender(second, second.mail(sender_of(target)), target)
    must_refuse(mail, "nobody is authenticated", exactly="530")


@requirement("TLS-19")
def test_quit_ends_tls_in_order(session: LogIn) -> None:
    """After 221 the server sends close_notify before it closes."""
    probe = session()
    must_answer(probe.command("QUIT"), "221", "QUIT always works")
    must(probe.closed(within=2.0), expected="the connection closed after 221", observed="open")
    assert probe.tls is not None
    try:
        probe.tls.read(1)
    except ssl.SSLZeroReturnError:
        return
    except ssl.SSLError as error:
        must(False, expected="close_notify", observed=f"the end without it: {error.reason}")


@requirement("TLS-19")
@pytest.mark.parametrize("end", ["fin", "reset", "close_notify"])
@pytest.mark.parametrize("tail", [b"text", b"text\r\n.", b"text\r\n.\r"])
def test_truncated_content_is_not_delivered(
    tail: bytes,
    end: str,
    session: LogIn,
    target: Target,
    message: ComposeMessage,
    token: str,
    nothing_arrived: NothingArrived,
) -> None:
    """A connection that ends in the middle of the content leaves no message behind."""
    probe = session()
    open_transaction(probe, sender_of(target), [target.recipient()])
    enter_data(probe)
    probe.send(message(token) + tail)
    {"fin": probe.cut, "reset": probe.abort, "close_notify": probe.close}[end]()
    nothing_arrived(token)


@requirement("TLS-21")
def test_endpoints_have_one_tls_policy(target: Target) -> None:
    """Every endpoint negotiates the same version and suite with the same client."""
    choices: dict[str, tuple[str | None, str]] = {}
    for endpoint in target.endpoints:
        for address in endpoint.addresses:
            probe = open_tls(endpoint, address, target.tls_context)
            if probe is None:
                continue
            with probe:
                assert probe.tls is not None
                cipher = probe.tls.cipher()
                choices[f"{endpoint.key} {address}"] = (
                    probe.tls.version(),
                    cipher[0] if cipher else "",
                )
    if len(choices) < 2:
        not_observable("fewer than two endpoints admit a client from here")
    must(len(set(choices.values())) == 1, expected="one TLS policy", observed=choices)
