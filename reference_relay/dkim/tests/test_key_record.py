"""Key records: what counts is the key, and whether it may be used (RFC 6376 §3.6.1)."""

from __future__ import annotations

import base64
from functools import cache

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from reference_relay.dkim import keys
from reference_relay.dkim.key_record import UnusableKeyRecord, parse


@cache
def issued() -> str:
    return keys.record(keys.generate())


def key() -> str:
    return issued().partition("p=")[2]


def published(key_of: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    octets = key_of.public_bytes(serialization.Encoding.DER, form)
    return base64.b64encode(octets).decode()


@pytest.mark.parametrize(
    "text",
    [
        "v=DKIM1; k=rsa; p={key}",
        "p={key}",
        "k=rsa;p={key};",
        "v=DKIM1;p={key};n=a note;x=unknown",
        " v = DKIM1 ;\r\n k = rsa ; p = {spaced} ",
        "v=DKIM1; h=sha1:sha256; s=email:other; t=s; p={key}",
    ],
)
def test_any_form_that_holds_the_key_does(text: str) -> None:
    """Order, blanks, folding, defaults and unknown tags make no difference."""
    spaced = " \r\n ".join((key()[:70], key()[70:]))
    found = parse(text.format(key=key(), spaced=spaced).encode())
    assert found.has_key_of(parse(issued().encode()))
    assert not found.is_test


def test_test_mode_is_told() -> None:
    """t=y is allowed and reported."""
    assert parse(f"v=DKIM1; t=y:s; p={key()}".encode()).is_test


def test_another_key_is_another_key() -> None:
    """Two keys are never taken for one."""
    assert not parse(keys.record(keys.generate()).encode()).has_key_of(parse(issued().encode()))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=DKIM1",
        "v=DKIM1; p=",
        "v=DKIM2; p={key}",
        "k=rsa; v=DKIM1; p={key}",
        "v=DKIM1; p={key}; p={key}",
        "v=DKIM1; k=foo; p={key}",
        "v=DKIM1; h=sha1; p={key}",
        "v=DKIM1; s=calendar; p={key}",
        "v=DKIM1; p={key}!",
        "v=DKIM1; p=AAAA",
        "v=DKIM1; nonsense; p={key}",
        "v=DKIM1;; p={key}",
        "v=DKIM1; p={curve}",
        "v=DKIM1; p={short}",
        "v=DKIM1; p=é{key}",
    ],
)
def test_what_cannot_check_a_signature_is_unusable(text: str) -> None:
    """Malformed, revoked, foreign and short keys all have a reason of their own."""
    curve = published(ec.generate_private_key(ec.SECP256R1()).public_key())
    # RFC 8301 §3.2: the library itself refuses to make the 512 bits of old.
    short = (
        "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf9Cnzj4p4WGeKLs1Pt8Qu"
        "KUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ=="
    )
    with pytest.raises(UnusableKeyRecord, match=r"."):
        parse(text.format(key=key(), curve=curve, short=short).encode())
