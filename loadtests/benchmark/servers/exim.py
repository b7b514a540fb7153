"""Exim in its queue-only mode: accepted, on disk, never delivered.

Configuration, spool and log are in the given folder, the port is on loopback; the system's Exim is
neither read nor touched. Where none is installed (Debian allows one mail system only, so beside
Postfix there is none), the packages are fetched and unpacked into the cache, not installed; their
program asks for a user that only the installation would make, which `libnss-wrapper` then supplies
to this one program.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loadtests.benchmark.child import Child, Missing, free_port
from loadtests.benchmark.server import ADDRESS, HOST, Ground, Promise, Running

_PACKAGES = ("exim4-daemon-light", "libidn12", "libnss-wrapper")
_FETCH_SECONDS = 120
_INSTALLED = Path("/usr/sbin/exim4")
_COMPILED_USER = "Debian-exim"

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
        if not _INSTALLED.exists() and not _unpacked(cache).exists():
            _fetch(cache)
        ended = subprocess.run(
            [str(_program(cache)), "-C", "/dev/null", "-bV"],
            env={**os.environ, **_environment(cache)},
            capture_output=True,
            text=True,
        )
        words = ended.stdout.split()
        if words[:2] != ["Exim", "version"]:
            raise Missing(f"Exim does not run: {' '.join(ended.stderr.split())[:300]}")
        library = "GnuTLS" if "GnuTLS" in words else "OpenSSL"
        return f"Exim {words[2]} with {library}"

    def start(self, ground: Ground) -> Running:
        """Start it.

        Raises:
            Missing: It does not come up.
        """
        folder = ground.folder
        port = free_port(ADDRESS)
        user, group = _user()
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
                program=_program(ground.cache),
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
            [str(_program(ground.cache)), "-C", str(configuration), "-bdf"],
            folder,
            ground.cores,
            _environment(ground.cache),
        )
        child.until_it_greets(ADDRESS, port)
        return Running((ADDRESS, port), child.pid, child.stop)


def _user() -> tuple[int, int]:
    """Return the user and group it works as: ours, or nobody's when we are root."""
    if os.geteuid():
        return os.geteuid(), os.getegid()
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _unpacked(cache: Path) -> Path:
    return cache / "exim" / "usr" / "sbin" / "exim4"


def _program(cache: Path) -> Path:
    return _INSTALLED if _INSTALLED.exists() else _unpacked(cache)


def _environment(cache: Path) -> Mapping[str, str]:
    if _INSTALLED.exists():
        return {}
    folder = cache / "exim"
    (wrapper,) = folder.glob("usr/lib/*/libnss_wrapper.so")
    user, group = _user()
    users, groups = folder / "passwd", folder / "group"
    users.write_text(
        f"root:x:0:0:root:/:/bin/false\n{_COMPILED_USER}:x:{user}:{group}:exim:/:/bin/false\n"
    )
    groups.write_text(f"root:x:0:\n{_COMPILED_USER}:x:{group}:\n")
    return {
        "LD_LIBRARY_PATH": str(wrapper.parent),
        "LD_PRELOAD": str(wrapper),
        "NSS_WRAPPER_PASSWD": str(users),
        "NSS_WRAPPER_GROUP": str(groups),
    }


def _fetch(cache: Path) -> None:
    folder = cache / "exim"
    downloads = folder / "packages"
    shutil.rmtree(folder, ignore_errors=True)
    downloads.mkdir(parents=True)
    try:
        for package in _PACKAGES:
            _run(["apt-get", "download", package], downloads)
        for package_file in sorted(downloads.glob("*.deb")):
            _run(["dpkg", "-x", str(package_file), str(folder)], downloads)
    except (OSError, subprocess.SubprocessError):
        shutil.rmtree(folder, ignore_errors=True)
        raise Missing(
            "Exim is not installed, and apt-get cannot fetch "
            f"{', '.join(_PACKAGES)} (Debian: apt-get install exim4-daemon-light)"
        ) from None
    # As a plain program: nothing here needs to become root.
    _unpacked(cache).chmod(0o755)


def _run(arguments: list[str], folder: Path) -> None:
    subprocess.run(arguments, cwd=folder, check=True, capture_output=True, timeout=_FETCH_SECONDS)
