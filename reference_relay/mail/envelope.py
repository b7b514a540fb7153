"""The envelope: what MAIL and RCPT carry (RFC 5321 §2.3.1, RFC 3461 §4)."""

from __future__ import annotations

from dataclasses import dataclass

from reference_relay.mail.address import Mailbox


@dataclass(frozen=True, slots=True)
class Recipient:
    """One forward-path with its delivery status wishes (RFC 3461 §4.1, §4.2)."""

    mailbox: Mailbox
    notify: frozenset[str] | None = None
    original: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A transaction's reverse-path (None is the null path `<>`), forward-paths and parameters."""

    reverse_path: Mailbox | None
    recipients: tuple[Recipient, ...]
    body: str = "7BIT"
    is_smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None
