"""The edge: UDP and TCP on one port number, over one responder (RFC 1035 §4.2, RFC 7766)."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

from fake_dns.message import Transport
from fake_dns.responder import Responder, Response

Respond = Callable[[bytes, Transport, tuple[str, int]], Response | None]

# With port 0 the kernel chooses for TCP and UDP has to follow; a stranger may hold that number.
PORT_ATTEMPTS: Final = 64
# Bursts of a load test wait here instead of being lost; the kernel may grant less.
RECEIVE_BUFFER_OCTETS: Final = 4 * 1024 * 1024
LISTEN_BACKLOG: Final = 512
# RFC 7766 §6.2.3 asks for seconds; long enough for a test that thinks between two questions.
IDLE_SECONDS: Final = 30.0
# A client that sends and never reads: beyond this much unsent, reading waits for it.
UNSENT_OCTETS: Final = 256 * 1024


class CannotListen(Exception):
    """The address or port cannot be had; the message names both and the reason."""


def bind(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Bind a UDP and a listening TCP socket to the same number.

    Args:
        address: An IPv4 or IPv6 address of this machine.
        port: Their port; 0 lets the kernel choose one that is free for both.

    Raises:
        CannotListen: Port in use, no permission, or no address of this machine.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(PORT_ATTEMPTS):
        tcp = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tcp.bind((address, port))
            udp.bind((address, tcp.getsockname()[1]))
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_OCTETS)
            tcp.listen(LISTEN_BACKLOG)
        except (OSError, OverflowError) as error:
            tcp.close()
            udp.close()
            if port == 0 and getattr(error, "errno", None) == errno.EADDRINUSE:
                continue
            raise CannotListen(describe(address, port, error)) from error
        udp.setblocking(False)
        tcp.setblocking(False)
        return udp, tcp
    raise CannotListen(f"{address}: no port is free for UDP and TCP alike; try again or name one")


class Server:
    """Serves one pair of bound sockets on the running loop until closed."""

    def __init__(self, responder: Responder, udp: socket.socket, tcp: socket.socket) -> None:
        self._respond: Final = responder.respond
        self._udp_socket: Final = udp
        self._tcp_socket: Final = tcp
        self._connections: Final[set[_Connection]] = set()
        self._datagrams: asyncio.DatagramTransport | None = None
        self._listener: asyncio.Server | None = None

    async def open(self) -> None:
        """Start answering."""
        loop = asyncio.get_running_loop()
        self._datagrams, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(self._respond), sock=self._udp_socket
        )
        self._listener = await loop.create_server(
            lambda: _Connection(self._respond, self._connections), sock=self._tcp_socket
        )

    async def close(self) -> None:
        """Stop answering and close every socket; replies held back are dropped."""
        if self._datagrams is not None:
            self._datagrams.abort()
        if self._listener is not None:
            self._listener.close()
        for connection in tuple(self._connections):
            connection.abort()
        # Transports close their sockets one turn of the loop after being told to.
        await asyncio.sleep(0)
        await asyncio.sleep(0)


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, respond: Respond) -> None:
        self._respond: Final = respond
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # typeshed: BaseTransport
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self._respond(data, Transport.UDP, addr[:2])
        if response is None or self._transport is None:
            return
        if response.delay_seconds > 0:
            loop = asyncio.get_running_loop()
            loop.call_later(response.delay_seconds, self._send, response.packet, addr)
        else:
            self._transport.sendto(response.packet, addr)

    def _send(self, packet: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(packet, addr)

    def error_received(self, exc: Exception) -> None:
        """A client that went away (ICMP port unreachable) is no concern of a name server."""


class _Connection(asyncio.Protocol):
    """One TCP connection: length-framed queries, any number, answered as they come."""

    def __init__(self, respond: Respond, connections: set[_Connection]) -> None:
        self._respond: Final = respond
        self._connections: Final = connections
        self._received: Final = bytearray()
        self._transport: asyncio.Transport | None = None
        self._client: tuple[str, int] = ("", 0)
        self._idle: asyncio.TimerHandle | None = None
        self._last_heard = 0.0
        self._is_paused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # typeshed: BaseTransport
        self._transport = transport
        self._client = transport.get_extra_info("peername")[:2]
        transport.set_write_buffer_limits(UNSENT_OCTETS)
        self._connections.add(self)
        self._last_heard = asyncio.get_running_loop().time()
        self._watch()

    def data_received(self, data: bytes) -> None:
        self._last_heard = asyncio.get_running_loop().time()
        self._received.extend(data)
        self._answer_received()

    def pause_writing(self) -> None:
        self._is_paused = True
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._is_paused = False
        self._answer_received()
        if self._transport is not None and not self._transport.is_closing() and not self._is_paused:
            self._transport.resume_reading()

    def _answer_received(self) -> None:
        """Answer every whole message, until the client has to read first."""
        while not self._is_paused and (replies := self._next_replies()):
            # RFC 7766 §8: prefix and message in one write, and pipelined replies together.
            self._write(b"".join(replies))

    def _next_replies(self) -> list[bytes]:
        received = self._received
        replies: list[bytes] = []
        start = size = 0
        while len(received) - start >= 2 and size < UNSENT_OCTETS:
            end = start + 2 + int.from_bytes(received[start : start + 2], "big")
            if len(received) < end:
                break
            response = self._respond(bytes(received[start + 2 : end]), Transport.TCP, self._client)
            start = end
            if response is None:
                continue
            if response.delay_seconds > 0:
                loop = asyncio.get_running_loop()
                loop.call_later(response.delay_seconds, self._write, _framed(response.packet))
            else:
                replies.append(_framed(response.packet))
                size += len(response.packet)
        del received[:start]
        return replies

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._idle is not None:
            self._idle.cancel()
        self._transport = self._idle = None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _write(self, octets: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(octets)

    def _watch(self) -> None:
        """Close after a silence; looked at once per period, not once per query."""
        loop = asyncio.get_running_loop()
        left = self._last_heard + IDLE_SECONDS - loop.time()
        if left <= 0:
            self.abort()
        else:
            self._idle = loop.call_later(left, self._watch)


def _framed(packet: bytes) -> bytes:
    return len(packet).to_bytes(2, "big") + packet


def describe(address: str, port: int, error: OSError | OverflowError) -> str:
    """Say in one line why an address and port cannot be had and what would do."""
    if isinstance(error, OverflowError):
        return f"address {address}, port {port}: expected a port from 0 to 65535"
    expected = {
        errno.EADDRINUSE: "port in use; expected a free one, or 0 for the kernel's choice",
        errno.EACCES: "no permission; expected a port from 1024 up, or 0 for the kernel's choice",
        errno.EADDRNOTAVAIL: "no address of this machine; expected one such as 127.0.0.1",
    }.get(error.errno or 0)
    if expected is None:
        expected = f"{error.strerror or error}; expected an address such as 127.0.0.1"
    return f"address {address}, port {port}: {expected}"
