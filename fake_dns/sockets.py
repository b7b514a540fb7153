"""Bound sockets: UDP and TCP on one number, TLS on another."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import Final

# With port 0 the kernel chooses for TCP and UDP has to follow; a stranger may hold that number.
PORT_ATTEMPTS: Final = 64
# Bursts of a load test wait here instead of being lost; the kernel may grant less.
RECEIVE_BUFFER_OCTETS: Final = 4 * 1024 * 1024
LISTEN_BACKLOG: Final = 512


class CannotListen(Exception):
    """The address or port cannot be had; the message names both and the reason."""


@dataclass(frozen=True, slots=True)
class Listening:
    """The sockets of one server: `udp` and `tcp` on one number, `tls` on another or None."""

    server: str
    udp: socket.socket
    tcp: socket.socket
    tls: socket.socket | None = None

    @property
    def port(self) -> int:
        """The number of UDP and TCP."""
        return port_of(self.tcp)

    @property
    def tls_port(self) -> int | None:
        """The number of DNS over TLS, if it is served."""
        return port_of(self.tls) if self.tls is not None else None

    def close(self) -> None:
        """Close them all."""
        for one in (self.udp, self.tcp, self.tls):
            if one is not None:
                one.close()


def bind(
    address: str, port: int, *, is_shared: bool = False
) -> tuple[socket.socket, socket.socket]:
    """Bind a UDP and a listening TCP socket to the same number.

    Args:
        address: An IPv4 or IPv6 address of this machine.
        port: Their port; 0 lets the kernel choose one that is free for both.
        is_shared: Whether other processes of ours bind the same number (SO_REUSEPORT).

    Raises:
        CannotListen: Port in use, no permission, or no address of this machine.
    """
    family = _family(address)
    for _ in range(PORT_ATTEMPTS):
        tcp = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        udp = socket.socket(family, socket.SOCK_DGRAM)
        try:
            if is_shared:
                udp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            _listen(tcp, address, port, is_shared=is_shared)
            udp.bind((address, port_of(tcp)))
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_OCTETS)
            udp.setblocking(False)
        except (OSError, OverflowError) as error:
            tcp.close()
            udp.close()
            if port == 0 and getattr(error, "errno", None) == errno.EADDRINUSE:
                continue
            raise CannotListen(describe(address, port, error)) from error
        return udp, tcp
    raise CannotListen(f"{address}: no port is free for UDP and TCP alike; try again or name one")


def bind_stream(address: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """Bind a listening TCP socket.

    Raises:
        CannotListen: Port in use, no permission, or no address of this machine.
    """
    tcp = socket.socket(_family(address), socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        _listen(tcp, address, port, is_shared=is_shared)
    except (OSError, OverflowError) as error:
        tcp.close()
        raise CannotListen(describe(address, port, error)) from error
    return tcp


def port_of(bound: socket.socket) -> int:
    """The number a socket is bound to."""
    port: int = bound.getsockname()[1]
    return port


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


def _listen(tcp: socket.socket, address: str, port: int, *, is_shared: bool) -> None:
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_shared:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    tcp.bind((address, port))
    tcp.listen(LISTEN_BACKLOG)
    tcp.setblocking(False)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
