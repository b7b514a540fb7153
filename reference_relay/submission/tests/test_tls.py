"""TLS around a session: implicit TLS, names, resumption, early data, a new certificate."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reference_relay.submission.tests.client import Client, throw_away_certificate
from reference_relay.submission.tests.serving import MESSAGE, Served, begin, served, sign_in
from reference_relay.submission.tls_layer import server_context


@pytest.fixture(params=[False, True], ids=["stock", "uvloop"])
def serving(certificate: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(certificate, uses_uvloop=request.param) as serving:
        yield serving


def client_context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if version is not None:
        context.minimum_version = context.maximum_version = version
    return context


def test_implicit_tls_is_the_same_inside(serving: Served) -> None:
    """The greeting comes encrypted, STARTTLS is not offered and refused, mail is taken."""
    with Client(serving.encrypted_port) as client:
        client.handshake()
        assert client.read().startswith(b"220 mx.example.net ")
        keywords = client.say(b"EHLO client.example\r\n")
        assert b"AUTH PLAIN LOGIN" in keywords
        assert b"STARTTLS" not in keywords
        assert client.say(b"STARTTLS\r\n").startswith(b"503 ")
        assert sign_in(client).startswith(b"235 ")
        begin(client)
        assert client.say(MESSAGE).startswith(b"250 ")
        assert client.say(b"QUIT\r\n").startswith(b"221 ")
    (message,) = serving.spool.messages
    assert b"with ESMTPSA" in message.content


def test_implicit_tls_says_nothing_in_clear(serving: Served) -> None:
    """No greeting before the handshake; SMTP in clear ends the connection without a reply."""
    with Client(serving.encrypted_port) as client:
        client.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(10)
        client.socket.sendall(b"EHLO client.example\r\n")
        received = b""
        while piece := client.socket.recv(4096):
            received += piece
        # At most a TLS alert (RFC 8446 §5.1).
        assert received[:1] in (b"", b"\x15")
        assert b"220" not in received


def test_a_flight_behind_finished_is_served(serving: Served) -> None:
    """Commands that ride with the client's Finished are answered after the greeting."""
    for _ in range(20):
        with Client(serving.encrypted_port) as client:
            client.handshake(with_flight=b"EHLO client.example\r\nNOOP\r\n")
            assert client.read().startswith(b"220 ")
            assert client.read().startswith(b"250-mx.example.net")
            assert client.read().startswith(b"250 2.0.0 ")


def test_a_denied_network_is_told_inside(certificate: Path) -> None:
    """The 554 of D-11 comes after the handshake; then only QUIT is left."""
    with served(certificate, zone="192.0.2.1") as serving, Client(serving.encrypted_port) as client:
        client.handshake()
        assert client.read().startswith(b"554 5.7.1 ")
        assert client.say(b"EHLO client.example\r\n").startswith(b"503 ")
        assert client.say(b"QUIT\r\n").startswith(b"221 ")


@pytest.mark.parametrize("name", [None, "mx.example.net", "unknown.example", "x" * 63 + ".example"])
def test_any_name_gets_the_certificate_of_the_endpoint(serving: Served, name: str | None) -> None:
    """No name, the right one, or one we do not know: the same default certificate (TLS-16)."""
    with (
        socket.create_connection(("127.0.0.1", serving.encrypted_port), timeout=10) as plain,
        client_context().wrap_socket(plain, server_hostname=name) as encrypted,
    ):
        shown = encrypted.getpeercert(binary_form=True)
        assert encrypted.recv(4) == b"220 "
    assert shown == endpoint_certificate(serving)


def endpoint_certificate(serving: Served) -> bytes:
    pem = ssl.get_server_certificate(("127.0.0.1", serving.encrypted_port))
    return ssl.PEM_cert_to_DER_cert(pem)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_resumed_session_is_a_new_smtp_session(serving: Served, version: ssl.TLSVersion) -> None:
    """A ticket shortens the handshake and brings no authentication with it (TLS-18)."""
    context = client_context(version)
    session = None
    for is_resumed in (False, True):
        with ExitStack() as stack:
            address = ("127.0.0.1", serving.encrypted_port)
            plain = stack.enter_context(socket.create_connection(address, timeout=10))
            encrypted = stack.enter_context(context.wrap_socket(plain, session=session))
            replies = stack.enter_context(encrypted.makefile("rb"))
            assert replies.readline().startswith(b"220 ")
            assert encrypted.session_reused is is_resumed
            encrypted.sendall(b"MAIL FROM:<a@example.com>\r\n")
            assert replies.readline().startswith((b"530 ", b"503 "))
            encrypted.sendall(b"AUTH PLAIN AHVzZXIAcGFzcw==\r\n")
            assert replies.readline().startswith(b"235 ")
            session = encrypted.session
            encrypted.sendall(b"QUIT\r\n")
            assert replies.readline().startswith(b"221 ")


def test_tickets_allow_no_early_data(serving: Served) -> None:
    """A ticket that allowed early data would let a replayed flight be executed (TLS-17)."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl program to read a ticket")
    where = ("-connect", f"127.0.0.1:{serving.encrypted_port}")
    ended = subprocess.run(
        # It waits for the end of the session, hence for the tickets before it.
        [openssl, "s_client", *where, "-tls1_3", "-crlf", "-ign_eof"],
        input=b"quit\n",
        capture_output=True,
        timeout=20,
        check=False,
    )
    found = re.findall(rb"Max Early Data: (\d+)", ended.stdout)
    assert found
    assert set(found) == {b"0"}


def test_a_new_certificate_is_for_new_connections(serving: Served, tmp_path: Path) -> None:
    """After a reload open sessions go on, new ones see the new certificate."""
    other = throw_away_certificate(tmp_path)
    listener = serving.listener
    before = endpoint_certificate(serving)
    with serving.session() as client:

        async def adopt() -> None:
            context = server_context(str(other), str(other))
            listener.adopt(listener.endpoint, context, listener.context)

        serving.run(adopt())
        after = endpoint_certificate(serving)
        assert after != before
        assert after == ssl.PEM_cert_to_DER_cert(certificate_part(other))
        assert client.say(b"NOOP\r\n").startswith(b"250 ")


def certificate_part(pem: Path) -> str:
    text = pem.read_text()
    return text[text.index("-----BEGIN CERTIFICATE") :]
