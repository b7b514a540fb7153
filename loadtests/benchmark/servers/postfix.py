"""Postfix with every message put on hold, or sent on to a sink without a name look-up.

An instance of its own: configuration, queue, data and log are in the given folder, the port is on
loopback. The system's Postfix, if there is one, is neither read nor touched. Passwords are looked
up by Cyrus SASL in a small database, which is the cheapest check Postfix has.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from fixtures.peers import postfix_package
from fixtures.peers.postfix_package import INSTALL
from fixtures.peers.programs import free_port, program, run
from loadtests.benchmark.child import Child
from loadtests.benchmark.server import ADDRESS, HOST, Ground, Promise, Running
from loadtests.benchmark.servers import opendkim
from loadtests.benchmark.servers.null_sink import NullSink, both

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
local unix - n n - - local
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
myhostname = {host}
inet_interfaces = {address}
inet_protocols = ipv4
mydestination =
mynetworks =
alias_maps =
alias_database =
local_recipient_maps =
{delivery}
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_peername_lookup = no
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = cyrus
smtpd_sasl_path = smtpd
smtpd_sasl_local_domain = {host}
# Debian looks beside main.cf whatever this says.
cyrus_sasl_config_path = {folder}/etc/sasl
"""

_SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
mech_list: PLAIN LOGIN
sasldb_path: {folder}/data/passwords
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
        daemons = postfix_package.daemons()
        for name in ("etc", "etc/sasl", "queue", "data", "log"):
            (folder / name).mkdir()
        # Its own user writes there, and must be able to get there.
        shutil.chown(folder / "data", "postfix")
        command = [str(daemons / "master"), "-c", str(folder / "etc"), "-d"]
        delivery = _RELAY.format(ADDRESS, sink.port) if sink else _HOLD
        if self.promise is Promise.SIGNED:
            milter = opendkim.Milter.write(folder)
            delivery = f"{delivery}\n{milter.postfix_settings}"
            command = milter.beside(command)
        values = {
            "address": ADDRESS,
            "port": port,
            "host": HOST,
            "folder": folder,
            "commands": Path(program("postconf", INSTALL)).parent,
            "daemons": daemons,
            "certificate": ground.certificate_file,
            "key": ground.key_file,
            "delivery": delivery,
        }
        (folder / "etc" / "main.cf").write_text(_MAIN.format_map(values))
        (folder / "etc" / "master.cf").write_text(_MASTER.format_map(values))
        (folder / "etc" / "sasl" / "smtpd.conf").write_text(_SASL.format_map(values))
        self._add_account(ground)
        run([program("postfix", INSTALL), "-c", str(folder / "etc"), "check"])
        child = Child(command, folder, ground.cores)
        child.until_it_greets(ADDRESS, port)
        if sink is None:
            return Running((ADDRESS, port), child.pid, child.stop)
        return Running((ADDRESS, port), child.pid, both(child.stop, sink.stop), sink.count)

    def _add_account(self, ground: Ground) -> None:
        passwords = ground.folder / "data" / "passwords"
        order = [program("saslpasswd2", INSTALL), "-p", "-c", "-f", str(passwords), "-u", HOST]
        run([*order, ground.login.username], ground.login.password)
        shutil.chown(passwords, "postfix")
