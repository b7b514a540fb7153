"""An ordinary blocking connection for the client: the trial message before a run, and the tests."""

from __future__ import annotations

import contextlib
import socket


class BlockingChannel:
    """A TCP connection of the standard library, with TCP_NODELAY and a deadline per wait."""

    def __init__(self, address: str, port: int, timeout_seconds: float = 10.0) -> None:
        """Connect.

        Raises:
            OSError: Nobody answers there; TimeoutError if nobody says so either.
        """
        self._socket = socket.create_connection((address, port), timeout_seconds)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, octets: bytes) -> None:
        """Send all of them."""
        self._socket.sendall(octets)

    def receive(self) -> bytes:
        """Wait for octets; b"" at the end of the connection."""
        return self._socket.recv(65_536)

    def close(self) -> None:
        """Close."""
        with contextlib.suppress(OSError):
            self._socket.close()
