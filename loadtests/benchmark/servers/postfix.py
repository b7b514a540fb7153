"""Postfix with every message put on hold, or sent on to a sink without a name look-up.

The port is on loopback; the password check is the cheapest that Postfix has.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fixtures.peers import postfix_package
from fixtures.peers.postfix_instance import PostfixInstance
from fixtures.peers.programs import free_port
from loadtests.benchmark.child import Child
from loadtests.benchmark.server import ADDRESS, HOST, Ground, Promise, Running
from loadtests.benchmark.servers import opendkim
from loadtests.benchmark.servers.null_sink import NullSink, both

_SETTINGS = """\
myhostname = {host}
mynetworks =
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
{delivery}
"""

# Every message goes to the hold queue.
_HOLD = "smtpd_sender_restrictions = static:HOLD"
_RELAY = "relayhost = [{}]:{}"


@dataclass(frozen=True, slots=True)
class Postfix:
    """A server that keeps, or relays."""

    key: str = "postfix"
    title: str = "Postfix, HOLD queue"
    promise: Promise = Promise.DURABLE

    def prepare(self, cache: Path) -> str:
        """Look for the installed programs.

        Raises:
            Missing: One is not there, or this is not root, which Postfix insists on.
        """
        version = postfix_package.prepared()
        return f"{version}, {opendkim.prepared()}" if self.promise is Promise.SIGNED else version

    def start(self, ground: Ground) -> Running:
        """Start it.

        Raises:
            Missing: It does not come up.
        """
        folder = ground.folder
        port = free_port(ADDRESS)
        sink = None
        if self.promise.is_delivered:
            sink = NullSink(folder, ground.cores)
        delivery = _RELAY.format(ADDRESS, sink.port) if sink else _HOLD
        milter = opendkim.Milter.write(folder) if self.promise is Promise.SIGNED else None
        instance = PostfixInstance(folder)
        instance.let_in({ground.login.username: ground.login.password}, HOST)
        settings = _SETTINGS.format(
            host=HOST,
            certificate=ground.certificate_file,
            key=ground.key_file,
            delivery=f"{delivery}\n{milter.postfix_settings}" if milter else delivery,
        )
        command = instance.command(ADDRESS, port, settings)
        if milter is not None:
            command = milter.beside(command)
        child = Child(command, folder, ground.cores)
        child.until_it_greets(ADDRESS, port)
        if sink is None:
            return Running((ADDRESS, port), child.pid, child.stop)
        return Running((ADDRESS, port), child.pid, both(child.stop, sink.stop), sink.count)
