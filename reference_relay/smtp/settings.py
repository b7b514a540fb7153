"""What an endpoint offers and demands of a session, and the numbers it keeps to."""

from __future__ import annotations

from dataclasses import dataclass

from reference_relay.smtp import replies

# RFC 4954 §4: 12288 octets is a sufficient buffer for an authentication line.
MAXIMUM_AUTHENTICATION_LINE = 12288
# RFC 5321 §4.5.3.1.4 with the allowances of SIZE, AUTH, BODY, SMTPUTF8 and DSN (RFC 3461 §5.4
# alone asks for 1036).
MAXIMUM_COMMAND_LINE = 2048
# RFC 3030 sets no limit; more than this cannot be skipped in any reasonable time.
MAXIMUM_SKIPPED_CHUNK = 1 << 30


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """One endpoint's side of the dialogue. Sizes are in octets."""

    host: str
    wording: replies.ReplyBook = replies.SEED
    requires_tls: bool = True
    requires_authentication: bool = True
    # The vendor's EHLO advertises this size; RFC 5321 §4.5.3.1.8 asks for 100 recipients.
    message_octets: int = 31457280
    recipients: int = 100
    # A widespread server closes at 20; 30 leaves room for a client with 20 bad recipients.
    errors: int = 30
    allows_lf: bool = True
    strict_paths: bool = False

    def keywords(self, *, is_encrypted: bool) -> tuple[str, ...]:
        """List the EHLO keywords (D-1): STARTTLS in clear only, AUTH inside TLS only."""
        starttls = ("STARTTLS",) if self.requires_tls and not is_encrypted else ()
        may_authenticate = is_encrypted or not self.requires_tls
        auth = ("AUTH PLAIN LOGIN",) if self.requires_authentication and may_authenticate else ()
        return (
            "PIPELINING",
            f"SIZE {self.message_octets}",
            *starttls,
            *auth,
            "ENHANCEDSTATUSCODES",
            "8BITMIME",
            "SMTPUTF8",
            "CHUNKING",
            "DSN",
            f"LIMITS RCPTMAX={self.recipients}",
        )
