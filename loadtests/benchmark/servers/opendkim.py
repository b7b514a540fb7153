"""OpenDKIM as Postfix's milter: signs with RSA-2048, relaxed/relaxed, From over-signed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fixtures.keys import signing_key
from fixtures.peers.programs import free_port, program
from loadtests.benchmark.server import ADDRESS

_INSTALL = "Debian: apt-get install opendkim"
_CONFIGURATION = """\
Mode s
Domain example.com
Selector benchmark
KeyFile {folder}/dkim.pem
RequireSafeKeys no
Canonicalization relaxed/relaxed
SignatureAlgorithm rsa-sha256
OversignHeaders From
InternalHosts {address}
Socket inet:{port}@{address}
Syslog no
"""
# One parent, so that both end together and are found together; `kill 0` is the whole group.
_TOGETHER = """\
trap 'trap "" TERM; kill 0; wait; exit 0' TERM
"$1" -f -x "$2" &
shift 2
"$@" &
wait
"""


def prepared() -> str:
    """Return the version.

    Raises:
        Missing: It is not installed.
    """
    said = subprocess.run(
        [program("opendkim", _INSTALL), "-V"], capture_output=True, text=True, check=False
    )
    found = re.search(r"v([0-9.]+)", said.stdout + said.stderr)
    return f"OpenDKIM {found[1]}" if found else "OpenDKIM"


@dataclass(frozen=True, slots=True)
class Milter:
    """A configured OpenDKIM that is still to be started.

    Attributes:
        configuration: Its file.
        port: Where it will listen.
    """

    configuration: Path
    port: int

    @classmethod
    def write(cls, folder: Path) -> Self:
        """Write its files into a folder."""
        key = folder / "dkim.pem"
        key.touch(mode=0o600)
        key.write_bytes(signing_key("benchmark").pem)
        port = free_port(ADDRESS)
        configuration = folder / "opendkim.conf"
        text = _CONFIGURATION.format(folder=folder, address=ADDRESS, port=port)
        configuration.write_text(text, encoding="utf-8")
        return cls(configuration, port)

    @property
    def postfix_settings(self) -> str:
        """What main.cf has to say: nothing goes out unsigned."""
        return f"smtpd_milters = inet:{ADDRESS}:{self.port}\nmilter_default_action = tempfail"

    def beside(self, command: Sequence[str]) -> list[str]:
        """Return a command that runs it and another one."""
        own = program("opendkim", _INSTALL), str(self.configuration)
        return [program("sh", "a POSIX shell"), "-c", _TOGETHER, "sh", *own, *command]
