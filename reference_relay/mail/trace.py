"""Trace information: the Received field (RFC 5321 §4.4, RFC 3848 §1, RFC 8314 §4.3)."""

from __future__ import annotations

import functools
import re

from reference_relay.mail.address import Mailbox

# RFC 5321 §4.5.3.1.2: no domain is longer; what a client calls itself gets no more room.
_MAXIMUM_NAME = 255
_FOREIGN_TO_NAMES = re.compile(r"[^A-Za-z0-9.:_\[\]-]")
# Cipher suites as IANA registers them, and OpenSSL's spelling of the TLS 1.2 ones.
_REGISTERED_SUITE = re.compile(r"TLS_[A-Za-z0-9_]+")
_OPENSSL_SUITE = re.compile(
    r"(?P<exchange>ECDHE|DHE)-(?P<signature>RSA|ECDSA)-"
    r"(?P<cipher>AES(?P<bits>128|256)-(?:(?P<mode>GCM|CCM)(?:-(?P<hash>SHA256|SHA384))?)"
    r"|CHACHA20-POLY1305)"
)
_UNFIT_FOR_A_FIELD = re.compile(r"[\x00-\x1f\x7f]")


def received(
    *,
    client_name: str,
    client_address: str,
    by: str,
    queue_id: str,
    protocol: str,
    tls: str | None,
    recipient: Mailbox | None,
    date: str,
) -> bytes:
    """Return the Received field to put on top of a content, with its final CRLF.

    Args:
        client_name: the argument of EHLO or HELO; whatever fits no domain becomes `?`.
        client_address: the peer's IPv4 or IPv6 address.
        by: our own name.
        queue_id: as promised in the final reply.
        protocol: a `with` keyword (RFC 3848), such as ESMTPSA.
        tls: the cipher suite, by its IANA or OpenSSL name, or None for a clear session.
        recipient: for the `for` clause, where there is but one: several would tell each of the
            others (RFC 5321 §7.2).
        date: an RFC 5322 date-time.
    """
    field = f"{_from_clause(client_name, client_address)}\r\n by {by} with {protocol} id {queue_id}"
    if recipient is not None:
        forward_path = str(recipient)
        if not _UNFIT_FOR_A_FIELD.search(forward_path):
            field += f"\r\n for <{forward_path}>"
    if tls is not None:
        field += f"\r\n{_tls_clause(tls)}"
    return f"{field};\r\n {date}\r\n".encode()


# The same for all messages of a session.
@functools.lru_cache(maxsize=1024)
def _from_clause(client_name: str, client_address: str) -> str:
    return f"Received: from {_neutral_name(client_name)} ({_literal(client_address)})"


def _neutral_name(name: str) -> str:
    return _FOREIGN_TO_NAMES.sub("?", name[:_MAXIMUM_NAME]) or "unknown"


def _literal(address: str) -> str:
    # RFC 5321 §4.1.3: address-literal
    address = _FOREIGN_TO_NAMES.sub("?", address)
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


@functools.lru_cache(maxsize=64)
def _tls_clause(suite: str) -> str:
    if _REGISTERED_SUITE.fullmatch(suite):
        return f" tls {suite}"
    known = _OPENSSL_SUITE.fullmatch(suite)
    if known is None:
        # Not a name of the registry: a comment promises less.
        return f" (tls {_FOREIGN_TO_NAMES.sub('?', suite[:_MAXIMUM_NAME])})"
    if known["bits"] is None:
        cipher = "CHACHA20_POLY1305_SHA256"
    elif known["hash"] is None:
        cipher = f"AES_{known['bits']}_{known['mode']}"
    else:
        cipher = f"AES_{known['bits']}_{known['mode']}_{known['hash']}"
    return f" tls TLS_{known['exchange']}_{known['signature']}_WITH_{cipher}"
