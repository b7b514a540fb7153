"""The field: which servers compete, what they start on, and how they come and go together."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fixtures.certificates import CertificateAuthority
from fixtures.peers.programs import Missing
from loadtests.benchmark.pinning import Cores
from loadtests.benchmark.server import HOST, Ground, Promise, Running, Server
from loadtests.benchmark.servers.aiosmtpd import Aiosmtpd
from loadtests.benchmark.servers.exim import Exim
from loadtests.benchmark.servers.postfix import Postfix
from loadtests.benchmark.servers.reference_relay import ReferenceRelay
from loadtests.benchmark.servers.smtp_server import SmtpServer
from loadtests.benchmark.workload import Login

DISCARDING_RELAY = ReferenceRelay(Promise.DISCARDED)
DURABLE_RELAY = ReferenceRelay(Promise.DURABLE)
DELIVERING_RELAY = ReferenceRelay(Promise.DELIVERED)
SIGNING_RELAY = ReferenceRelay(Promise.SIGNED)
RELAYS: tuple[Server, ...] = (DISCARDING_RELAY, DURABLE_RELAY, DELIVERING_RELAY, SIGNING_RELAY)
_RELAYING_POSTFIX = Postfix("postfix-relaying", "Postfix, relaying to a sink", Promise.DELIVERED)
_SIGNING_POSTFIX = Postfix("postfix-opendkim", "Postfix and OpenDKIM, relaying", Promise.SIGNED)
PEERS: dict[str, Server] = {
    peer.key: peer
    for peer in (
        Aiosmtpd("asyncio"),
        Aiosmtpd("uvloop"),
        SmtpServer(),
        Postfix(),
        Exim(),
        _RELAYING_POSTFIX,
        _SIGNING_POSTFIX,
    )
}


@dataclass(frozen=True, slots=True)
class Competitor:
    """A server that can be had here, and in which version."""

    server: Server
    version: str


class Field:
    """The servers of a run.

    Attributes:
        competitors: Those that can be measured, the relays first.
        missing: Those that cannot, by key, and why.
        login: The account they all know.
    """

    def __init__(self, peers: Sequence[str], folder: Path, cache: Path, cores: Cores) -> None:
        """Look which servers can be had, fetching what is fetched.

        Args:
            peers: Keys of `PEERS`.
            folder: Temporary; every server gets a place in it.
            cache: What is fetched stays there.
            cores: Where the servers run.
        """
        self.login = Login("benchmark", secrets.token_hex(16))
        self.missing: dict[str, str] = {}
        self.competitors: list[Competitor] = []
        self._folder = folder
        self._cache = cache
        self._cores = cores
        certificate = CertificateAuthority.create().issue([HOST])
        self._certificate_file, self._key_file = certificate.write(folder, "tls")
        for server in (*RELAYS, *(PEERS[key] for key in peers)):
            try:
                self.competitors.append(Competitor(server, server.prepare(cache)))
            except Missing as reason:
                self.missing[server.key] = str(reason)

    def drop(self, server: Server, reason: str) -> None:
        """Name a server as missing that was thought to be there."""
        self.missing[server.key] = reason
        self.competitors = [one for one in self.competitors if one.server is not server]

    @contextlib.contextmanager
    def running(self, servers: Sequence[Server]) -> Iterator[dict[str, Running]]:
        """Start servers on new ground, give them by key, and end them.

        One that does not come up is dropped.
        """
        with contextlib.ExitStack() as stack:
            started: dict[str, Running] = {}
            for server in servers:
                ground = stack.enter_context(self._ground())
                try:
                    running = server.start(ground)
                except Missing as reason:
                    self.drop(server, str(reason))
                    continue
                stack.callback(running.stop)
                started[server.key] = running
            yield started

    @contextlib.contextmanager
    def _ground(self) -> Iterator[Ground]:
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        # Postfix and Exim work as users of their own, and must get to their files.
        folder.chmod(0o755)
        try:
            yield Ground(
                folder,
                self._cache,
                self._certificate_file,
                self._key_file,
                self.login,
                self._cores,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)
