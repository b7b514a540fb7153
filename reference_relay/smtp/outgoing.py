"""What the delivering side sends: a transaction and its content ready for the wire."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope, Recipient


@dataclass(frozen=True, slots=True)
class OutgoingContent:
    """Content as it goes over the wire after DATA, and what has to be known about it."""

    octets: bytes
    """With leading dots doubled, a CRLF at the end, and the final dot."""
    size_octets: int
    """What SIZE declares: without doubled dots and final dot (RFC 1870 §3)."""
    is_7bit: bool
    is_header_ascii: bool

    @classmethod
    def of(cls, content: bytes) -> OutgoingContent:
        """Make content in CRLF form ready for the wire (RFC 5321 §4.5.2)."""
        end = b"" if content.endswith(b"\r\n") else b"\r\n"
        stuffed = content
        # Most mail has no line that begins with a dot: looking is cheaper than rewriting.
        if b"\r\n." in content:
            stuffed = content.replace(b"\r\n.", b"\r\n..")
        if content.startswith(b"."):
            stuffed = b"." + stuffed
        is_7bit = content.isascii()
        return cls(
            octets=b"".join((stuffed, end, b".\r\n")),
            size_octets=len(content) + len(end),
            is_7bit=is_7bit,
            is_header_ascii=is_7bit or content.partition(b"\r\n\r\n")[0].isascii(),
        )


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
