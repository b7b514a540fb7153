"""What a server session tells the edge. A question pauses the session until it is answered."""

from __future__ import annotations

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope
from reference_relay.mail.immutable import immutable
from reference_relay.smtp.sasl import Credentials


@immutable
class TLSRequested:
    """The 220 is due for sending; then comes the handshake, then `encryption_started`."""


@immutable
class AuthenticationRequested:
    """Question: answer with `authenticated` or `reject`."""

    mechanism: str
    credentials: Credentials


@immutable
class SenderProposed:
    """Question (MAIL): answer with `accept` or `reject`."""

    reverse_path: Mailbox | None


@immutable
class RecipientProposed:
    """Question (RCPT): answer with `accept` or `reject`."""

    forward_path: Mailbox


@immutable
class ContentReceived:
    """Question (end of data, last chunk): answer with `accept(reply)` or `reject`."""

    envelope: Envelope
    content: bytes


@immutable
class SessionEnded:
    """The last reply is due for sending; then close. `reason` is for the log."""

    reason: str


Event = (
    TLSRequested
    | AuthenticationRequested
    | SenderProposed
    | RecipientProposed
    | ContentReceived
    | SessionEnded
)
