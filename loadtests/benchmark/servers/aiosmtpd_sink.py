"""The program behind the aiosmtpd rows: STARTTLS, AUTH, every message discarded.

Run with a JSON file as its argument; one JSON line on stdout tells the port.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import signal
import ssl
import sys
from pathlib import Path
from typing import Any


class Discarding:
    """aiosmtpd's hook for content."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        """Forget the message."""
        return "250 OK"


async def serve(order: dict[str, Any]) -> None:
    """Serve until SIGTERM."""
    # By name: it has no types, and it is not installed where only these files are checked.
    aiosmtpd: Any = importlib.import_module("aiosmtpd.smtp")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(order["certificate"], order["key"])
    expected = (order["username"].encode(), order["password"].encode())

    def authenticate(_server: Any, _session: Any, _envelope: Any, _how: str, found: Any) -> Any:
        return aiosmtpd.AuthResult(success=(found.login, found.password) == expected)

    def connection() -> Any:
        return aiosmtpd.SMTP(
            Discarding(),
            hostname=order["host"],
            tls_context=context,
            require_starttls=True,
            auth_required=True,
            authenticator=authenticate,
        )

    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    server = await loop.create_server(connection, order["address"], 0, backlog=1024)
    sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await stopping.wait()
    server.close()


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text())
    run: Any = importlib.import_module("uvloop").run if asked["loop"] == "uvloop" else asyncio.run
    run(serve(asked))
