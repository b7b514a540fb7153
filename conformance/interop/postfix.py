"""A Postfix of a check's own: beside the relay, in a temporary folder, on loopback."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from conformance.interop.tools import demand
from fixtures.peers import postfix_package
from fixtures.peers.peer import Running
from fixtures.peers.postfix_instance import PostfixInstance
from fixtures.peers.programs import Missing

_SETTINGS = """\
mynetworks = 127.0.0.0/8
disable_dns_lookups = yes
"""


@contextlib.contextmanager
def running(
    address: str,
    port: int,
    settings: Mapping[str, str],
    files: Mapping[str, bytes] | None = None,
) -> Iterator[None]:
    """Run an instance with these settings besides the usual ones.

    Args:
        address: Where it listens.
        port: The port.
        settings: Lines of main.cf; `{folder}` in them is its folder.
        files: Put into its folder `etc`, for nobody else to read.
    """
    with tempfile.TemporaryDirectory(prefix="postfix-") as name:
        try:
            postfix_package.prepared()
            instance = PostfixInstance(Path(name))
            for file, octets in (files or {}).items():
                path = instance.etc / file
                # Passwords and keys.
                path.touch(mode=0o600)
                path.write_bytes(octets)
            lines = [
                f"{key} = {value}\n".replace("{folder}", name) for key, value in settings.items()
            ]
            command = instance.command(address, port, _SETTINGS + "".join(lines))
            server = Running(command, Path(name), port, address=address)
        except Missing as missing:
            demand(False, str(missing))
            raise
        try:
            yield
        finally:
            server.stop()
