"""Relays that get TLS wrong: the command, the handshake, what is left of the clear session."""

from __future__ import annotations

import ssl
import tempfile
import warnings
from pathlib import Path
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import (
    Broken,
    anybody_may_send,
    around,
    around_verb,
    keywords,
    open_to,
)


def context_becomes(change: Any) -> None:
    """Change the TLS context of every endpoint."""
    from reference_relay import relay

    @around(relay, "server_context")
    def changed(original: Broken, certificate_file: str, key_file: str) -> ssl.SSLContext:
        context: ssl.SSLContext = original(certificate_file, key_file)
        change(context)
        return context


def starttls_offered_inside() -> None:
    keywords(lambda lines: (*lines, "STARTTLS"))


def starttls_ignores_arguments() -> None:
    @around_verb("STARTTLS")
    def careless(original: Broken, session: Any, argument: bytes) -> Any:
        return original(session, b"")


def starttls_twice() -> None:
    from reference_relay.smtp.command import Verb
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_refusal")
    def welcoming(original: Broken, self: Any, verb: Any) -> Any:
        return None if verb is Verb.STARTTLS else original(self, verb)


def envelope_survives_starttls() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.command import Verb
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_refusal")
    def early(original: Broken, self: Any, verb: Any) -> Any:
        if verb is Verb.MAIL and not self.is_encrypted:
            self.has_sender = True
            return replies.OK
        if verb is Verb.RCPT and getattr(self, "has_sender", False):
            return replies.OK
        return original(self, verb)


def vrfy_in_clear() -> None:
    from reference_relay.smtp.command import Verb
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_refusal")
    def talkative(original: Broken, self: Any, verb: Any) -> Any:
        return None if verb is Verb.VRFY else original(self, verb)


def auth_in_clear() -> None:
    open_to("IN_CLEAR", "AUTH")


def mail_in_clear() -> None:
    open_to("IN_CLEAR", "MAIL", "RCPT")
    open_to("UNAUTHENTICATED", "MAIL", "RCPT")
    anybody_may_send()


def clear_auth_tells_users() -> None:
    from reference_relay.smtp import replies, sasl
    from reference_relay.smtp.server_session import ServerSession
    from reference_relay.submission.connection import Connection

    @around(Connection, "connection_made")
    def knowing(original: Broken, self: Any, transport: Any) -> None:
        self._session.directory = self._context.directory
        original(self, transport)

    @around(ServerSession, "_execute")
    def honest(original: Broken, self: Any, line: bytes) -> Any:
        outcome = original(self, line)
        if outcome is replies.MUST_STARTTLS and line.startswith(b"AUTH PLAIN "):
            _, _, user, *_ = (b"\0" + (sasl.decode(line[11:]) or b"\0")).split(b"\0")
            if self.directory().account(user.decode()) is None:
                return replies.CREDENTIALS_INVALID
        return outcome


def clear_name_survives() -> None:
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_hello")
    def faithful(original: Broken, self: Any, argument: bytes, verb: Any) -> Any:
        name = self.hello_name or getattr(self, "first_name", "")
        reply = original(self, argument, verb)
        self.hello_name = self.first_name = name or self.hello_name
        return reply


def starttls_keeps_the_buffer() -> None:
    from reference_relay.smtp.server_session import ServerSession

    @around_verb("STARTTLS")
    def kept(original: Broken, session: Any, argument: bytes) -> Any:
        session.injected = session._buffer.take()
        return original(session, argument)

    @around(ServerSession, "receive_data")
    def resumed(original: Broken, self: Any, octets: bytes) -> None:
        injected, self.injected = getattr(self, "injected", b""), b""
        original(self, injected + octets)


def clear_text_behind_the_220() -> None:
    from reference_relay.smtp import replies

    @around_verb("STARTTLS")
    def talkative(original: Broken, session: Any, argument: bytes) -> Any:
        lines = session._buffer.take().count(b"\n")
        outcome = original(session, argument)
        for _ in range(lines):
            session._send(replies.OK)
        return outcome


def back_to_clear() -> None:
    from reference_relay.submission.connection import Connection

    @around(Connection, "_end")
    def forgiving(original: Broken, self: Any, reason: str) -> None:
        if reason == "TLS failed":
            self._tls = None
        else:
            original(self, reason)


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
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE

    context_becomes(obliging)


def chain_incomplete() -> None:
    from reference_relay import relay

    end = "-----END CERTIFICATE-----\n"

    @around(relay, "server_context")
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
        return self._session._question is not None


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


MUTATIONS = {
    "starttls-offered-inside": Mutation(
        ("TLS-01",), starttls_offered_inside, "STARTTLS is offered inside TLS."
    ),
    "starttls-ignores-arguments": Mutation(
        ("TLS-02",), starttls_ignores_arguments, "STARTTLS works with an argument."
    ),
    "starttls-twice": Mutation(("TLS-03",), starttls_twice, "STARTTLS inside TLS is answered 220."),
    "envelope-survives-starttls": Mutation(
        ("TLS-04",), envelope_survives_starttls, "RCPT inside TLS goes on with a MAIL in clear."
    ),
    "vrfy-in-clear": Mutation(("TLS-05",), vrfy_in_clear, "VRFY works before TLS."),
    "mail-in-clear": Mutation(("INT-11",), mail_in_clear, "MAIL and RCPT work before TLS."),
    "auth-in-clear": Mutation(("TLS-06",), auth_in_clear, "AUTH works before TLS."),
    "clear-auth-tells-users": Mutation(
        ("TLS-07",), clear_auth_tells_users, "AUTH in clear is answered otherwise for real users."
    ),
    "clear-name-survives": Mutation(
        ("TLS-08",), clear_name_survives, "The EHLO name of the clear session stays."
    ),
    "starttls-keeps-the-buffer": Mutation(
        ("TLS-09",), starttls_keeps_the_buffer, "Text behind STARTTLS runs inside TLS."
    ),
    "clear-text-behind-the-220": Mutation(
        ("TLS-10",), clear_text_behind_the_220, "Text behind STARTTLS is answered in clear."
    ),
    "back-to-clear": Mutation(
        ("TLS-11",), back_to_clear, "After a failed handshake the session goes on in clear."
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
        ("TLS-19",), end_of_file_ends_the_data, "A connection that breaks off ends the data."
    ),
    "handshake-in-one-piece": Mutation(
        ("TLS-20",), handshake_in_one_piece, "A TLS record in several segments is refused."
    ),
    "private-endpoint-is-older": Mutation(
        ("TLS-21",), private_endpoint_is_older, "The private endpoint knows no TLS 1.3."
    ),
}
