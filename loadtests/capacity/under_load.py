"""Conformance under load: the suite's own checks, while the relay is held at and above its claim.

A relay that is green at rest and fails open under pressure is not met. The suite runs as a process
of its own, against a profile of the loaded relay, with a sink of its own behind another domain.
"""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fake_dns import Zone
from fixtures import toml_table
from fixtures.profile import DEFAULT_PROFILE
from fixtures.sink import DIALECT_ADDRESSES
from fixtures.target import Target
from loadtests.measurement import Measurement
from loadtests.site import Site
from loadtests.trial import Load, Outcome, conduct

# Nothing in clear, sign-in before mail, sender domain, default-deny, no attachments, refusals that
# are refusals.
SECURITY = ("TLS", "AUTH", "SUB", "SND", "CBR", "ATT")
_DOMAIN = "certify.example"
_ROLES = ("primary", "second", "neighbour", "neighbour-config", "unruled", "pending")
_REPOSITORY = Path(__file__).resolve().parents[2]
_CHECK_SECONDS = 420
_CONFORMANT, _NOT_CONFORMANT, _INCONCLUSIVE = 0, 1, 3


@dataclass(frozen=True, slots=True)
class Checked:
    """What the suite said while the relay was loaded.

    Attributes:
        rate: Planned messages a second meanwhile.
        exit_code: Of the suite: 0 conformant, 1 not, 3 inconclusive.
        verdicts: How many requirements had which verdict.
        not_met: Their ids.
        outcome: Of the load.
        output: The suite's last words.
        was_loaded: Whether the load began before the checks and outlasted them.
    """

    rate: float
    exit_code: int
    verdicts: Mapping[str, int]
    not_met: tuple[str, ...]
    outcome: Outcome
    output: str
    was_loaded: bool

    @property
    def is_met(self) -> bool:
        """Whether nothing failed open: inconclusive is not accused, and not hidden either."""
        return self.exit_code in (_CONFORMANT, _INCONCLUSIVE) and not self.not_met


def check(
    site: Site, target: Target, load: Load, rate: float, only: Sequence[str] = SECURITY
) -> Checked:
    """Run the checks while the relay is loaded; the load ends when they have.

    Args:
        site: The relay, for the generator.
        target: The same, for the suite; it must be embedded, for its zones are extended.
        load: With a schedule that outlasts the checks.
        rate: What the schedule asks for.
        only: Requirements or groups.
    """
    outcomes: list[Outcome] = []
    with _as_profile(target) as (profile, environment), tempfile.TemporaryDirectory() as folder:
        ended, raw = threading.Event(), Path(folder) / "load"
        loading = threading.Thread(
            target=lambda: outcomes.append(conduct(site, load, folder=raw, ended=ended))
        )
        loading.start()
        # Checks that ran before the load came would judge a relay at rest.
        has_begun = _await_accepted(raw, rate, within=60.0)
        command = [sys.executable, "-m", "conformance", "certify", "--target", str(profile)]
        command += ["--out", folder, *(word for name in only for word in ("--only", name))]
        try:
            done = subprocess.run(
                command,
                cwd=_REPOSITORY,
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_CHECK_SECONDS,
            )
        finally:
            was_loaded = has_begun and loading.is_alive()
            ended.set()
            loading.join()
        table = _results(Path(folder))
    verdicts: dict[str, int] = {}
    not_met = []
    for one in table:
        verdicts[one["verdict"]] = verdicts.get(one["verdict"], 0) + 1
        if one["verdict"] == "not met":
            not_met.append(str(one["id"]))
    text = done.stdout.decode("utf-8", "backslashreplace")
    return Checked(
        rate, done.returncode, verdicts, tuple(not_met), outcomes[0], text[-3000:], was_loaded
    )


