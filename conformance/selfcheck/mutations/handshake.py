"""Relays that get TLS itself wrong: versions, suites, certificates, its beginning and end."""

from __future__ import annotations

import ssl
import tempfile
import warnings
from pathlib import Path
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around


def context_becomes(change: Any) -> None:
    """Change the TLS context of every endpoint."""
    from reference_relay import prepared

    @around(prepared, "server_context")
    def changed(original: Broken, certificate_file: str, key_file: str) -> ssl.SSLContext:
        context: ssl.SSLContext = original(certificate_file, key_file)
        change(context)
        return context


def old_versions_spoken() -> None:
    def old(context: ssl.SSLContext) -> None:
        with warnings.catch_warnings(action="ignore"):
            context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")

    context_becomes(old)


def anonymous_suites() -> None:
    context_becomes(lambda context: context.set_ciphers("ALL:aNULL:eNULL:@SECLEVEL=0"))


def client_picks_the_suite() -> None:
    def obliging(context: ssl.SSLContext) -> None:
        context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:RSA+AESGCM")
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE

    context_becomes(obliging)


def chain_incomplete() -> None:
    from reference_relay import prepared

    end = "-----END CERTIFICATE-----\n"

    @around(prepared, "server_context")
    def leaf_alone(original: Broken, certificate_file: str, key_file: str) -> Any:
        leaf = Path(certificate_file).read_text("ascii").partition(end)[0] + end
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(leaf)
            file.flush()
            return original(file.name, key_file)


def server_name_demanded() -> None:
    def demanding(context: ssl.SSLContext) -> None:
        context.sni_callback = lambda _engine, name, _context: (
            None if name else ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        )

    context_becomes(demanding)


def resumption_logs_in() -> None:
    from reference_relay.smtp.server_session import ServerSession
    from reference_relay.submission.connection import Connection

    users: list[str] = []

    @around(ServerSession, "authenticated")
    def remembered(original: Broken, self: Any, identity: str) -> None:
        users.append(identity)
        original(self, identity)

    @around(Connection, "_converse")
    def restored(original: Broken, self: Any) -> None:
        if self._tls is not None and self._tls.is_established and self._tls._engine.session_reused:
            self._session.identity = users[-1]
        original(self)


def tls_ends_without_notice() -> None:
    from reference_relay.submission.tls_layer import TLSLayer

    @around(TLSLayer, "close")
    def abrupt(original: Broken, self: Any) -> None:
        pass


def end_of_file_ends_the_data() -> None:
    from reference_relay.submission.connection import Connection

    @around(Connection, "_end")
    def completed(original: Broken, self: Any, reason: str) -> None:
        if reason == "closed by client" and self._session._reader is not None:
            self._session.receive_data(b"\r\n.\r\n")
            self._converse()
        else:
            original(self, reason)

    @around(Connection, "eof_received")
    def patient(original: Broken, self: Any) -> bool:
        self._end("closed by client")
        return self._session.question is not None


def handshake_in_one_piece() -> None:
    from reference_relay.submission.tls_layer import TLSError, TLSLayer

    @around(TLSLayer, "receive")
    def narrow(original: Broken, self: Any, ciphertext: Any) -> bytes:
        octets = bytes(ciphertext)
        if not self.is_established and len(octets) < 5 + int.from_bytes(octets[3:5], "big"):
            raise TLSError("a record in pieces")
        plaintext: bytes = original(self, octets)
        return plaintext


def private_endpoint_is_older() -> None:
    from reference_relay.submission.listener import Listener

    @around(Listener, "__init__")
    def uneven(original: Broken, self: Any, endpoint: Any, *rest: Any) -> None:
        original(self, endpoint, *rest)
        if endpoint.type.value == "private":
            self.tls_context.maximum_version = ssl.TLSVersion.TLSv1_2


def tls_1_3_alone() -> None:
    def modern(context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_3

    context_becomes(modern)


def tls_1_2_alone() -> None:
    def conservative(context: ssl.SSLContext) -> None:
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    context_becomes(conservative)


def text_in_the_place_of_an_alert() -> None:
    from reference_relay.submission.tls_layer import TLSError, TLSLayer

    @around(TLSLayer, "receive")
    def noted(original: Broken, self: Any, ciphertext: Any) -> Any:
        try:
            return original(self, ciphertext)
        except TLSError:
            self.has_failed = True
            raise

    @around(TLSLayer, "data_to_send")
    def spoken(original: Broken, self: Any) -> bytes:
        octets: bytes = original(self)
        return b"554 5.7.0 TLS failed\r\n" if getattr(self, "has_failed", False) else octets


def renegotiation_works() -> None:
    def open_minded(context: ssl.SSLContext) -> None:
        context.options &= ~ssl.OP_NO_RENEGOTIATION
        # SSL_OP_ALLOW_CLIENT_RENEGOTIATION: OpenSSL 3 refuses it by itself.
        context.options |= 1 << 8

    context_becomes(open_minded)


def client_certificate_asked_for() -> None:
    def curious(context: ssl.SSLContext) -> None:
        context.verify_mode = ssl.CERT_OPTIONAL

    context_becomes(curious)


MUTATIONS = {
    "renegotiation-works": Mutation(
        ("TLS-17",), renegotiation_works, "A client may renegotiate under TLS 1.2."
    ),
    "client-certificate-asked-for": Mutation(
        ("TLS-17",), client_certificate_asked_for, "The client is asked for a certificate."
    ),
    "old-versions-spoken": Mutation(("TLS-13",), old_versions_spoken, "TLS 1.0 and 1.1 work."),
    "anonymous-suites": Mutation(
        ("TLS-14",), anonymous_suites, "Suites without certificate or without encryption work."
    ),
    "client-picks-the-suite": Mutation(
        ("TLS-14",), client_picks_the_suite, "The client's order of suites decides."
    ),
    "chain-incomplete": Mutation(
        ("TLS-15",), chain_incomplete, "The certificate comes without its chain."
    ),
    "server-name-demanded": Mutation(
        ("TLS-16",), server_name_demanded, "A ClientHello without server name is refused."
    ),
    "resumption-logs-in": Mutation(
        ("TLS-18",), resumption_logs_in, "A resumed TLS session brings its user back."
    ),
    "tls-ends-without-notice": Mutation(
        ("TLS-19",), tls_ends_without_notice, "The connection ends without close_notify."
    ),
    "end-of-file-ends-the-data": Mutation(
        ("TLS-19", "ROB-05"),
        end_of_file_ends_the_data,
        "A connection that breaks off ends the data.",
    ),
    "handshake-in-one-piece": Mutation(
        ("TLS-20",), handshake_in_one_piece, "A TLS record in several segments is refused."
    ),
    "private-endpoint-is-older": Mutation(
        ("TLS-21",), private_endpoint_is_older, "The private endpoint knows no TLS 1.3."
    ),
    "tls-1-3-alone": Mutation(("TLS-13",), tls_1_3_alone, "TLS 1.2 does not work."),
    "tls-1-2-alone": Mutation(("TLS-13",), tls_1_2_alone, "TLS 1.3 does not work."),
    "text-in-the-place-of-an-alert": Mutation(
        ("TLS-16", "TLS-11"),
        text_in_the_place_of_an_alert,
        "A handshake that fails is answered in clear.",
    ),
}
