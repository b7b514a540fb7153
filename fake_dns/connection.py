"""One client: datagrams, or a stream of length-framed messages (RFC 1035 §4.2, RFC 7766)."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

from fake_dns.message import Delivery
from fake_dns.responder import Respond, Response
from fake_dns.wire import MAX_MESSAGE_OCTETS

# RFC 7766 §6.2.3 asks for seconds; long enough for a test that thinks between two questions.
IDLE_SECONDS: Final = 30.0
# A client that sends and never reads: beyond this much unsent, reading waits for it.
UNSENT_OCTETS: Final = 256 * 1024
# Ours: as many questions are answered before the loop sees to connections and replies held back.
MORE_AT_ONCE: Final = 31
# SO_LINGER on, for 0 seconds: closing sends a reset instead of an end.
_RESETTING: Final = struct.pack("ii", 1, 0)


class Datagrams(asyncio.DatagramProtocol):
    """Every client of one UDP socket.

    Args:
        respond: What answers a packet.
        waiting: The socket, where the loop reads one datagram a turn: the others that wait are
            read here, and the loop turns once for all of them.
    """

    def __init__(self, respond: Respond, waiting: socket.socket | None = None) -> None:
        self._respond: Final = respond
        self._waiting: Final = waiting
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # typeshed: BaseTransport
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._answer(data, addr)
        if self._waiting is None:
            return
        for _ in range(MORE_AT_ONCE):
            try:
                packet, client = self._waiting.recvfrom(MAX_MESSAGE_OCTETS)
            except OSError:
                # None is left, or the last answer met a client that has gone.
                return
            self._answer(packet, client)

    def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        response = self._respond(data, addr[:2])
        if response is None or self._transport is None:
            return
        if isinstance(response, bytes):
            self._transport.sendto(response, addr)
            return
        packet = response.packet
        if response.delivery is Delivery.HALF:
            packet = packet[: len(packet) // 2]
        loop = asyncio.get_running_loop()
        loop.call_later(response.delay_seconds, self._send, packet, addr)

    def _send(self, packet: bytes, addr: tuple[str, int]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(packet, addr)

    def error_received(self, exc: Exception) -> None:
        """A client that went away (ICMP port unreachable) is no concern of a name server."""


class Connection(asyncio.Protocol):
    """One TCP or TLS connection: length-framed queries, any number, answered as they come."""

    def __init__(self, respond: Respond, connections: set[Connection]) -> None:
        self._respond: Final = respond
        self._connections: Final = connections
        self._received: Final = bytearray()
        self._transport: asyncio.Transport | None = None
        self._client: tuple[str, int] = ("", 0)
        self._idle: asyncio.TimerHandle | None = None
        self._last_heard = 0.0
        self._is_paused = False
        self._is_ending = False

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
        while len(received) - start >= 2 and size < UNSENT_OCTETS and not self._is_ending:
            end = start + 2 + int.from_bytes(received[start : start + 2], "big")
            if len(received) < end:
                break
            response = self._respond(bytes(received[start + 2 : end]), self._client)
            start = end
            if isinstance(response, bytes):
                replies.append(_framed(response))
                size += len(response)
            elif response is not None and response.delay_seconds > 0:
                loop = asyncio.get_running_loop()
                loop.call_later(response.delay_seconds, self._deliver, response)
            elif response is not None:
                self._write(b"".join(replies))
                replies.clear()
                self._deliver(response)
        del received[:start]
        return replies

    def _deliver(self, response: Response) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        framed = _framed(response.packet)
        match response.delivery:
            case Delivery.WHOLE:
                self._write(framed)
            case Delivery.HALF:
                self._write(framed[: 2 + len(response.packet) // 2])
                self._is_ending = True
                self._transport.close()
            case Delivery.RESET:
                self._is_ending = True
                under: socket.socket = self._transport.get_extra_info("socket")
                under.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETTING)
                self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._idle is not None:
            self._idle.cancel()
        self._transport = self._idle = None

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, octets: bytes) -> None:
        if octets and self._transport is not None and not self._transport.is_closing():
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
