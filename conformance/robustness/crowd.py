"""Clients that take part in a crowd: raw sockets, driven by one selector, nothing recorded."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import time
from collections.abc import Sequence

from fixtures.budget import current_budget
from fixtures.probe import ConnectionLost
from fixtures.target import TargetEndpoint

_READ = 65536


class SlowClient:
    """One connection that sends a script octet by octet and remembers what it is told.

    Args:
        endpoint: Where to connect.
        script: What it trickles, over and over.
        source: Address to connect from.
    """

    def __init__(self, endpoint: TargetEndpoint, script: bytes, source: str | None = None) -> None:
        origin = (source, 0) if source else None
        self._seat = current_budget().connect()
        self.socket = socket.create_connection((endpoint.addresses[0], endpoint.port), 10, origin)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = b""
        self.is_closed = False
        self._script = script
        self._place = 0

    def trickle(self) -> None:
        """Send the next octet."""
        octet = self._script[self._place % len(self._script) :][:1]
        self._place += 1
        try:
            self.socket.send(octet)
        except OSError:
            self.is_closed = True

    def listen(self) -> None:
        """Take what has arrived."""
        try:
            octets = self.socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError:
            octets = b""
        self.heard += octets
        self.is_closed = self.is_closed or not octets

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self.socket.close()
        self._seat.give_back()


class EncryptedSlowClient(SlowClient):
    """The same behind STARTTLS: what it trickles is encrypted, a record for each octet.

    Raises:
        ConnectionLost: It was sent away before it could begin.
    """

    def __init__(self, endpoint: TargetEndpoint, script: bytes, first: Sequence[bytes]) -> None:
        super().__init__(endpoint, script)
        try:
            self._encrypt(first)
        except OSError as error:
            # Left open it would take a place from the checks that follow.
            self.close()
            raise ConnectionLost(f"a slow client was sent away: {error}") from error

    def _encrypt(self, first: Sequence[bytes]) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        replies = self.socket.makefile("rb", 0)
        for line in (b"", b"EHLO slow.example\r\n", b"STARTTLS\r\n"):
            self.socket.sendall(line)
            while replies.readline()[3:4] == b"-":
                pass
        replies.close()
        self.socket = encrypted = context.wrap_socket(self.socket)
        for line in first:
            encrypted.sendall(line)

    def listen(self) -> None:
        """Take what has arrived."""
        with contextlib.suppress(ssl.SSLWantReadError):
            super().listen()


def keep_trickling(
    clients: Sequence[SlowClient], pause: float, seconds: float, until_closed: bool = True
) -> float:
    """Let every client send an octet each `pause` seconds; return how long that went on.

    Args:
        clients: Who takes part.
        pause: Seconds between two octets of a client.
        seconds: The end of it all.
        until_closed: End when the server has closed every one of them.
    """
    began = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for client in clients:
            client.socket.setblocking(False)
            selector.register(client.socket, selectors.EVENT_READ, client)
        due = began
        while (now := time.monotonic()) < began + seconds and selector.get_map():
            for key, _ in selector.select(max(0.0, min(due, began + seconds) - now)):
                key.data.listen()
            if time.monotonic() >= due:
                due = time.monotonic() + pause
                for client in clients:
                    if not client.is_closed:
                        client.trickle()
            for client in clients:
                if client.is_closed and client.socket.fileno() in selector.get_map():
                    selector.unregister(client.socket)
            if until_closed and all(client.is_closed for client in clients):
                break
    return time.monotonic() - began
