"""Addresses as values (RFC 5321 §2.3.11, §4.1.2). Parsing them is `smtp.grammar`'s work."""

from __future__ import annotations

import functools

import idna

from reference_relay.mail.immutable import immutable


@functools.lru_cache(maxsize=4096)
def domain_key(domain: str) -> str:
    """Return the one spelling under which equal domains compare equal: A-labels, lower case.

    Raises:
        ValueError: the text is no domain name that IDNA 2008 (RFC 5891) can encode.
    """
    if domain.startswith("["):
        return domain.lower()
    if domain.isascii():
        # A plain name needs no table look-up; its A-labels are taken at their word.
        return domain.lower()
    try:
        return idna.encode(domain, uts46=True, transitional=False).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise ValueError(f"{domain!r} is no domain name") from error


@immutable
class Mailbox:
    """A mailbox as it was sent: nothing is folded, unquoted or completed."""

    local_part: str
    domain: str
    """A domain, an address literal in brackets, or "" for the bare `postmaster`."""

    @property
    def domain_key(self) -> str:
        """The domain for comparison, or "" when it cannot be a domain name."""
        try:
            return domain_key(self.domain)
        except ValueError:
            return ""

    @property
    def is_ascii(self) -> bool:
        """Whether the mailbox travels without SMTPUTF8 (RFC 6531 §3.2)."""
        return self.local_part.isascii() and self.domain.isascii()

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}" if self.domain else self.local_part
