"""DKIM keys: making them and publishing them (RFC 6376 §3.6.1, RFC 8301)."""

from __future__ import annotations

import base64

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

# RFC 8301 §3.2: signers MUST use at least 1024 bits and SHOULD use 2048.
KEY_BITS = 2048
_MINIMUM_BITS = 1024


def generate() -> bytes:
    """Return a fresh RSA-2048 private key as unencrypted PKCS #8 PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def load(key_pem: bytes) -> rsa.RSAPrivateKey:
    """Return the private key in a PEM text.

    Raises:
        ValueError: it is no unencrypted RSA private key of at least 1024 bits.
    """
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("not an unencrypted private key in PEM form") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    if key.key_size < _MINIMUM_BITS:
        raise ValueError(f"an RSA key of {key.key_size} bits; at least {_MINIMUM_BITS} are needed")
    return key


def record(key_pem: bytes) -> str:
    """Return the TXT value that publishes the key: `v=DKIM1; k=rsa; p=…` (D-17).

    Raises:
        ValueError: see `load`.
    """
    public = (
        load(key_pem)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode('ascii')}"
