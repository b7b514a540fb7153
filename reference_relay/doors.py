"""The sockets of the endpoints, bound before anybody serves them (D-22)."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from reference_relay.config import Config
from reference_relay.refusal import not_free, refusal
from reference_relay.submission.listening_socket import bind

_CHOICES = 10


@dataclass(frozen=True, slots=True)
class BoundEndpoint:
    """Where an endpoint really listens."""

    region: str
    type: str
    host: str
    address: str
    port: int
    is_implicit_tls: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """One listening socket of an endpoint.

    Attributes:
        endpoint: Position in the configuration.
        listening: Bound; nobody accepts on it yet.
        is_encrypted: Connections begin with a TLS handshake.
    """

    endpoint: int
    listening: socket.socket
    is_encrypted: bool


@dataclass(frozen=True, slots=True)
class Doors:
    """All sockets of a relay.

    Attributes:
        bound: One entry for each address and port.
        by_worker: For each worker its own socket on every address and port.
    """

    bound: tuple[BoundEndpoint, ...]
    by_worker: tuple[tuple[Door, ...], ...]

    def close(self) -> None:
        """Close every socket; what was handed to another process stays open there."""
        for doors in self.by_worker:
            for door in doors:
                door.listening.close()


def open_doors(config: Config, workers: int) -> Doors:
    """Bind all endpoints, once for each worker.

    Raises:
        ConfigError: An address or port cannot be had; nothing stays bound.
    """
    bound: list[BoundEndpoint] = []
    by_worker: list[list[Door]] = [[] for _ in range(workers)]
    with ExitStack() as undo:
        for number, settings in enumerate(config.endpoints):
            endpoint = settings.endpoint
            wanted = [("port", settings.port, False)]
            wanted += [("implicit_tls_ports", port, True) for port in settings.implicit_tls_ports]
            for key, port, is_encrypted in wanted:
                try:
                    rows = _rows(settings.addresses, port, workers)
                except _Taken as taken:
                    problem = not_free(taken.place, taken.error)
                    raise refusal(config, f"endpoint[{number}].{key}", problem) from None
                for address, sockets in zip(settings.addresses, rows, strict=True):
                    for own, listening in zip(by_worker, sockets, strict=True):
                        undo.callback(listening.close)
                        own.append(Door(number, listening, is_encrypted))
                    bound.append(
                        BoundEndpoint(
                            *(endpoint.region, endpoint.type.value, endpoint.host),
                            *(address, _port(sockets[0]), is_encrypted),
                        )
                    )
        undo.pop_all()
    return Doors(tuple(bound), tuple(map(tuple, by_worker)))


class _Taken(Exception):
    """An address or port cannot be had."""

    def __init__(self, place: str, error: OSError) -> None:
        super().__init__(place)
        self.place = place
        self.error = error


def _rows(addresses: Sequence[str], port: int, count: int) -> list[Sequence[socket.socket]]:
    """Bind one port on every address; the kernel's choice, if it is to choose, is one for all."""
    for attempt in range(1, _CHOICES + 1):
        rows: list[Sequence[socket.socket]] = []
        chosen = port
        for address in addresses:
            try:
                rows.append(_sockets(address, chosen, count))
            except OSError as error:
                for listening in (each for row in rows for each in row):
                    listening.close()
                # What is free on the first address may be in use on the next.
                if port or not rows or attempt == _CHOICES:
                    raise _Taken(f"{address} port {chosen}", error) from error
                break
            chosen = _port(rows[0][0])
        else:
            return rows
    raise AssertionError("unreachable")


def _sockets(address: str, port: int, count: int) -> Sequence[socket.socket]:
    if count == 1:
        # Unshared, so that a second relay on this port is refused instead of taking a half.
        return [bind(address, port)]
    if port:
        # The same with several: shared sockets would join those of another relay in silence.
        bind(address, port).close()
    sockets: list[socket.socket] = []
    try:
        for _ in range(count):
            sockets.append(bind(address, port, is_shared=True))
            port = _port(sockets[0])
    except BaseException:
        for one in sockets:
            one.close()
        raise
    return sockets


def _port(listening: socket.socket) -> int:
    return int(listening.getsockname()[1])
