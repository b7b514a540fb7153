"""A mail transaction under way: from MAIL to its end (RFC 5321 §3.3)."""

from __future__ import annotations

from dataclasses import dataclass, field

from reference_relay.mail.envelope import Envelope, Recipient
from reference_relay.smtp.command import Mail
from reference_relay.smtp.content_reader import ChunkReader

_NO_MAIL = Mail(None)


@dataclass(slots=True)
class Transaction:
    """What MAIL, RCPT and BDAT have gathered so far."""

    mail: Mail = _NO_MAIL
    recipients: list[Recipient] = field(default_factory=list)
    chunks: ChunkReader | None = None
    octets_of_chunk: int = 0
    """Octets of the current chunk still to come; until then there is no command."""
    is_last_chunk: bool = False
    _proposed: Recipient | None = None
    _refusals: int = 0

    @property
    def has_only_refusals(self) -> bool:
        """Whether recipients were named and every one was refused."""
        return self._refusals > 0 and not self.recipients

    def propose(self, recipient: Recipient) -> None:
        """Remember a recipient until it is judged."""
        self._proposed = recipient

    def keep_recipient(self) -> None:
        """The proposed recipient was accepted."""
        if self._proposed is not None:
            self.recipients.append(self._proposed)
            self._proposed = None

    def refuse_recipient(self) -> None:
        """A recipient was refused."""
        self._proposed = None
        self._refusals += 1

    def envelope(self) -> Envelope:
        """Return the envelope as it stands."""
        mail = self.mail
        return Envelope(
            mail.reverse_path,
            tuple(self.recipients),
            mail.body,
            mail.is_smtputf8,
            mail.ret,
            mail.envid,
        )
