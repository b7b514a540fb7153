"""Signatures, verified by dkimpy with the published record."""

from __future__ import annotations

import re
from functools import cache

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference_relay.dkim import keys
from reference_relay.dkim.signer import Signer

DOMAIN = "example.com"
SELECTOR = "3f0c0cbe-55a1-4b0f-8f19-66a1a7e8f3a1"
HEADER = (
    b"Received: from client (client [127.0.0.1]) by relay; Sun, 23 Nov 2025 10:00:00 +0000\r\n"
    b"From: A <a@example.com>\r\nTo: b@example.org\r\nSubject: hello\r\n"
    b"Date: Sun, 23 Nov 2025 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
)


@cache
def key_pem() -> bytes:
    return keys.generate()


@cache
def signer() -> Signer:
    return Signer(DOMAIN, SELECTOR, key_pem())


def verifies(content: bytes) -> bool:
    """Return what dkimpy says, with the record under the only right name."""
    name = f"{SELECTOR}._domainkey.{DOMAIN}.".encode()

    def txt(asked: bytes, timeout: int = 5) -> bytes:
        del timeout
        return keys.record(key_pem()).encode() if asked == name else b""

    return bool(dkim.verify(content, dnsfunc=txt))


def signed(content: bytes) -> bytes:
    """Return the content as it is transmitted: signed, and with an end to its last line."""
    end = b"" if content.endswith(b"\r\n") else b"\r\n"
    return signer().sign(content, 1_763_900_000) + content + end


_piece = st.sampled_from(
    [b"word", b".", b" ", b"  ", b"\t", b"\r\n", b"\r\n\r\n", b"\r\n.\r\n", b"\xe4\xff", b"x" * 900]
)
bodies = st.lists(_piece, max_size=12).map(b"".join)
_value = st.lists(
    st.sampled_from([b"a", b"  ", b"\t", b"\r\n x", b"\r\n\ty", b":", b";", b"\xc3\xa4", b"=?u?="]),
    max_size=8,
).map(lambda pieces: b"v" + b"".join(pieces) + b"\r\n")
_name = st.sampled_from(
    [
        b"Subject: ",
        b"CC:",
        b"X-Other: ",
        b"List-Id: ",
        b"Resent-From:",
        b"reply-to: ",
        b"Received: ",
    ]
)
extra_fields = st.lists(st.tuples(_name, _value).map(b"".join), max_size=6).map(b"".join)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(extra_fields, bodies)
def test_dkimpy_accepts(extra: bytes, body: bytes) -> None:
    """An independent verifier accepts the signature of every shape of mail."""
    assert verifies(signed(extra + HEADER + b"\r\n" + body))


@pytest.mark.parametrize(
    ("name", "replacement"),
    [
        (b"hello", b"hallo"),
        (b"body text", b"body test"),
        (b"From: A", b"From: Mallory <m@example.net>\r\nFrom: A"),
        (b"Subject: hello", b"Subject: hello\r\nSubject: again"),
        (b"Subject: hello", b"Subject: hello\r\nReply-To: m@example.net"),
        (b"body text\r\n", b"body text\r\nmore\r\n"),
    ],
)
def test_change_breaks(name: bytes, replacement: bytes) -> None:
    """Changing, adding to or appending to what is signed breaks the signature."""
    content = signed(HEADER + b"\r\nbody text\r\n")
    assert verifies(content)
    assert not verifies(content.replace(name, replacement))


def test_tags() -> None:
    """The signature names algorithm, domain, selector and time, and no body length."""
    field = signer().sign(HEADER + b"\r\nx\r\n", 1_763_900_000)
    text = re.sub(r"\s", "", field.decode().removeprefix("DKIM-Signature:"))
    tags = dict(tag.split("=", 1) for tag in text.split(";"))
    assert tags["a"] == "rsa-sha256"
    assert tags["c"] == "relaxed/relaxed"
    assert (tags["d"], tags["s"], tags["t"]) == (DOMAIN, SELECTOR, "1763900000")
    assert "l" not in tags
    assert tags["h"].split(":").count("from") == 2
    assert "received" not in tags["h"]
    assert field.endswith(b"\r\n")
    assert all(len(line) <= 78 for line in field.decode().splitlines())


def test_domain_is_published_as_a_label() -> None:
    """An internationalised domain is named by its A-labels."""
    field = Signer("bücher.example", "s", key_pem()).sign(HEADER + b"\r\n", 0)
    assert b"d=xn--bcher-kva.example;" in field


def test_record() -> None:
    """The published value is the one of D-17, for a 2048-bit key."""
    assert re.fullmatch(r"v=DKIM1; k=rsa; p=MIIBIjAN[A-Za-z0-9+/]+={0,2}", keys.record(key_pem()))


@pytest.mark.parametrize(
    "pem", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_unreadable_key(pem: bytes) -> None:
    """What is no key is refused with a clear text."""
    with pytest.raises(ValueError, match="not an unencrypted private key"):
        Signer(DOMAIN, SELECTOR, pem)


def test_ed25519_signatures_verify() -> None:
    """A key of the younger kind signs and is published in its own way (RFC 8463)."""
    pem = ed25519.Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    content = HEADER + b"\r\ntext  with blanks \r\n\r\n"
    field = Signer(DOMAIN, SELECTOR, pem).sign(content, 1_763_900_000)
    assert b"a=ed25519-sha256;" in field

    def txt(asked: bytes, timeout: int = 5) -> bytes:
        return keys.record(pem).encode()

    assert dkim.verify(field + content, dnsfunc=txt)
    assert not dkim.verify(field + content + b"more\r\n", dnsfunc=txt)


def test_key_of_another_kind() -> None:
    """A key that signs no mail is refused."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with pytest.raises(ValueError, match="neither an RSA nor an Ed25519 key"):
        Signer(DOMAIN, SELECTOR, pem)
