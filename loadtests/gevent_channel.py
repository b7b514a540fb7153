"""The connection of a Locust user: a plain gevent socket, wait first, then read.

gevent's TLS socket tries to read before it waits, and takes several layers for it; waiting first
costs a third less per message. A timeout per wait would cost 5 µs four times a message, so one
greenlet looks at all connections once a second instead.
"""

from __future__ import annotations

import contextlib
import socket
import time

import gevent
import gevent.socket

# RFC 5321 §4.5.3.2.6 grants the final reply ten minutes; a load run cannot wait that long for one.
REPLY_SECONDS = 60.0
_CONNECT_SECONDS = 10.0
_LOOK_SECONDS = 1.0
# A reply is short; a buffer of this size costs the allocator nothing.
_READ_OCTETS = 8192


class GeventChannel:
    """One TCP connection with TCP_NODELAY.

    Attributes:
        waits_since: When the present wait began, in seconds of `time.monotonic`; 0 if none goes on.
    """

    __slots__ = ("_is_overdue", "_socket", "_wait", "_watcher", "waits_since")

    def __init__(self, address: str, port: int) -> None:
        """Connect.

        Raises:
            OSError: Nobody answers there; TimeoutError if nobody says so either.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._is_overdue = False
        self.waits_since = 0.0
        self._socket = gevent.socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(_CONNECT_SECONDS)
            self._socket.connect((address, port))
            # From here on the patrol keeps the time.
            self._socket.settimeout(None)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self._socket.close()
            raise
        hub = gevent.get_hub()
        self._watcher = hub.loop.io(self._socket.fileno(), 1)
        self._wait = hub.wait
        _OPEN.add(self)

    def send(self, octets: bytes) -> None:
        """Send all of them."""
        sent = self._socket.send(octets)
        if sent < len(octets):
            self.waits_since = time.monotonic()
            try:
                self._socket.sendall(memoryview(octets)[sent:])
            finally:
                self.waits_since = 0.0
            self._judge()

    def receive(self) -> bytes:
        """Wait for octets; b"" at the end of the connection."""
        self.waits_since = time.monotonic()
        self._wait(self._watcher)
        self.waits_since = 0.0
        octets: bytes = self._socket.recv(_READ_OCTETS)
        if not octets:
            self._judge()
        return octets

    def close(self) -> None:
        """Close."""
        _OPEN.discard(self)
        self._watcher.close()
        with contextlib.suppress(OSError):
            self._socket.close()

    def give_up(self) -> None:
        """End the present wait from another greenlet; it ends in TimeoutError."""
        self._is_overdue = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def _judge(self) -> None:
        if self._is_overdue:
            raise TimeoutError


_OPEN: set[GeventChannel] = set()


def patrol() -> None:
    """End waits that last too long; runs for ever, in a greenlet of its own."""
    while True:
        gevent.sleep(_LOOK_SECONDS)
        oldest = time.monotonic() - REPLY_SECONDS
        for channel in [one for one in _OPEN if 0.0 < one.waits_since < oldest]:
            channel.give_up()
