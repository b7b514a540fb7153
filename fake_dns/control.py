"""The HTTP control port of one FakeDNS, in a thread of its own; loopback by default."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

import uvicorn

from fake_dns.control_api import build_app
from fake_dns.name_server import FakeDNS
from fake_dns.sockets import CannotListen, bind_stream, describe, port_of

# Nobody waits longer for a client that waits for a query.
_GRACE_SECONDS: Final = 1
_START_SECONDS: Final = 10.0


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the program."""
        yield


class Control:
    """Serves the control port until closed."""

    def __init__(self, dns: FakeDNS, *, address: str = "127.0.0.1", port: int = 0) -> None:
        """Bind at once; requests are answered between `start` and `stop`.

        Raises:
            CannotListen: Port in use, no permission, or no address of this machine.
        """
        try:
            self._socket: Final[socket.socket] = bind_stream(address, port)
        except CannotListen as error:
            raise CannotListen(f"control {error}") from error
        self.address: Final = address
        self.port: Final = port_of(self._socket)
        settings = uvicorn.Config(
            build_app(dns),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            loop="asyncio",
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        self._server: Final = _Uvicorn(settings)
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Answer requests.

        Raises:
            CannotListen: It ended before it began.
        """
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="fake-dns-control", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise CannotListen(
                    describe(self.address, self.port, OSError("the control port did not start"))
                )
            time.sleep(0.002)
        return self

    def stop(self) -> None:
        """Close the port."""
        if self._thread is not None:
            self._server.should_exit = True
            self._thread.join()
            self._thread = None
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