def survive(site: Site, load: Load) -> Outcome:
    """Kill the relay without warning in the middle of a load, start it again, wait for its queue.

    What was accepted must arrive all the same (RFC 5321 §6.1); what was delivered and not yet
    settled may arrive twice.

    Args:
        site: One that can be restarted.
        load: With a schedule.
    """
    with tempfile.TemporaryDirectory(prefix="killed-") as name:
        folder = Path(name)
        killer = threading.Thread(target=_kill_in_the_middle, args=(site, folder, load))
        killer.start()
        try:
            return conduct(site, load, folder=folder)
        finally:
            killer.join()


def _kill_in_the_middle(site: Site, folder: Path, load: Load) -> None:
    assert site.restart is not None
    assert load.schedule is not None
    _await_accepted(folder, load.schedule.expected / 2, within=load.schedule.seconds + 60)
    site.restart()


def _await_accepted(folder: Path, wanted: float, within: float) -> bool:
    """Wait until so many were accepted; returns whether they were in time."""
    due = time.monotonic() + within
    while time.monotonic() < due:
        if Measurement.merged(folder.glob("measurement-*.json")).accepted >= wanted:
            return True
        time.sleep(0.1)
    return False


def _results(folder: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads((folder / "results.json").read_text())["requirements"])
    except (OSError, ValueError, KeyError):
        return []


@contextlib.contextmanager
def _as_profile(target: Target) -> Iterator[tuple[Path, dict[str, str]]]:
    """The loaded relay as anybody's relay: a profile file and the variables it names."""
    assert target.dns is not None
    assert target.sink is not None
    # The relay delivers to one port; the suite's sink takes that port on addresses of its own, in
    # the network of sinks, the only one on loopback that the relay delivers to.
    addresses = {
        dialect.value: f"127.0.3.{place}" for place, dialect in enumerate(DIALECT_ADDRESSES, 201)
    }
    records: dict[str, dict[str, Any]] = {}
    for name, address in addresses.items():
        records[name] = {"MX": [f"10 mx.{name}.{_DOMAIN}."]}
        records[f"mx.{name}"] = {"A": [address]}
    # There already where the checks ran at another level before.
    target.dns.replace(Zone(_DOMAIN, records))
    endpoint = target.endpoint()
    seed = toml_table.load(DEFAULT_PROFILE)
    claims = {
        name: value
        for name, value in seed["claims"].items()
        if name not in ("hosts", "endpoint_regions")
    }
    accounts: list[dict[str, str]] = []
    environment: dict[str, str] = {}
    for number, role in enumerate(_ROLES):
        account = target.account(role)
        names = (f"LOADED_USERNAME_{number}", f"LOADED_PASSWORD_{number}")
        environment |= dict(zip(names, (account.username, account.password), strict=True))
        accounts.append(
            {
                "role": role,
                "username_environment": names[0],
                "password_environment": names[1],
                "domain": account.domain,
                "region": account.region,
                "sender": account.sender,
            }
        )
    with tempfile.TemporaryDirectory(prefix="loaded-") as name:
        folder = Path(name)
        pem = target.tls_context.get_ca_certs(binary_form=True)
        (folder / "ca.pem").write_text("".join(map(ssl.DER_cert_to_PEM_cert, pem)))
        table = {
            "name": "loaded",
            "title": f"{target.name}, under load",
            "relay": {
                "kind": "address",
                "endpoint": [
                    {
                        "host": endpoint.host,
                        "region": endpoint.region,
                        "type": endpoint.type,
                        "addresses": [endpoint.sockets[0][0]],
                        "port": endpoint.sockets[0][1],
                    }
                ],
            },
            "tls": {"trust": "file", "ca_file": "ca.pem"},
            "account": accounts,
            "recipients": {"address": f"{{local}}@{{dialect}}.{_DOMAIN}"},
            "sink": {"reachability": "mx", "addresses": addresses, "port": target.sink.port},
            "client": {
                "admitted": target.client_address("admitted"),
                "denied": target.client_address("denied"),
            },
            "claims": claims,
        }
        path = folder / "loaded.toml"
        path.write_text(toml_table.write(table), encoding="utf-8")
        yield path, environment
