"""The HTTP server, inside the relay's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn

from reference_relay.management.app import ManagementContext, build_app

_log = logging.getLogger(__name__)

# Long enough for any answer we give; nobody waits for a stuck client at the end.
_GRACE_SECONDS = 2


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to the relay, which stops this server in its turn."""
        yield


class ManagementServer:
    """Serves the management API until it is stopped."""

    def __init__(self, context: ManagementContext, token: str) -> None:
        settings = uvicorn.Config(
            build_app(context, token),
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        self._server = _Uvicorn(settings)
        self._serving: asyncio.Task[None] | None = None

    async def start(self, address: str, port: int) -> int:
        """Listen, and return the port (the kernel's choice when 0 was asked for).

        Raises:
            OSError: The address or port cannot be had.
        """
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        listening = socket.create_server((address, port), family=family)
        self._serving = asyncio.create_task(self._server.serve([listening]), name="management")
        while not self._server.started:
            if self._serving.done():
                listening.close()
                await self._serving
                raise OSError("the management API ended before it began")
            await asyncio.sleep(0.005)
        bound: int = listening.getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Answer what is under way, then close."""
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._serving = None
