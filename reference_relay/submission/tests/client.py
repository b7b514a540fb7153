"""A client that owns its TLS octets, so that a test can decide what shares a segment."""

from __future__ import annotations

import datetime
import select
import socket
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Client:
    """A blocking client over MemoryBIO."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._engine = context.wrap_bio(self._incoming, self._outgoing)
        self._plaintext = b""
        self.unsent = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def clear(self, octets: bytes) -> bytes:
        """Send octets in clear and read until the next complete reply."""
        self.socket.sendall(octets)
        return self.read_clear()

    def read_clear(self) -> bytes:
        """Read one complete reply in clear."""
        received = b""
        while not (received.endswith(b"\n") and received.rstrip().split(b"\n")[-1][3:4] == b" "):
            received += self._receive()
        return received

    def handshake(self, *, with_flight: bytes = b"") -> None:
        """Shake hands; send `with_flight` encrypted in the very segment of our Finished."""
        while True:
            try:
                self._engine.do_handshake()
            except ssl.SSLWantReadError:
                self.socket.sendall(self._outgoing.read())
                self._incoming.write(self._receive())
            else:
                break
        if with_flight:
            self._engine.write(with_flight)
        self.socket.sendall(self._outgoing.read())

    def send(self, octets: bytes) -> None:
        """Send octets encrypted, in one segment."""
        self._engine.write(octets)
        self.socket.sendall(self._outgoing.read())

    def read(self) -> bytes:
        """Read one complete reply inside TLS."""
        while True:
            lines = self._plaintext.split(b"\r\n")
            for number, line in enumerate(lines[:-1]):
                if line[3:4] == b" ":
                    reply = b"\r\n".join(lines[: number + 1]) + b"\r\n"
                    self._plaintext = self._plaintext[len(reply) :]
                    return reply
            try:
                plaintext = self._engine.read(65536)
            except ssl.SSLWantReadError:
                self._incoming.write(self._receive())
            else:
                if not plaintext:
                    raise EOFError("the relay closed the session")
                self._plaintext += plaintext

    def queue(self, octets: bytes) -> None:
        """Encrypt octets for `send_some`."""
        self._engine.write(octets)
        self.unsent += self._outgoing.read()

    def send_some(self) -> None:
        """Send what the socket takes of what is queued."""
        taken = self.socket.send(self.unsent)
        self.unsent = self.unsent[taken:]

    def read_while_sending(self, octets: bytes) -> bytes:
        """Send what is queued and these octets, and read until the connection is closed."""
        self.queue(octets)
        received: list[bytes] = []
        self.socket.setblocking(False)
        while True:
            wanted = [self.socket] if self.unsent else []
            readable, writable, _ = select.select([self.socket], wanted, [], 10)
            if writable:
                self.send_some()
            if readable:
                piece = self.socket.recv(262144)
                self._incoming.write(piece)
                try:
                    while plaintext := self._engine.read(65536):
                        received.append(plaintext)
                except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                    pass
                if not piece:
                    return b"".join(received)

    def say(self, octets: bytes) -> bytes:
        """Send octets encrypted and read the next reply."""
        self.send(octets)
        return self.read()

    def _receive(self) -> bytes:
        octets = self.socket.recv(65536)
        if not octets:
            raise EOFError("the relay closed the connection")
        return octets


def throw_away_certificate(folder: Path) -> Path:
    """Write a key and a certificate for mx.example.net into one PEM file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.example.net")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
