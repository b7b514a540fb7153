"""A certificate for DNS over TLS, made when it is needed and kept nowhere."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

# What the certificate is for, besides the address (RFC 6761 §6.2: never a real name).
NAME: Final = "fake-dns.test"
_LIFETIME: Final = datetime.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A self-signed certificate, in PEM; clients trust it by itself."""

    pem: bytes
    private_key_pem: bytes

    def context(self) -> ssl.SSLContext:
        """Settings for the server's side of TLS, offering `dot` (RFC 7858 §3.2)."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # The ssl module reads certificates from files only.
        with tempfile.TemporaryDirectory(prefix="fake-dns-") as directory:
            path = Path(directory) / "both.pem"
            path.touch(mode=0o600)
            path.write_bytes(self.private_key_pem + self.pem)
            context.load_cert_chain(path)
        context.set_alpn_protocols(["dot"])
        return context

    def __repr__(self) -> str:
        return f"Certificate({len(self.pem)} octets, key ***)"


def make_certificate(address: str) -> Certificate:
    """Make a certificate for an address and for `fake-dns.test`, valid for a week."""
    # Imported here: nobody waits for it who serves no TLS.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    alternatives = [x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address(address))]
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A clock that is a little behind still believes it.
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        # Signed by itself and trusted as an authority: every client can be told to trust it.
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Certificate(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
