"""The reference relay, as everybody starts it: by its command and a configuration file.

Everything is on: the sender, attachment and network rules, limits, log lines, management. Mail is
forgotten at once, or durable in the queue when the 250 goes out and kept there, or sent on from it.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from fixtures.keys import password_hash, signing_key
from loadtests.benchmark.child import Child
from loadtests.benchmark.server import ADDRESS, HOST, Ground, Promise, Running, module_environment
from loadtests.benchmark.servers.null_sink import NullSink, both

RELAY_KEYS = {
    Promise.DISCARDED: "relay-discard",
    Promise.DURABLE: "relay-durable",
    Promise.DELIVERED: "relay-delivering",
    Promise.SIGNED: "relay-signing",
}
_SMARTHOST = 'smarthost = {{ host = "[{}]", port = {} }}'
_KEY_FILE = "dkim.pem"
_LOOP = "uvloop" if find_spec("uvloop") else "asyncio"


@dataclass(frozen=True, slots=True)
class ReferenceRelay:
    """One worker of the relay, on uvloop, the extra for speed, where that is installed."""

    promise: Promise

    @property
    def key(self) -> str:
        """Never asked for on the command line: it is always measured."""
        return RELAY_KEYS[self.promise]

    @property
    def title(self) -> str:
        """The name in the tables."""
        return "Reference relay"

    def prepare(self, cache: Path) -> str:
        """It is here; its version is that of the checkout."""
        loop = f"uvloop {metadata.version('uvloop')}" if _LOOP == "uvloop" else "asyncio's loop"
        apsw = metadata.version("apsw")
        return f"this commit, Python {sys.version.split()[0]}, {loop}, apsw {apsw}"

    def start(self, ground: Ground) -> Running:
        """Start it.

        Raises:
            Missing: It does not come up.
        """
        sink = None
        if self.promise.is_delivered:
            sink = NullSink(ground.folder, ground.cores)
        config = ground.folder / "relay.toml"
        key = signing_key("benchmark").pem if self.promise is Promise.SIGNED else b""
        (ground.folder / _KEY_FILE).write_bytes(key)
        delivery = _SMARTHOST.format(ADDRESS, sink.port) if sink else "hold = true"
        config.write_text(self._configuration(ground, delivery), encoding="utf-8")
        child = Child(
            [sys.executable, "-m", "reference_relay", "serve", "--config", str(config)],
            ground.folder,
            ground.cores,
            module_environment(),
        )
        port = child.ready_line()["endpoints"][0]["port"]
        if sink is None:
            return Running((ADDRESS, port), child.pid, child.stop)
        return Running((ADDRESS, port), child.pid, both(child.stop, sink.stop), sink.count)

    def _configuration(self, ground: Ground, delivery: str) -> str:
        signs = f'dkim_key_file = "{_KEY_FILE}"' if self.promise is Promise.SIGNED else ""
        is_discarding = json.dumps(self.promise is Promise.DISCARDED)
        return f"""\
profile = "seed-2025"
hostname = "{HOST}"
state_directory = "state"

[[endpoint]]
region = "us-south"
type = "public"
host = "{HOST}"
addresses = ["{ADDRESS}"]
port = 0
certificate_file = {json.dumps(str(ground.certificate_file))}
key_file = {json.dumps(str(ground.key_file))}

[[zone]]
id = "driver"
addresses = ["{ADDRESS}"]

[[instance]]
id = "benchmark"
region = "us-south"

  [[instance.rule]]
  zones = ["driver"]

  [[instance.configuration]]
  id = "benchmark"
  domain = "example.com"
  dkim_selector = "benchmark"
  {signs}
  verification = {{ spf = "VERIFIED", dkim = "VERIFIED", en_authorization = "VERIFIED" }}

    [[instance.configuration.user]]
    username = {json.dumps(ground.login.username)}
    password_hash = {json.dumps(password_hash(ground.login.password))}

[queue]
discard = {is_discarding}

[delivery]
name_servers = ["{ADDRESS}:53"]
reachable_networks = ["127.0.0.0/8"]
{delivery}

[management]

# The driver is one address and one user with all its sessions.
[limits]
connections_per_address = 10000
connections_per_user = 10000

[workers]
loop = "{_LOOP}"

[log]
level = "info"
"""
