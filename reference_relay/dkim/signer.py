"""Signing: the DKIM-Signature field for a content (RFC 6376 §5).

rsa-sha256 or ed25519-sha256 by the key, relaxed/relaxed, the whole body (no l=). Fields that a
receiver shows or acts on are over-signed: named once more than they occur, so that adding one
breaks the signature (§5.4.2, §8.15).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from reference_relay.dkim import canonicalization, keys
from reference_relay.mail.address import domain_key
from reference_relay.mail.content import Field, fields, split

# RFC 6376 §5.4.1, less what relays on the way may touch.
OVER_SIGNED = (
    b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id",
    b"in-reply-to", b"references", b"mime-version", b"content-type", b"content-transfer-encoding",
    b"content-disposition",
)  # fmt: skip
# Signed when present; mailing lists and resenders may add their own.
SIGNED = frozenset(
    {
        b"resent-date", b"resent-from", b"resent-sender", b"resent-to", b"resent-cc",
        b"resent-message-id", b"list-id", b"list-help", b"list-unsubscribe", b"list-subscribe",
        b"list-post", b"list-owner", b"list-archive", b"list-unsubscribe-post",
    }
)  # fmt: skip
_NAMES = SIGNED.union(OVER_SIGNED)

# RFC 5322 §2.1.1: lines of at most 78 characters.
_LINE = 78
_PADDING = padding.PKCS1v15()
_SHA256 = hashes.SHA256()


class Signer:
    """Signs for one domain and selector; the key is parsed once."""

    def __init__(self, domain: str, selector: str, key_pem: bytes) -> None:
        """Make a signer.

        Raises:
            ValueError: the key is unfit (see `keys.load`) or the domain cannot be encoded.
        """
        self._key = keys.load(key_pem)
        self._algorithm = b"rsa" if isinstance(self._key, RSAPrivateKey) else b"ed25519"
        self._identity = b"d=%s; s=%s;" % (domain_key(domain).encode(), selector.encode())

    def sign(self, content: bytes, timestamp: int) -> bytes:
        """Return the DKIM-Signature field, with its CRLF, that belongs on top of the content.

        Args:
            content: in CRLF form, as it is delivered.
            timestamp: seconds since the epoch.
        """
        header, body = split(content)
        names, signed = _signed_fields(fields(header))
        body_hash = hashlib.sha256(canonicalization.relaxed_body(body)).digest()
        unsigned = b"".join(
            (
                b"DKIM-Signature: v=1; a=%s-sha256; c=relaxed/relaxed;\r\n " % self._algorithm,
                self._identity,
                b" t=%d;\r\n" % timestamp,
                _folded(b" h=", names, b":"),
                b";\r\n bh=",
                base64.b64encode(body_hash),
                b";\r\n b=",
            )
        )
        signed.append(canonicalization.relaxed_field(unsigned).removesuffix(b"\r\n"))
        signature = base64.b64encode(self._signature(b"".join(signed)))
        return unsigned + _wrapped(signature) + b"\r\n"

    def _signature(self, octets: bytes) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(octets, _PADDING, _SHA256)
        # RFC 8463 §3: Ed25519 signs the digest.
        return self._key.sign(hashlib.sha256(octets).digest())


def _signed_fields(header_fields: Sequence[Field]) -> tuple[list[bytes], list[bytes]]:
    """Return the names for h= and the canonical fields in that order."""
    by_name: dict[bytes, list[bytes]] = {}
    # RFC 6376 §5.4.2: of several fields with one name, the lowest is signed first.
    for field in reversed(header_fields):
        key = field.key
        if key in _NAMES:
            by_name.setdefault(key, []).append(canonicalization.relaxed_field(field.raw))
    names: list[bytes] = []
    signed: list[bytes] = []
    for name in OVER_SIGNED:
        found = by_name.pop(name, ())
        names.extend([name] * (len(found) + 1))
        signed.extend(found)
    for name, found in by_name.items():
        names.extend([name] * len(found))
        signed.extend(found)
    return names, signed


def _folded(start: bytes, words: Iterable[bytes], separator: bytes) -> bytes:
    lines: list[bytes] = []
    line = start
    for index, word in enumerate(words):
        piece = separator + word if index else word
        if len(line) + len(piece) > _LINE - 1:
            lines.append(line)
            line = b"  "
        line += piece
    lines.append(line)
    return b"\r\n".join(lines)


def _wrapped(signature: bytes) -> bytes:
    width = _LINE - 6
    return b"\r\n  ".join(signature[i : i + width] for i in range(0, len(signature), width))
