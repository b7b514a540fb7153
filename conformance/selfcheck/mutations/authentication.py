"""Relays that let the wrong people in."""

from __future__ import annotations

import base64
from typing import Any

from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.patching import (
    Broken,
    anybody_may_send,
    around,
    forbid,
    keywords,
    open_to,
    replace,
    word,
)


def cram_md5_left_on() -> None:
    keywords(lambda lines: tuple(f"{e} CRAM-MD5" if e.startswith("AUTH") else e for e in lines))


def login_not_offered() -> None:
    keywords(lambda lines: tuple("AUTH PLAIN" if e.startswith("AUTH") else e for e in lines))


def plain_prompt_with_text() -> None:
    word("CHALLENGE_EMPTY", "334 R28gb24=")


def initial_response_ignored() -> None:
    from reference_relay.smtp.sasl import Login

    @around(Login, "begin")
    def deaf(original: Broken, self: Any, initial_response: bytes | None) -> Any:
        return original(self, None)


def mechanism_by_its_beginning() -> None:
    from reference_relay.smtp import sasl

    class Prefixes(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            return next((value for key, value in self.items() if name.startswith(key)), default)

    replace(sasl, "MECHANISMS", Prefixes(sasl.MECHANISMS))


def second_attempt_fails() -> None:
    from reference_relay.smtp import replies
    from reference_relay.submission.answers import Answers

    replace(Answers, "remembered", lambda self, event: None)

    @around(Answers, "authentication")
    async def stale(original: Broken, self: Any, event: Any) -> Any:
        self._attempts = getattr(self, "_attempts", 0) + 1
        if self._attempts == 1:
            return await original(self, event)
        self._session.reject(replies.CREDENTIALS_INVALID)
        return None


def asterisk_decoded() -> None:
    from reference_relay.smtp.authentication import Authentication

    @around(Authentication, "respond")
    def literal(original: Broken, self: Any, line: Any) -> Any:
        return original(self, b"" if line == b"*" else line)


def lenient_base64() -> None:
    from reference_relay.smtp import sasl

    @around(sasl, "decode")
    def lenient(original: Broken, text: bytes) -> bytes | None:
        return base64.b64decode(text + b"==")


def equals_sign_is_nothing() -> None:
    from reference_relay.smtp.authentication import Authentication

    @around(Authentication, "begin")
    def deaf(original: Broken, self: Any, argument: bytes) -> Any:
        return original(self, argument.removesuffix(b" ="))


def last_field_is_the_password() -> None:
    from reference_relay.smtp import sasl

    @around(sasl.Plain, "respond")
    def lenient(original: Broken, self: Any, response: bytes) -> Any:
        parts = response.split(b"\0")
        if len(parts) < 3:
            return original(self, response)
        return sasl.Credentials(b"", parts[1], parts[-1])


def authorization_identity_ignored() -> None:
    from reference_relay.smtp import sasl

    @around(sasl.Plain, "respond")
    def careless(original: Broken, self: Any, response: bytes) -> Any:
        _, nul, rest = response.partition(b"\0")
        return original(self, nul + rest)


def response_of_512() -> None:
    from reference_relay.smtp import replies
    from reference_relay.smtp.authentication import Authentication

    @around(Authentication, "respond")
    def narrow(original: Broken, self: Any, line: Any) -> Any:
        if isinstance(line, bytes) and len(line) > 510:
            self._exchange = None
            return replies.AUTHENTICATION_LINE_TOO_LONG
        return original(self, line)


def identity_may_change() -> None:
    from reference_relay.smtp.command import Verb
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_refusal")
    def open_door(original: Broken, self: Any, verb: Any) -> Any:
        return None if verb is Verb.AUTH and self.is_encrypted else original(self, verb)


def auth_needs_ehlo() -> None:
    forbid("CONNECTED", "AUTH")


def quit_inside_the_exchange() -> None:
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "_understand")
    def eager(original: Broken, self: Any) -> Any:
        if self._authentication.is_running:
            line = self._buffer.next_line()
            if line is None:
                return None
            if line in (b"QUIT", b"RSET", b"NOOP"):
                return self._execute(line)
            return self._authentication.respond(line)
        return original(self)


