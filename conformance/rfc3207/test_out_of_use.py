"""TLS: what is out of use (RFC 9325 §3.3, §3.5, §3.10; RFC 8314 §4.2), and TLS that is missing."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from conformance.interop.tools import tool
from conformance.judgement import must, not_observable
from conformance.requirement import requirement
from conformance.rfc3207.client_hello import (
    ECDHE_AEAD_SUITES,
    TLS_1_2,
    client_hello,
    message_kinds,
    server_hello,
)
from conformance.rfc3207.test_versions import ready_for_tls
from conformance.steps import must_answer, must_refuse, sender_of
from fixtures.budget import current_budget
from fixtures.plugin import Connect
from fixtures.probe import HandshakeFailed
from fixtures.target import Target

_CERTIFICATE_REQUEST = 13
# How long s_client has to be quiet until the next line is typed.
_QUIET_SECONDS = 0.5
_DEFLATE_FIRST = b"\1\0"


def answer_to(clear: Connect, target: Target, compressions: bytes = b"\0") -> bytes:
    """Return what the server says to a ClientHello of TLS 1.2, whose handshake is in clear."""
    probe = ready_for_tls(clear)
    host = target.endpoint().host
    probe.send(client_hello(TLS_1_2, ECDHE_AEAD_SUITES, host, compressions))
    return probe.silence(0.5)


@requirement("TLS-17")
def test_no_client_certificate_is_demanded(clear: Connect, target: Target) -> None:
    """The server's first flight asks for no certificate of the client."""
    kinds = message_kinds(answer_to(clear, target))
    must(kinds[:1] == (2,), "a ServerHello", kinds)
    must(_CERTIFICATE_REQUEST not in kinds, "no CertificateRequest", kinds)


@requirement("TLS-17")
def test_compression_is_not_chosen(clear: Connect, target: Target) -> None:
    """A client that offers compression is answered without it."""
    chosen = server_hello(answer_to(clear, target, _DEFLATE_FIRST))
    must(chosen is not None, "a ServerHello", chosen)
    must(chosen is not None and chosen.compression == 0, "no compression", chosen)


def s_client_command(target: Target, *options: str) -> list[str]:
    """Return the command line of `openssl s_client` for the first endpoint."""
    endpoint = target.endpoint()
    return [
        *(tool("openssl"), "s_client", "-starttls", "smtp"),
        *("-connect", f"{endpoint.addresses[0]}:{endpoint.port}"),
        *("-servername", endpoint.host, "-crlf", *options),
    ]


def s_client(target: Target, *options: str, typed: bytes) -> bytes:
    """Run `openssl s_client` at the endpoint with what a person types; return all it says."""
    with (
        current_budget().client(messages=1),
        subprocess.Popen(
            s_client_command(target, *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as client,
    ):
        try:
            said, _ = client.communicate(typed, timeout=10)
        except subprocess.TimeoutExpired:
            client.kill()
            said, _ = client.communicate()
    return said


def typed_one_by_one(target: Target, lines: Sequence[bytes], *options: str) -> bytes:
    """Type lines with a pause between them, as s_client drops what shares a read with its R."""
    with (
        current_budget().client(messages=1),
        subprocess.Popen(
            s_client_command(target, *options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as client,
    ):
        assert client.stdin is not None
        assert client.stdout is not None
        said = b""
        for line in (b"", *lines):
            with contextlib.suppress(BrokenPipeError):
                client.stdin.write(line)
                client.stdin.flush()
            while select.select([client.stdout], [], [], _QUIET_SECONDS)[0]:
                if not (octets := os.read(client.stdout.fileno(), 65536)):
                    break
                said += octets
        client.kill()
        with contextlib.suppress(BrokenPipeError):
            client.stdin.close()
    return said


@requirement("TLS-17")
def test_renegotiation_is_refused(target: Target) -> None:
    """A client that renegotiates under TLS 1.2 is refused, and nothing it says then is obeyed."""
    # A line that begins with R makes s_client renegotiate; what follows needs an answer to show.
    said = typed_one_by_one(target, (b"R\n", b"NOOP\n"), "-tls1_2")
    must(b"RENEGOTIATING" in said, "a client that renegotiates", said[-300:])
    behind = said.partition(b"RENEGOTIATING")[2]
    must(b"250 " not in behind, "no session behind a renegotiation", behind[-300:])


@requirement("TLS-17")
def test_early_data_is_not_taken(target: Target) -> None:
    """A resumed session of TLS 1.3 takes no early data, so that none can be replayed."""
    with tempfile.TemporaryDirectory(prefix="early-data-") as folder:
        ticket, early = Path(folder) / "ticket.pem", Path(folder) / "early"
        early.write_bytes(b"EHLO early.example\r\n")
        typed = b"EHLO client.example\nquit\n"
        s_client(target, "-tls1_3", "-ign_eof", "-sess_out", str(ticket), typed=typed)
        if not ticket.exists():
            return  # no ticket, no early data
        resumed = ("-sess_in", str(ticket), "-early_data", str(early))
        said = s_client(target, "-tls1_3", "-ign_eof", *resumed, typed=typed)
        must(b"Early data was accepted" not in said, "early data refused", said[-300:])


@requirement("TLS-12")
def test_without_certificate_nothing_goes_in_clear(clear: Connect, target: Target) -> None:
    """With its certificate gone the service still encrypts or says 454; nothing goes in clear."""
    if target.settings is None:
        not_observable("the certificate of the relay under test cannot be taken away")

    def take_away(table: dict[str, Any]) -> None:
        for endpoint in table["endpoint"]:
            # A file that is there and no certificate: a renewal that went wrong.
            endpoint["certificate_file"] = "relay.toml"

    with target.settings.edited(take_away):
        probe = clear()
        hello = must_answer(probe.ehlo(), "250", "EHLO with a domain is answered")
        must("AUTH" not in hello.keywords, "no AUTH in clear", hello.raw)
        must_refuse(probe.mail(sender_of(target)), "no mail in clear", exactly="530")
        if "STARTTLS" not in hello.keywords:
            return
        try:
            reply = probe.starttls()
        except HandshakeFailed as failed:
            must(False, expected="454, or TLS that works", observed=failed.reason)
            raise
        must(reply.code in (220, 454), "220, or 454 for the moment", reply.raw)
        if reply.code == 454:
            must_refuse(probe.mail(sender_of(target)), "no mail in clear", exactly="530")
