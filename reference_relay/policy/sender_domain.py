"""The sender rule: whoever is named as sender is in the configured domain (D-12, RFC 6409 §6.1)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import idna

from reference_relay.mail.address import Mailbox, domain_key
from reference_relay.mail.content import Field, index
from reference_relay.policy.header_address import mailboxes
from reference_relay.smtp import replies
from reference_relay.smtp.reply import Reply

_ALSO_SENDERS = frozenset({b"sender", b"resent-from", b"resent-sender"})
# Longer fields are judged afresh: the memory must not grow with what clients send.
_MAXIMUM_REMEMBERED = 320


def judge_reverse_path(
    reverse_path: Mailbox | None, domain: str, *, subdomains: bool = False
) -> Reply | None:
    """Judge the envelope sender at MAIL; the null reverse-path is left to the header rule.

    Args:
        reverse_path: None is the null reverse-path.
        domain: the configuration's domain.
        subdomains: whether names below the domain belong to it.

    Returns:
        The refusal, or None.
    """
    if reverse_path is None or _belongs(reverse_path.domain, domain, subdomains):
        return None
    return replies.SENDER_FOREIGN


def judge_header(
    header_fields: tuple[Field, ...], domain: str, *, subdomains: bool = False
) -> Reply | None:
    """Judge From, Sender, Resent-From and Resent-Sender at the end of data (RFC 5322 §3.6.2).

    Reply-To is the sender's choice and not judged (SND-12).
    """
    return judge_senders(header_fields, index(header_fields), domain, subdomains)


def judge_senders(
    header_fields: Sequence[tuple[bytes, bytes]],
    by_key: Mapping[bytes, bytes],
    domain: str,
    subdomains: bool,
) -> Reply | None:
    """Do what `judge_header` does for fields that have been indexed already."""
    if b"" in by_key:
        return replies.HEADER_MALFORMED
    author_field = by_key.get(b"from")
    if author_field is None:
        return replies.HEADER_FROM_MISSING
    if len(by_key) != len(header_fields):
        keys = [name.lower() for name, _ in header_fields]
        if keys.count(b"from") > 1:
            return replies.HEADER_FROM_MISSING
        if keys.count(b"sender") > 1:
            return replies.HEADER_FIELD_REPEATED
    authors = _judge_field(author_field, domain, subdomains)
    if isinstance(authors, Reply):
        return authors
    if authors > 1 and b"sender" not in by_key:
        # RFC 5322 §3.6.2
        return replies.HEADER_SENDER_MISSING
    if by_key.keys().isdisjoint(_ALSO_SENDERS):
        return None
    # RFC 5322 §3.6.6: each resending adds a block of its own, so all of them count.
    for name, raw in header_fields:
        key = name.lower()
        if key in _ALSO_SENDERS:
            named = _judge_field(raw, domain, subdomains)
            if isinstance(named, Reply):
                return named
            if named > 1 and key != b"resent-from":
                return replies.HEADER_ADDRESS_MALFORMED
    return None


def _judge_field(raw: bytes, domain: str, subdomains: bool) -> Reply | int:
    """Return the number of mailboxes when all are in the domain, else the refusal."""
    if len(raw) <= _MAXIMUM_REMEMBERED:
        return _remembered(raw, domain, subdomains)
    return _judge_mailboxes(raw, domain, subdomains)


def _judge_mailboxes(raw: bytes, domain: str, subdomains: bool) -> Reply | int:
    named = mailboxes(Field(raw.partition(b":")[0], raw).value)
    if named is None:
        return replies.HEADER_ADDRESS_MALFORMED
    if all(_belongs(mailbox.domain, domain, subdomains) for mailbox in named):
        return len(named)
    return replies.HEADER_SENDER_FOREIGN


# Who sends a lot sends from few addresses: a hit costs 0.1 µs, judging anew 5.
_remembered = functools.lru_cache(maxsize=1024)(_judge_mailboxes)


@functools.lru_cache(maxsize=4096)
def _belongs(claimed: str, domain: str, subdomains: bool) -> bool:
    key = _strict_key(claimed)
    wanted = domain_key(domain)
    return key == wanted or (subdomains and key is not None and key.endswith("." + wanted))


def _strict_key(claimed: str) -> str | None:
    """Return the A-labels, or None where two readers could find two domains.

    Only case is folded: full-width letters and foreign full stops are mapped by some readers and
    not by others (SND-06).
    """
    if claimed.isascii():
        return claimed.lower()
    try:
        return idna.encode(claimed.lower(), strict=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None
