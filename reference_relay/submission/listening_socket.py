"""Listening sockets: bound once, perhaps several for one port, and given to whoever serves them."""

from __future__ import annotations

import socket

# Ours: connections that wait while a worker is busy or being restarted.
BACKLOG = 1024


def bind(address: str, port: int, *, is_shared: bool = False) -> socket.socket:
    """Listen on an address and port; 0 lets the kernel choose the port.

    Args:
        address: IPv4 or IPv6; an IPv6 socket takes no IPv4 connections.
        port: TCP port.
        is_shared: Several sockets share the port, and the kernel spreads connections over them.

    Raises:
        OSError: The address or port cannot be had.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # asyncio sets TCP_NODELAY only on connections of a socket that names its protocol.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind((address, port))
        listening.listen(BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening
