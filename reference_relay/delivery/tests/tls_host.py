"""An MX host on loopback that knows STARTTLS, well or badly."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(slots=True)
class TLSHost:
    """What it says, and what it was told.

    Attributes:
        offer: Keywords in clear.
        go_on: The answer to STARTTLS.
        speaks_tls: Whether a handshake follows it.
        inside: Lines heard inside TLS.
        outside: Lines heard in clear.
    """

    context: ssl.SSLContext
    offer: tuple[str, ...] = ("STARTTLS",)
    go_on: bytes = b"220 go on\r\n"
    speaks_tls: bool = True
    inside: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    sessions: set[asyncio.Task[None]] = field(default_factory=set)

    async def session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk until the client goes."""
        task = asyncio.current_task()
        assert task is not None
        self.sessions.add(task)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await self._talk(reader, writer)
        writer.close()
        self.sessions.discard(task)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mx\r\n")
        heard, keywords = self.outside, self.offer
        while line := (await reader.readuntil(b"\r\n")).decode().rstrip():
            heard.append(line)
            verb = line.partition(" ")[0].upper()
            if verb == "EHLO":
                lines = ("mx", *keywords)
                writer.write("".join(f"250-{each}\r\n" for each in lines).encode() + b"250 OK\r\n")
            elif verb == "STARTTLS":
                writer.write(self.go_on)
                if self.go_on.startswith(b"220"):
                    if not self.speaks_tls:
                        return
                    await writer.start_tls(self.context)
                    heard, keywords = self.inside, ("AUTH PLAIN",)
            elif verb == "DATA":
                writer.write(b"354 go on\r\n")
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 queued\r\n")
            else:
                writer.write(b"235 ok\r\n" if verb == "AUTH" else b"250 ok\r\n")

    @asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[int]:
        """Listen; give the port."""
        server = await asyncio.start_server(self.session, "127.0.0.1", port)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()
            await server.wait_closed()
            for session in list(self.sessions):
                session.cancel()
            await asyncio.gather(*self.sessions, return_exceptions=True)


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, str]:
    """Make a certificate that signs itself; return the host's context and the PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    file = folder / "host.pem"
    file.touch(mode=0o600)
    file.write_bytes(
        pem
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, pem.decode()
