"""A ClientHello written octet by octet, for versions and suites that TLS libraries no longer offer.

Layout by RFC 5246 §7.4.1; the older versions differ in the version octets alone. Nothing here
completes a handshake: the first record of the answer says what the server is willing to speak.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SSL_3: Final = 0x0300
TLS_1_0: Final = 0x0301
TLS_1_1: Final = 0x0302
TLS_1_2: Final = 0x0303

# Suites by their registry numbers. Old versions know none of the AEAD ones.
LEGACY_SUITES: Final = (0xC014, 0xC013, 0xC00A, 0xC009, 0x0039, 0x0033, 0x0035, 0x002F, 0x000A)
ECDHE_AEAD_SUITES: Final = (0xC02F, 0xC030, 0xC02B, 0xC02C, 0xCCA8, 0xCCA9)
FORBIDDEN_SUITES: Final = {
    "null": (0x0001, 0x0002, 0x003B, 0xC006, 0xC010),
    "rc4": (0x0004, 0x0005, 0xC007, 0xC011),
    "export": (0x0003, 0x0006, 0x0008, 0x0014),
    "des": (0x0009, 0x0015, 0x000A, 0x0016, 0xC012, 0xC008),
    "anonymous": (0x0034, 0x003A, 0x00A6, 0xC018, 0xC019),
}

_HANDSHAKE, _ALERT = 22, 21
_SERVER_HELLO = 2


@dataclass(frozen=True, slots=True)
class ServerHello:
    """What a server chose."""

    version: int
    suite: int
    compression: int = 0


def _vector(octets: bytes, length_octets: int) -> bytes:
    return len(octets).to_bytes(length_octets, "big") + octets


def _extension(kind: int, octets: bytes) -> bytes:
    return kind.to_bytes(2, "big") + _vector(octets, 2)


def client_hello(
    version: int, suites: Sequence[int], server_name: str, compressions: bytes = b"\0"
) -> bytes:
    """Return one record with a ClientHello that offers exactly this version and these suites."""
    name = _vector(b"\0" + _vector(server_name.encode("ascii"), 2), 2)
    extensions = b"".join(
        (
            _extension(0, name),
            _extension(10, _vector(bytes.fromhex("001d00170018"), 2)),  # x25519, P-256, P-384
            _extension(11, _vector(b"\0", 1)),  # uncompressed points
            # rsa_pss_rsae, rsa_pkcs1 and ecdsa with SHA-256; SHA-1 for the old versions.
            _extension(13, _vector(bytes.fromhex("0804040104030805080602010203"), 2)),
        )
    )
    body = b"".join(
        (
            version.to_bytes(2, "big"),
            bytes(range(32)),  # the random; no handshake is completed, so it need not be one
            b"\0",  # no session to resume
            _vector(b"".join(suite.to_bytes(2, "big") for suite in suites), 2),
            _vector(compressions, 1),  # null alone, unless said otherwise
            b"" if version == SSL_3 else _vector(extensions, 2),
        )
    )
    record_version = min(version, TLS_1_0) if version > SSL_3 else SSL_3
    message = b"\1" + _vector(body, 3)
    return bytes([_HANDSHAKE]) + record_version.to_bytes(2, "big") + _vector(message, 2)


def server_hello(octets: bytes) -> ServerHello | None:
    """Read the ServerHello at the beginning of an answer; None when it is something else."""
    if len(octets) < 11 or octets[0] != _HANDSHAKE or octets[5] != _SERVER_HELLO:
        return None
    body = octets[9:]
    if len(body) < 35 or len(body) < 37 + body[34]:
        return None
    place = 35 + body[34]
    return ServerHello(
        version=int.from_bytes(body[:2], "big"),
        suite=int.from_bytes(body[place : place + 2], "big"),
        compression=body[place + 2] if len(body) > place + 2 else 0,
    )


def message_kinds(octets: bytes) -> tuple[int, ...]:
    """List the handshake messages in the clear part of an answer by their types (RFC 5246 §7.4)."""
    flight = bytearray()
    while len(octets) >= 5 and octets[0] == _HANDSHAKE:
        length = int.from_bytes(octets[3:5], "big")
        flight += octets[5 : 5 + length]
        octets = octets[5 + length :]
    kinds = []
    while len(flight) >= 4:
        kinds.append(flight[0])
        del flight[: 4 + int.from_bytes(flight[1:4], "big")]
    return tuple(kinds)


def is_alert_or_end(octets: bytes) -> bool:
    """Tell whether an answer is an alert, or the end of the connection without a word."""
    return not octets or octets[0] == _ALERT
