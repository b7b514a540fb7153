"""Targets with a fault of their own: one dies, one talks garbage, one is somebody else."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from fixtures.certificates import CertificateAuthority

_REPLIES = {
    b"EHLO": b"250-mx.example\r\n250 STARTTLS\r\n",
    b"HELO": b"250 mx.example\r\n",
    b"AUTH": b"235 2.7.0 in\r\n",
    b"MAIL": b"250 2.1.0 ok\r\n",
    b"RCPT": b"250 2.1.5 ok\r\n",
    b"DATA": b"354 go\r\n",
    b"NOOP": b"250 2.0.0 ok\r\n",
    b"RSET": b"250 2.0.0 ok\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}


class OddTarget:
    """A server on loopback.

    Attributes:
        port: Where it listens.
        lives: How many connections it serves before it is gone for good.
        garbage: What it says in the place of everything, b"" if it speaks SMTP.
    """

    def __init__(
        self, context: ssl.SSLContext, *, lives: int = 10_000, garbage: bytes = b""
    ) -> None:
        self.lives = lives
        self.garbage = garbage
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while self.lives:
                self.lives -= 1
                connected, _ = self._listener.accept()
                with contextlib.suppress(OSError), connected:
                    connected.settimeout(5)
                    self._talk(connected)
            self._listener.close()

    def _talk(self, connected: socket.socket, *, is_greeted: bool = False) -> None:
        if self.garbage:
            connected.sendall(self.garbage)
            return
        if not is_greeted:
            connected.sendall(b"220 mx.example\r\n")
        buffer = b""
        is_content = has_recipient = False
        while octets := connected.recv(65536):
            buffer += octets
            end = b"\r\n.\r\n" if is_content else b"\r\n"
            while end in buffer:
                line, _, buffer = buffer.partition(end)
                verb = line[:4].upper()
                if is_content:
                    is_content, end = False, b"\r\n"
                    connected.sendall(b"250 2.0.0 queued\r\n")
                elif line.upper() == b"STARTTLS":
                    connected.sendall(b"220 2.0.0 go\r\n")
                    with self._context.wrap_socket(connected, server_side=True) as encrypted:
                        self._talk(encrypted, is_greeted=True)
                    return
                elif verb == b"DATA" and not has_recipient:
                    connected.sendall(b"503 5.5.1 RCPT first\r\n")
                else:
                    connected.sendall(_REPLIES.get(verb, b"500 5.5.1 what\r\n"))
                    is_content = verb == b"DATA"
                    has_recipient = verb == b"RCPT" or (has_recipient and verb == b"NOOP")
                    end = b"\r\n.\r\n" if is_content else b"\r\n"


@contextlib.contextmanager
def odd_target(
    folder: Path, names: list[str], *, lives: int = 10_000, garbage: bytes = b""
) -> Iterator[Path]:
    """Run one; give the profile that leads to it.

    Args:
        folder: Where its files go.
        names: The names in its certificate; the profile calls it mx.example.
        lives: How many connections it serves.
        garbage: What it says in the place of everything.
    """
    authority = CertificateAuthority.create()
    chain, key = authority.issue(names).write(folder, "odd")
    (folder / "ca.pem").write_bytes(authority.root_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    target = OddTarget(context, lives=lives, garbage=garbage)
    file = folder / "odd.toml"
    file.write_text(
        f"""
name = "odd"
[relay]
kind = "address"
[[relay.endpoint]]
host = "mx.example"
addresses = ["127.0.0.1"]
port = {target.port}
[[account]]
role = "primary"
username_environment = "STUB_USERNAME"
password_environment = "STUB_PASSWORD"
domain = "example.com"
[recipients]
address = "rcpt@sink.example"
[budget]
patience_seconds = 1
[tls]
trust = "file"
ca_file = "ca.pem"
""",
        encoding="utf-8",
    )
    try:
        yield file
    finally:
        target.close()
