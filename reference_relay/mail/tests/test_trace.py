"""The Received field."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_relay.mail.address import Mailbox
from reference_relay.mail.content import fields
from reference_relay.mail.trace import received


def field_for(
    *,
    client_name: str = "client.example",
    client_address: str = "192.0.2.1",
    tls: str | None = "TLS_AES_256_GCM_SHA384",
    recipient: Mailbox | None = None,
) -> bytes:
    return received(
        client_name=client_name,
        client_address=client_address,
        by="relay.example.net",
        queue_id="4XYZ1",
        protocol="ESMTPSA",
        tls=tls,
        recipient=recipient,
        date="Mon, 24 Nov 2025 10:00:00 +0000",
    )


def test_it_names_client_relay_protocol_queue_id_and_date() -> None:
    """RLY-02: from, by, with, id and date, in the order of RFC 5321 §4.4."""
    assert field_for() == (
        b"Received: from client.example ([192.0.2.1])\r\n"
        b" by relay.example.net with ESMTPSA id 4XYZ1\r\n"
        b" tls TLS_AES_256_GCM_SHA384;\r\n"
        b" Mon, 24 Nov 2025 10:00:00 +0000\r\n"
    )


def test_an_ipv6_peer_is_an_ipv6_literal() -> None:
    """RLY-02: the peer address is an address-literal (RFC 5321 §4.1.3)."""
    assert b"([IPv6:2001:db8::1])" in field_for(client_address="2001:db8::1")


def test_a_single_recipient_is_named() -> None:
    """RLY-02: at most one `for`, and only when the caller says so."""
    assert b" for <b@example.net>\r\n" in field_for(recipient=Mailbox("b", "example.net"))
    assert b" for " not in field_for(recipient=None)


@pytest.mark.parametrize(
    ("suite", "clause"),
    [
        ("ECDHE-RSA-AES256-GCM-SHA384", b" tls TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
        (
            "ECDHE-ECDSA-CHACHA20-POLY1305",
            b" tls TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
        ),
        ("AES256-SHA;\r\nX", b" (tls AES256-SHA???X)"),
    ],
)
def test_the_cipher_suite_is_named_as_registered(suite: str, clause: bytes) -> None:
    """RLY-03: the `tls` clause carries the registry's name (RFC 8314 §4.3)."""
    assert clause + b";" in field_for(tls=suite)


def test_a_clear_session_has_no_tls_clause() -> None:
    """RLY-03: no encryption is claimed where there was none."""
    assert b"tls" not in field_for(tls=None)


@settings(derandomize=True, max_examples=200)
@given(st.text(max_size=400), st.text(max_size=40))
def test_client_text_cannot_break_out(name: str, address: str) -> None:
    """Whatever a client calls itself, the result is one well-formed field of short lines."""
    field = field_for(client_name=name, client_address=address)
    (only,) = fields(field)
    assert only.name == b"Received"
    assert all(len(line) < 998 for line in field.split(b"\r\n"))
    assert re.fullmatch(rb"[\t\r\n -~]*", field)
    assert field.count(b";") == 1
