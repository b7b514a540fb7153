"""Which forward-paths are refused at RCPT (RFC 6409 §4.2, §6.2): those nobody could route."""

from __future__ import annotations

from reference_relay.mail.address import Mailbox
from reference_relay.smtp import replies
from reference_relay.smtp.reply import Reply


def judge_forward_path(mailbox: Mailbox) -> Reply | None:
    """Return the refusal, or None for any fully qualified domain and for bare postmaster.

    RFC 6409 §4.2 wants a single label refused rather than completed with a guess; an address
    literal names a host, not a mail domain, and is how inner hosts would be reached (PATH-12).
    """
    if not mailbox.domain:
        return None
    if mailbox.domain.startswith("["):
        return replies.ADDRESS_LITERAL_REFUSED
    if "." not in mailbox.domain_key:
        return replies.NOT_FULLY_QUALIFIED
    return None
