"""TLS: protocol versions and cipher suites (RFC 9325 §3.1.1, §4.1, §4.2; RFC 8996)."""

from __future__ import annotations

import ssl

import pytest

from conformance.judgement import must, remark
from conformance.requirement import requirement
from conformance.rfc3207.client_hello import (
    ECDHE_AEAD_SUITES,
    FORBIDDEN_SUITES,
    LEGACY_SUITES,
    SSL_3,
    TLS_1_0,
    TLS_1_1,
    TLS_1_2,
    ServerHello,
    client_hello,
    server_hello,
)
from conformance.steps import must_answer, must_be_alive
from fixtures.plugin import Connect
from fixtures.probe import ConnectionLost, HandshakeFailed, SMTPProbe
from fixtures.target import Target

STATIC_RSA_SUITES = (0x009C, 0x009D, 0x003C, 0x002F, 0x0035)


def trusting(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """Return a client context that judges no certificate and may speak one version only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def ready_for_tls(clear: Connect) -> SMTPProbe:
    """Open a connection up to the 220 to STARTTLS."""
    probe = clear()
    must_answer(probe.ehlo(), "250", "EHLO with a domain is answered")
    must_answer(probe.command("STARTTLS"), "220", "STARTTLS is offered")
    return probe


def shake_hands(probe: SMTPProbe, context: ssl.SSLContext, what: str) -> ssl.SSLObject:
    """Complete a handshake that has to succeed."""
    try:
        probe.handshake(context)
    except HandshakeFailed as failed:
        must(False, expected=f"a handshake with {what}", observed=failed.reason)
    assert probe.tls is not None
    return probe.tls


def choice_for(
    clear: Connect, host: str, version: int, suites: tuple[int, ...]
) -> ServerHello | None:
    """Return what the server chooses for a handwritten ClientHello, None if it refuses."""
    probe = ready_for_tls(clear)
    try:
        probe.send(client_hello(version, suites, host))
        answer = probe.silence(1.0)
    except ConnectionLost as lost:
        answer = lost.octets
    return server_hello(answer)


@requirement("TLS-13")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_current_versions_work(version: ssl.TLSVersion, clear: Connect) -> None:
    """A client that speaks TLS 1.2 only, or 1.3 only, is served."""
    probe = ready_for_tls(clear)
    tls = shake_hands(probe, trusting(version), version.name)
    must_answer(probe.ehlo(), "250", f"EHLO over {tls.version()}")
    must_be_alive(probe)


@requirement("TLS-13")
def test_tls_1_3_is_preferred(clear: Connect) -> None:
    """A client that speaks both 1.2 and 1.3 gets 1.3."""
    tls = shake_hands(ready_for_tls(clear), trusting(), "TLS 1.2 or 1.3")
    must(tls.version() == "TLSv1.3", expected="TLSv1.3", observed=tls.version())


@requirement("TLS-13")
@pytest.mark.parametrize("version", [SSL_3, TLS_1_0, TLS_1_1], ids=["SSLv3", "TLS 1.0", "TLS 1.1"])
def test_old_versions_are_impossible(version: int, clear: Connect, target: Target) -> None:
    """A client that speaks nothing newer than TLS 1.1 gets no handshake."""
    chosen = choice_for(clear, target.endpoint().host, version, LEGACY_SUITES)
    must(chosen is None, expected="an alert or the end", observed=f"ServerHello: {chosen}")


@requirement("TLS-14")
@pytest.mark.parametrize("weakness", list(FORBIDDEN_SUITES))
def test_weak_suites_are_refused(weakness: str, clear: Connect, target: Target) -> None:
    """A client that offers nothing but forbidden suites gets no handshake."""
    suites = FORBIDDEN_SUITES[weakness]
    chosen = choice_for(clear, target.endpoint().host, TLS_1_2, suites)
    must(chosen is None, expected="an alert or the end", observed=f"ServerHello: {chosen}")


@requirement("TLS-14")
def test_the_server_picks_the_suite(clear: Connect, target: Target) -> None:
    """From a list in a bad order the server picks forward secrecy with an AEAD."""
    context = trusting(ssl.TLSVersion.TLSv1_2)
    # Worst first: no forward secrecy, then no AEAD for either kind of certificate.
    context.set_ciphers(
        "AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256"
        ":ECDHE+AESGCM:ECDHE+CHACHA20"
    )
    tls = shake_hands(ready_for_tls(clear), context, "one of many suites")
    cipher = tls.cipher()
    name = cipher[0] if cipher else ""
    is_good = name.startswith("ECDHE-") and ("GCM" in name or "CHACHA20" in name)
    must(is_good, expected="an ECDHE suite with an AEAD", observed=name)
    # RFC 9325 §4.1 says SHOULD NOT: alone, static RSA is worth a remark and no accusation.
    static = choice_for(clear, target.endpoint().host, TLS_1_2, STATIC_RSA_SUITES)
    if static is not None:
        remark(f"RFC 9325 §4.1 would rather not have suite {static.suite:#06x}")


@requirement("TLS-20")
@pytest.mark.parametrize("pieces", ["octets", "two"])
def test_client_hello_in_pieces(pieces: str, clear: Connect, target: Target) -> None:
    """A ClientHello that arrives in small segments is answered like a whole one."""
    hello = client_hello(TLS_1_2, ECDHE_AEAD_SUITES, target.endpoint().host)
    probe = ready_for_tls(clear)
    size = 1 if pieces == "octets" else 7
    try:
        for place in range(0, len(hello), size):
            probe.send(hello[place : place + size])
        answer = probe.silence(0.3)
    except ConnectionLost as lost:
        # Hanging up on the first piece is the very offence.
        must(False, expected="a ServerHello", observed=str(lost))
    must(server_hello(answer) is not None, expected="a ServerHello", observed=answer)
