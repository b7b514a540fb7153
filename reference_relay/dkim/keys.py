"""DKIM keys: making them and publishing them (RFC 6376 §3.6.1, RFC 8301, RFC 8463)."""

from __future__ import annotations

import base64

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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


def load(key_pem: bytes) -> rsa.RSAPrivateKey | Ed25519PrivateKey:
    """Return the private key in a PEM text.

    Raises:
        ValueError: it is no unencrypted RSA private key of at least 1024 bits, nor an Ed25519 one.
    """
    try:
        # The operator's own file or a key made here: testing its primes again costs 50 ms a key,
        # seconds at the start of a relay with many configurations.
        key = serialization.load_pem_private_key(
            key_pem, password=None, unsafe_skip_rsa_key_validation=True
        )
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("not an unencrypted private key in PEM form") from error
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("neither an RSA nor an Ed25519 key")
    if key.key_size < _MINIMUM_BITS:
        raise ValueError(f"an RSA key of {key.key_size} bits; at least {_MINIMUM_BITS} are needed")
    return key


def record(key_pem: bytes) -> str:
    """Return the TXT value that publishes the key: `v=DKIM1; k=rsa; p=…` (D-17), or k=ed25519.

    Raises:
        ValueError: see `load`.
    """
    key = load(key_pem)
    if isinstance(key, Ed25519PrivateKey):
        # RFC 8463 §4.2: the key itself, without any wrapping.
        octets = key.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw
        )
        return f"v=DKIM1; k=ed25519; p={base64.b64encode(octets).decode('ascii')}"
    octets = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return f"v=DKIM1; k=rsa; p={base64.b64encode(octets).decode('ascii')}"
