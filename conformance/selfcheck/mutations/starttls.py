"""Relays that get STARTTLS wrong: when it works, and what of the clear session is left."""

from __future__ import annotations

from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import Broken, around, around_verb, keywords, open_to


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


def mail_in_clear_behind_rset() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.command import Verb
    from reference_relay.smtp.server_session import ServerSession

    @around_verb("RSET")
    def remembered(original: Broken, session: Any, argument: bytes) -> Any:
        session.is_reset = True
        return original(session, argument)

    @around(ServerSession, "_refusal")
    def forgetful(original: Broken, self: Any, verb: Any) -> Any:
        is_open = verb is Verb.MAIL and getattr(self, "is_reset", False) and not self.is_encrypted
        return replies.OK if is_open else original(self, verb)


def hello_survives_starttls() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.command import Verb
    from reference_relay.smtp.server_session import ServerSession
    from reference_relay.smtp.transitions import State

    @around(ServerSession, "_refusal")
    def familiar(original: Broken, self: Any, verb: Any) -> Any:
        is_early = verb is Verb.MAIL and self.is_encrypted and self.state is State.CONNECTED
        return replies.OK if is_early else original(self, verb)


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
    "mail-in-clear-behind-rset": Mutation(
        ("TLS-05",), mail_in_clear_behind_rset, "After RSET, MAIL works before TLS."
    ),
    "hello-survives-starttls": Mutation(
        ("TLS-08",), hello_survives_starttls, "MAIL works inside TLS before the second EHLO."
    ),
}
