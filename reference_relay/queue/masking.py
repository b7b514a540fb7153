"""Addresses as the status shows them: every second character of the local part is hidden."""

from __future__ import annotations

import re

from reference_relay.mail.address import Mailbox

# What a remote host may quote: the local part up to what cannot belong to an address.
_LOCAL_PART = r"(?<![^\s<>()\[\],;:\"'=])"


def masked(mailbox: Mailbox) -> str:
    """Return the address as the service's status log prints it: `b*b@example.org`."""
    hidden = mask(mailbox.local_part)
    return f"{hidden}@{mailbox.domain}" if mailbox.domain else hidden


def masked_text(text: str, mailbox: Mailbox) -> str:
    """Return a remote host's words with the recipient's address masked wherever it is quoted."""
    clear = str(mailbox)
    if clear.lower() not in text.lower():
        return text
    pattern = re.compile(_LOCAL_PART + re.escape(clear), re.IGNORECASE)
    return pattern.sub(masked(mailbox).replace("\\", r"\\"), text)


def mask(text: str) -> str:
    """Replace every second character, beginning with the second, by an asterisk."""
    return "".join("*" if index % 2 else character for index, character in enumerate(text))