def flag_before_the_check() -> None:
    from reference_relay.smtp.events import AuthenticationRequested
    from reference_relay.smtp.server_session import ServerSession

    @around(ServerSession, "reject")
    def hasty(original: Broken, self: Any, reply: Any) -> None:
        if isinstance(self.question, AuthenticationRequested):
            self.identity = self.question.credentials.authentication_identity.decode()
        original(self, reply)


def no_hash_for_unknown_users() -> None:
    from reference_relay.service.passwords import PasswordVerifier

    @around(PasswordVerifier, "verify")
    async def quick(
        original: Any, self: Any, password_hash: str | None, username: bytes, password: bytes
    ) -> bool:
        if password_hash is None:
            return False
        return bool(await original(self, password_hash, username, password))


def passwords_trimmed() -> None:
    from reference_relay.service.passwords import PasswordVerifier

    @around(PasswordVerifier, "verify")
    async def neat(
        original: Any, self: Any, password_hash: str | None, username: bytes, password: bytes
    ) -> bool:
        return bool(await original(self, password_hash, username, password.strip()))


def xtext_unchecked() -> None:
    from reference_relay.smtp import grammar

    replace(grammar, "is_xtext", lambda text: True)


def vrfy_before_auth() -> None:
    open_to("UNAUTHENTICATED", "VRFY")


def mail_in_clear() -> None:
    open_to("IN_CLEAR", "MAIL", "RCPT")
    open_to("UNAUTHENTICATED", "MAIL", "RCPT")
    anybody_may_send()


MUTATIONS = {
    "cram-md5-left-on": Mutation(("AUTH-01",), cram_md5_left_on, "CRAM-MD5 is offered, too."),
    "login-not-offered": Mutation(("INT-10",), login_not_offered, "LOGIN is not offered."),
    "plain-prompt-with-text": Mutation(
        ("AUTH-02",), plain_prompt_with_text, "The challenge of PLAIN holds a text."
    ),
    "initial-response-ignored": Mutation(
        ("AUTH-04", "INT-06"), initial_response_ignored, "A user name behind AUTH LOGIN is ignored."
    ),
    "mechanism-by-its-beginning": Mutation(
        ("AUTH-05",), mechanism_by_its_beginning, "PLAINX passes for PLAIN."
    ),
    "second-attempt-fails": Mutation(
        ("AUTH-06",), second_attempt_fails, "After a wrong password the right one fails, too."
    ),
    "asterisk-decoded": Mutation(
        ("AUTH-07",), asterisk_decoded, "An asterisk counts as empty credentials."
    ),
    "lenient-base64": Mutation(
        ("AUTH-08",), lenient_base64, "Octets that are no base64 are skipped."
    ),
    "equals-sign-is-nothing": Mutation(
        ("AUTH-09",), equals_sign_is_nothing, "`=` counts as no initial response."
    ),
    "last-field-is-the-password": Mutation(
        ("AUTH-10",), last_field_is_the_password, "The last of many fields is the password."
    ),
    "authorization-identity-ignored": Mutation(
        ("AUTH-11",), authorization_identity_ignored, "Acting for somebody else is not refused."
    ),
    "response-of-512": Mutation(
        ("AUTH-12",), response_of_512, "Responses end at the length of a command line."
    ),
    "identity-may-change": Mutation(
        ("AUTH-14",), identity_may_change, "A second AUTH makes another user of the client."
    ),
    "auth-needs-ehlo": Mutation(
        ("AUTH-15", "INT-04"), auth_needs_ehlo, "AUTH without EHLO is answered 503."
    ),
    "quit-inside-the-exchange": Mutation(
        ("AUTH-16",), quit_inside_the_exchange, "QUIT is executed where a response is due."
    ),
    "flag-before-the-check": Mutation(
        ("AUTH-17",), flag_before_the_check, "A wrong password logs in all the same."
    ),
    "no-hash-for-unknown-users": Mutation(
        ("AUTH-18",), no_hash_for_unknown_users, "Unknown users are refused without a hash."
    ),
    "passwords-trimmed": Mutation(
        ("AUTH-22",), passwords_trimmed, "Blanks around a password are removed."
    ),
    "xtext-unchecked": Mutation(
        ("AUTH-23",), xtext_unchecked, "A malformed AUTH= of MAIL is accepted."
    ),
    "mail-in-clear": Mutation(("INT-11",), mail_in_clear, "Mail is taken before TLS."),
    "vrfy-before-auth": Mutation(("SUB-02",), vrfy_before_auth, "VRFY works before AUTH."),
}
