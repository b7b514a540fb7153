"""The connection of a Locust user: a plain non-blocking socket, wait first, then read.

gevent's TLS socket tries to read before it waits, and takes several layers for it; waiting first
costs a third less per message. Its plain socket has a layer of Python around every call, and its
waits arm and disarm their watcher each time, four times a message: here the watcher stays armed and
wakes the greenlet itself. A timeout per wait would cost 5 µs four times a message, so one greenlet
looks at all connections once a second instead.
"""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

import gevent
import gevent.monkey
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

    __slots__ = (
        "_hub",
        "_is_armed",
        "_is_overdue",
        "_socket",
        "_waiting",
        "_watcher",
        "waits_since",
    )

    def __init__(self, address: str, port: int) -> None:
        """Connect.

        Raises:
            OSError: Nobody answers there; TimeoutError if nobody says so either.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._is_overdue = False
        self.waits_since = 0.0
        connecting = gevent.socket.socket(family, socket.SOCK_STREAM)
        try:
            connecting.settimeout(_CONNECT_SECONDS)
            connecting.connect((address, port))
            connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            connecting.close()
            raise
        plain = gevent.monkey.get_original("socket", "socket")
        self._socket = plain(fileno=connecting.detach())
        # From here on the patrol keeps the time.
        self._socket.setblocking(False)
        self._hub = gevent.get_hub()
        self._waiting: Any = None
        self._watcher = self._hub.loop.io(self._socket.fileno(), 1)
        self._is_armed = False
        _OPEN.add(self)

    def send(self, octets: bytes) -> None:
        """Send all of them."""
        try:
            sent = self._socket.send(octets)
        except BlockingIOError:
            sent = 0
        if sent < len(octets):
            self._send_rest(memoryview(octets)[sent:])

    def receive(self) -> bytes:
        """Wait for octets; b"" at the end of the connection."""
        if not self._is_armed:
            self._watcher.start(self._arrived)
            self._is_armed = True
        self.waits_since = time.monotonic()
        self._waiting = gevent.getcurrent()
        try:
            self._hub.switch()
        finally:
            self._waiting = None
            self.waits_since = 0.0
        try:
            octets: bytes = self._socket.recv(_READ_OCTETS)
        except BlockingIOError:
            # Somebody else woke this greenlet.
            return self.receive()
        if not octets:
            self._judge()
        return octets

    def close(self) -> None:
        """Close."""
        _OPEN.discard(self)
        self._watcher.close()
        with contextlib.suppress(OSError):
            self._socket.close()

    def _arrived(self) -> None:
        """Called by the loop as long as there is something to read."""
        if self._waiting is None:
            # Nobody asked for it yet: the next one who does finds it there.
            self._watcher.stop()
            self._is_armed = False
        else:
            self._waiting.switch()

    def _send_rest(self, rest: memoryview) -> None:
        self.waits_since = time.monotonic()
        room = self._hub.loop.io(self._socket.fileno(), 2)
        try:
            while rest:
                self._hub.wait(room)
                with contextlib.suppress(BlockingIOError):
                    rest = rest[self._socket.send(rest) :]
        finally:
            room.close()
            self.waits_since = 0.0
        self._judge()

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
