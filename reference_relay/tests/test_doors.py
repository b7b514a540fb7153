"""One port on all addresses of an endpoint, chosen by the kernel or by the configuration."""

from __future__ import annotations

import errno
import socket

import pytest

from reference_relay import doors
from reference_relay.submission import listening_socket


def test_a_port_that_is_free_on_one_address_only_is_chosen_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel's choice for the first address may be in use on the second: try another."""
    bind = listening_socket.bind
    refused: list[int] = []

    def bind_once_in_vain(address: str, port: int, *, is_shared: bool = False) -> socket.socket:
        if port and not refused:
            refused.append(port)
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return bind(address, port, is_shared=is_shared)

    monkeypatch.setattr(doors, "bind", bind_once_in_vain)
    rows = doors._rows(("127.0.0.1", "127.0.0.2"), 0, 1)
    try:
        ports = {listening.getsockname()[1] for row in rows for listening in row}
        assert len(rows) == 2
        assert len(ports) == 1
        assert ports != set(refused)
    finally:
        for listening in (each for row in rows for each in row):
            listening.close()


def test_a_configured_port_is_not_given_up() -> None:
    """A port that the configuration names is asked for once, and nothing stays bound."""
    with socket.create_server(("127.0.0.2", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(doors._Taken, match=r"127\.0\.0\.2"):
            doors._rows(("127.0.0.1", "127.0.0.2"), port, 1)
        socket.create_server(("127.0.0.1", port)).close()
