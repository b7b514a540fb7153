"""The envelope: what MAIL and RCPT carry (RFC 5321 §2.3.1, RFC 3461 §4)."""

from __future__ import annotations

from reference_relay.mail.address import Mailbox
from reference_relay.mail.immutable import immutable


@immutable
class Recipient:
    """One forward-path with its delivery status wishes (RFC 3461 §4.1, §4.2)."""

    mailbox: Mailbox
    notify: frozenset[str] | None = None
    original: str | None = None


@immutable
class Envelope:
    """A transaction's reverse-path (None is the null path `<>`), forward-paths and parameters."""

    reverse_path: Mailbox | None
    recipients: tuple[Recipient, ...]
    body: str = "7BIT"
    is_smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None
