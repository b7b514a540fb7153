"""A Postfix of a check's own: beside the relay, in a temporary folder, on loopback."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from conformance.interop.tools import demand
from fixtures.peers import postfix_package
from fixtures.peers.programs import Missing, program, run

_READY_SECONDS = 20.0
_STOP_SECONDS = 10.0
_LOOK_SECONDS = 0.05

_MASTER = """\
{address}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""

_MAIN = """\
compatibility_level = 3.6
command_directory = {commands}
daemon_directory = {daemons}
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/maillog
maillog_file_prefixes = {folder}/log
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
local_recipient_maps =
disable_dns_lookups = yes
smtpd_peername_lookup = no
"""


@contextlib.contextmanager
def running(
    address: str,
    port: int,
    settings: Mapping[str, str],
    files: Mapping[str, bytes] | None = None,
) -> Iterator[Path]:
    """Run an instance with these settings besides the usual ones; give its folder.

    The system's Postfix, if there is one, is neither read nor touched.

    Args:
        address: Where it listens.
        port: The port.
        settings: Lines of main.cf; `{folder}` in them is its folder.
        files: Put into its folder `etc`, for nobody else to read.
    """
    try:
        postfix_package.prepared()
    except Missing as missing:
        demand(False, str(missing))
    # Its own users must be able to get there.
    with tempfile.TemporaryDirectory(prefix="postfix-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for part in ("etc", "queue", "data", "log"):
            (folder / part).mkdir()
        shutil.chown(folder / "data", "postfix")
        values = {
            "address": address,
            "port": port,
            "folder": folder,
            "commands": Path(program("postconf", postfix_package.INSTALL)).parent,
            "daemons": postfix_package.daemons(),
        }
        lines = [f"{key} = {value}\n".replace("{folder}", name) for key, value in settings.items()]
        (folder / "etc" / "main.cf").write_text(_MAIN.format_map(values) + "".join(lines))
        for file, octets in (files or {}).items():
            path = folder / "etc" / file
            # Passwords and keys.
            path.touch(mode=0o600)
            path.write_bytes(octets)
        (folder / "etc" / "master.cf").write_text(_MASTER.format_map(values))
        run([program("postfix", postfix_package.INSTALL), "-c", str(folder / "etc"), "check"])
        master = subprocess.Popen(
            [postfix_package.daemons() / "master", "-c", folder / "etc", "-d"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            _wait_for_greeting(address, port, folder)
            yield folder
        finally:
            master.terminate()
            try:
                master.wait(_STOP_SECONDS)
            finally:
                # Its daemons are in its process group and nobody else is.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(master.pid, signal.SIGKILL)


def _wait_for_greeting(address: str, port: int, folder: Path) -> None:
    due_at = time.monotonic() + _READY_SECONDS
    while time.monotonic() < due_at:
        with (
            contextlib.suppress(OSError),
            socket.create_connection((address, port), timeout=5) as client,
        ):
            if client.recv(512).startswith(b"220"):
                return
        time.sleep(_LOOK_SECONDS)
    log = folder / "log" / "maillog"
    said = log.read_text()[-600:] if log.exists() else "it said nothing"
    raise RuntimeError(f"Postfix did not greet within {_READY_SECONDS:g} s: {said}")
