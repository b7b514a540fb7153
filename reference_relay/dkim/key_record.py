"""Key records as verifiers read them (RFC 6376 §3.6.1): what counts is the key, not the text."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# RFC 8301 §3.2: verifiers must not take signatures of shorter keys.
_MINIMUM_BITS = 1024
# §3.2: tag-list. Folding white space may stand around names and values.
_TAG = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=([\x21-\x3a\x3c-\x7e\s]*)", re.ASCII)


class UnusableKeyRecord(ValueError):
    """No signature can be checked with this record; the text says why."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A record with a usable RSA key.

    Attributes:
        modulus: Of the key.
        exponent: Of the key.
        is_test: The domain is only trying DKIM out (t=y).
    """

    modulus: int
    exponent: int
    is_test: bool

    def has_key_of(self, other: KeyRecord) -> bool:
        """Whether both publish one key."""
        return (self.modulus, self.exponent) == (other.modulus, other.exponent)


def parse(record: bytes) -> KeyRecord:
    """Read a key record, its strings joined with nothing between (§3.6.2.2).

    Raises:
        UnusableKeyRecord: Malformed, revoked, of another version or kind, for another service, or
            with a key that is too short.
    """
    tags = _tags(record)
    if "v" in tags and (tags["v"] != "DKIM1" or next(iter(tags)) != "v"):
        raise UnusableKeyRecord("v is not DKIM1, or not the first tag")
    if tags.get("k", "rsa") != "rsa":
        raise UnusableKeyRecord(f"the key type {tags['k']!r} is not rsa")
    if "h" in tags and "sha256" not in _words(tags["h"]):
        raise UnusableKeyRecord("h leaves out sha256")
    if "s" in tags and not {"*", "email"} & _words(tags["s"]):
        raise UnusableKeyRecord("s is not for e-mail")
    if "p" not in tags:
        raise UnusableKeyRecord("there is no p")
    if not tags["p"]:
        raise UnusableKeyRecord("the key is revoked: p is empty")
    numbers = _public_key(tags["p"]).public_numbers()
    return KeyRecord(numbers.n, numbers.e, "y" in _words(tags.get("t", "")))


def _tags(record: bytes) -> dict[str, str]:
    try:
        parts = record.decode("ascii").split(";")
    except UnicodeDecodeError:
        raise UnusableKeyRecord("octets beyond ASCII") from None
    if not parts[-1].strip():
        parts.pop()
    tags: dict[str, str] = {}
    for part in parts:
        found = _TAG.fullmatch(part)
        if found is None:
            raise UnusableKeyRecord(f"{part.strip()[:40]!r} is no tag")
        name, value = found.groups()
        if name in tags:
            raise UnusableKeyRecord(f"the tag {name} stands there twice")
        tags[name] = value.strip()
    return tags


def _words(value: str) -> set[str]:
    return {word.strip() for word in value.split(":")}


def _public_key(value: str) -> rsa.RSAPublicKey:
    try:
        octets = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise UnusableKeyRecord("p is no base64") from None
    try:
        key = serialization.load_der_public_key(octets)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UnusableKeyRecord("p is no public key") from None
    if not isinstance(key, rsa.RSAPublicKey):
        raise UnusableKeyRecord("p is no RSA key")
    if key.key_size < _MINIMUM_BITS:
        raise UnusableKeyRecord(f"a key of {key.key_size} bits, at least {_MINIMUM_BITS} count")
    return key
