"""Exim in its queue-only mode: accepted, on disk, never delivered.

Configuration, spool and log are in the given folder, the port is on loopback; the system's Exim is
neither read nor touched.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from fixtures.peers import exim_package
from fixtures.peers.programs import free_port
from loadtests.benchmark.child import Child
from loadtests.benchmark.server import ADDRESS, HOST, Ground, Promise, Running

_CONFIGURATION = """\
primary_hostname = {host}
exim_user = {user}
exim_group = {group}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
exim_path = {program}
# For when it runs itself again, at its end.
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : ^NSS_WRAPPER
queue_only
daemon_smtp_ports = {port}
local_interfaces = {address}
# The driver keeps its sessions, and is one address.
smtp_accept_max = 1000
smtp_accept_max_per_connection = 0
smtp_accept_queue_per_connection = 0
rfc1413_query_timeout = 0s
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_mail = mail
acl_smtp_rcpt = recipient
acl_smtp_data = content

begin acl

mail:
  accept authenticated = *

recipient:
  accept authenticated = *

content:
  accept

begin authenticators

plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{username}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
"""


@dataclass(frozen=True, slots=True)
class Exim:
    """A server that keeps."""

    key: str = "exim"
    title: str = "Exim, queue only"
    promise: Promise = Promise.DURABLE

    def prepare(self, cache: Path) -> str:
        """Look for it, or fetch it.

        Raises:
            Missing: It is not there and cannot be fetched.
        """
        return exim_package.prepared(cache)

    def start(self, ground: Ground) -> Running:
        """Start it.

        Raises:
            Missing: It does not come up.
        """
        folder = ground.folder
        port = free_port(ADDRESS)
        user, group = exim_package.user()
        for name in ("spool", "log"):
            (folder / name).mkdir()
            os.chown(folder / name, user, group)
        # It reads its key as the user it works as.
        key_file = shutil.copy(ground.key_file, folder / "key.pem")
        os.chown(key_file, user, group)
        configuration = folder / "exim.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                host=HOST,
                program=exim_package.program(ground.cache),
                user=user,
                group=group,
                folder=folder,
                port=port,
                address=ADDRESS,
                certificate=ground.certificate_file,
                key=key_file,
                username=ground.login.username,
                password=ground.login.password,
            )
        )
        child = Child(
            [str(exim_package.program(ground.cache)), "-C", str(configuration), "-bdf"],
            folder,
            ground.cores,
            exim_package.environment(ground.cache),
        )
        child.until_it_greets(ADDRESS, port)
        return Running((ADDRESS, port), child.pid, child.stop)
