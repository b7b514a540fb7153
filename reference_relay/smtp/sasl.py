"""SASL mechanisms as steps of challenge and response (RFC 4422, RFC 4616, RFC 4954 §4)."""

from __future__ import annotations

import binascii
from dataclasses import dataclass, field
from typing import Protocol

from reference_relay.smtp import replies
from reference_relay.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client proves itself with. The password never shows in a repr."""

    authorization_identity: bytes
    authentication_identity: bytes
    password: bytes = field(repr=False)


class Exchange(Protocol):
    """A running exchange: each response yields the next challenge, a refusal or the end."""

    def begin(self, initial_response: bytes | None) -> Reply | Credentials:
        """Take the initial response (None when there was none)."""
        ...

    def respond(self, response: bytes) -> Reply | Credentials:
        """Take a decoded response."""
        ...


class Plain:
    """PLAIN: `[authzid] NUL authcid NUL passwd` (RFC 4616 §2)."""

    def begin(self, initial_response: bytes | None) -> Reply | Credentials:
        if initial_response is None:
            return replies.CHALLENGE_EMPTY
        return self.respond(initial_response)

    def respond(self, response: bytes) -> Reply | Credentials:
        parts = response.split(b"\0")
        if len(parts) != 3 or not parts[1] or not parts[2]:
            return replies.CREDENTIALS_INVALID
        return Credentials(*parts)


class Login:
    """LOGIN: two prompts, which clients compare octet by octet (S-27)."""

    def __init__(self) -> None:
        self._username: bytes | None = None

    def begin(self, initial_response: bytes | None) -> Reply | Credentials:
        # smtplib, aiosmtplib and swaks send the user name as initial response (AUTH-04).
        if initial_response is None:
            return replies.CHALLENGE_USERNAME
        return self.respond(initial_response)

    def respond(self, response: bytes) -> Reply | Credentials:
        if self._username is None:
            self._username = response
            return replies.CHALLENGE_PASSWORD
        if not self._username or not response:
            return replies.CREDENTIALS_INVALID
        return Credentials(b"", self._username, response)


MECHANISMS: dict[str, type[Plain] | type[Login]] = {"PLAIN": Plain, "LOGIN": Login}


def decode(text: bytes) -> bytes | None:
    """Decode one base64 line strictly; None when it is none (RFC 4954 §4, RFC 4648 §3.3)."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return None
