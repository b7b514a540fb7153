"""What the delivering side sends: a transaction and its content ready for the wire."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope, Recipient


@dataclass(frozen=True, slots=True)
class OutgoingContent:
    """Content as it goes out, and what has to be known about it."""

    raw: bytes
    """With a CRLF at the end, as BDAT carries it; its length is what SIZE declares."""
    is_7bit: bool
    is_header_ascii: bool

    @classmethod
    def of(cls, content: bytes) -> OutgoingContent:
        """Make content in CRLF form ready."""
        is_7bit = content.isascii()
        return cls(
            raw=content if content.endswith(b"\r\n") else content + b"\r\n",
            is_7bit=is_7bit,
            is_header_ascii=is_7bit or content.partition(b"\r\n\r\n")[0].isascii(),
        )

    @property
    def stuffed(self) -> bytes:
        """With leading dots doubled and the final dot, as DATA carries it (RFC 5321 §4.5.2)."""
        stuffed = self.raw
        # Most mail has no line that begins with a dot: looking is cheaper than rewriting.
        if b"\r\n." in stuffed:
            stuffed = stuffed.replace(b"\r\n.", b"\r\n..")
        if stuffed.startswith(b"."):
            stuffed = b"." + stuffed
        return stuffed + b".\r\n"


@dataclass(frozen=True, slots=True)
class Transaction:
    """One message to the recipients that share a next hop."""

    envelope: Envelope
    """For the reverse-path and the parameters; its recipients are everybody's."""
    recipients: tuple[Recipient, ...]
    content: OutgoingContent

    @property
    def needs_smtputf8(self) -> bool:
        """Whether the mail cannot travel without SMTPUTF8 (RFC 6531 §3.2)."""
        return self.envelope.is_smtputf8 and not (
            self.content.is_header_ascii and _are_ascii(self._mailboxes())
        )

    def _mailboxes(self) -> Iterable[Mailbox]:
        if self.envelope.reverse_path is not None:
            yield self.envelope.reverse_path
        for recipient in self.recipients:
            yield recipient.mailbox


def _are_ascii(mailboxes: Iterable[Mailbox]) -> bool:
    return all(mailbox.is_ascii for mailbox in mailboxes)
