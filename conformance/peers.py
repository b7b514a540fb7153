"""`python -m conformance.peers`: certify other people's servers, side by side.

Starts each peer on loopback, fills its profile in, certifies it like anybody's relay, and writes a
page that compares them. What the suite holds against them is defended in docs/findings.md.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from conformance import comparison, findings
from conformance.selfcheck import instrument
from conformance.verdict import ExitCode
from fixtures import toml_table
from fixtures.certificates import CertificateAuthority
from fixtures.peers.aiosmtpd import Aiosmtpd
from fixtures.peers.exim import Exim
from fixtures.peers.peer import ADDRESS, HOST, Ground, Login, Peer
from fixtures.peers.postfix import Postfix
from fixtures.peers.programs import Missing, free_port
from fixtures.peers.smtp_server import SmtpServer
from fixtures.profile import PROFILES
from fixtures.sink import DIALECT_ADDRESSES

PEERS: dict[str, Peer] = {peer.key: peer for peer in (Postfix(), Exim(), Aiosmtpd(), SmtpServer())}
_ROOT = Path(__file__).parent.parent
_SINK_DOMAIN = "sink.example"


@dataclass(frozen=True, slots=True)
class Certified:
    """One peer and what came out.

    Attributes:
        version: What was judged; why it could not be, if `status` is None.
        status: The exit code of the certification.
    """

    key: str
    version: str
    folder: Path
    status: int | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Certify the peers named, or all; 0 when each could be judged, whatever the verdicts."""
    options = _parser().parse_args(arguments)
    unknown = [key for key in options.peers if key not in PEERS]
    if unknown:
        sys.stderr.write(f"no peer {', '.join(unknown)}; expected some of {', '.join(PEERS)}\n")
        return ExitCode.USAGE
    # Once for all of them; each is then judged by `check`, which does not measure samples again.
    if why := instrument.trouble():
        sys.stderr.write(f"the instrument failed its control samples: {why}\n")
        return ExitCode.HARNESS_FAULT
    options.cache.mkdir(parents=True, exist_ok=True)
    keys = options.peers or list(PEERS)
    with ThreadPoolExecutor(options.jobs) as pool:
        jobs = [
            pool.submit(
                certified, PEERS[key], options.out / key, options.cache.resolve(), options.only
            )
            for key in keys
        ]
        outcomes = [job.result() for job in jobs]
    for one in outcomes:
        sys.stdout.write(f"{one.key}: {one.version}: exit code {one.status}\n")
    columns = [
        comparison.read(one.folder / "results.json", one.version)
        for one in outcomes
        if one.status is not None
    ]
    if options.write is not None:
        _write_pages(columns, options.write)
    if weak := findings.undefended(columns):
        sys.stderr.write(f"findings without an argument in findings.toml: {', '.join(weak)}\n")
        return ExitCode.HARNESS_FAULT
    judged = all(one.status in (ExitCode.CONFORMANT, ExitCode.NOT_CONFORMANT) for one in outcomes)
    return ExitCode.CONFORMANT if judged else ExitCode.INCONCLUSIVE


_MATRIX_HEAD = """\
# Peers, side by side

Written by `nox -s peers`. Each server is started on loopback as a submission service and certified
with its profile in `fixtures/profiles/`; what a profile does not claim is not held against it.
The reasons for every ✕ are in [findings.md](findings.md).

"""


def _write_pages(columns: Sequence[comparison.Column], folder: Path) -> None:
    matrix = _MATRIX_HEAD + comparison.matrix(columns)
    (folder / "peers.md").write_text(matrix, encoding="utf-8")
    (folder / "findings.md").write_text(findings.render(columns), encoding="utf-8")


def certified(peer: Peer, out: Path, cache: Path, only: Sequence[str] = ()) -> Certified:
    """Start one peer, certify it, and end it.

    Args:
        peer: Who.
        out: The folder for the report files.
        cache: What was fetched for it.
        only: Requirements and groups; empty is everything.
    """
    try:
        version = peer.prepare(cache)
        with started(peer, cache) as (profile, environment):
            command = [sys.executable, "-m", "conformance", "check"]
            command += ["--target", str(profile), "--out", str(out)]
            command += [word for name in only for word in ("--only", name)]
            done = subprocess.run(
                command,
                cwd=_ROOT,
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
    except Missing as missing:
        return Certified(peer.key, str(missing), out, None)
    out.mkdir(parents=True, exist_ok=True)
    (out / "terminal.txt").write_bytes(done.stdout)
    return Certified(peer.key, version, out, done.returncode)


@contextlib.contextmanager
def started(peer: Peer, cache: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Run a peer; give its profile, filled in, and the variables that the profile names.

    Raises:
        Missing: It does not come up.
    """
    logins = tuple(
        Login(name, secrets.token_urlsafe(18), domain)
        for name, domain in (("mailer", "example.com"), ("neighbour", "neighbour.example"))
    )
    # Of each peer its own: they are judged side by side.
    number = list(PEERS).index(peer.key)
    sinks = {
        f"{dialect.value}.{_SINK_DOMAIN}": f"127.0.{30 + number}.{place}"
        for place, dialect in enumerate(DIALECT_ADDRESSES, 1)
    }
    with tempfile.TemporaryDirectory(prefix=f"peer-{peer.key}-") as name:
        folder = Path(name)
        authority = CertificateAuthority.create()
        certificate_file, key_file = authority.issue([HOST]).write(folder, "mail")
        (folder / "ca.pem").write_bytes(authority.root_pem)
        ground_folder = folder / "peer"
        ground_folder.mkdir()
        folder.chmod(0o755)
        first = next(iter(sinks.values()))
        ground = Ground(
            folder=ground_folder,
            cache=cache,
            certificate_file=certificate_file,
            key_file=key_file,
            logins=logins,
            sinks=sinks,
            sink_port=free_port(first),
        )
        running = peer.start(ground)
        try:
            profile = folder / f"{peer.key}.toml"
            profile.write_text(toml_table.write(_filled_in(peer, ground, running.port)))
            yield profile, _environment(logins)
        finally:
            running.stop()


def _filled_in(peer: Peer, ground: Ground, port: int) -> dict[str, object]:
    table = toml_table.load(PROFILES / f"{peer.key}.toml")
    table["relay"]["endpoint"] = [{"host": HOST, "addresses": [ADDRESS], "port": port}]
    table["tls"] = {"trust": "file", "ca_file": "ca.pem"}
    table["sink"] = {
        "reachability": "mx",
        "addresses": {domain.partition(".")[0]: one for domain, one in ground.sinks.items()},
        "port": ground.sink_port,
    }
    return table


def _environment(logins: Sequence[Login]) -> dict[str, str]:
    found = {}
    for prefix, login in zip(("RELAY", "NEIGHBOUR"), logins, strict=True):
        found[f"{prefix}_USERNAME"] = login.username
        found[f"{prefix}_PASSWORD"] = login.password
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance.peers", description=__doc__)
    parser.add_argument("peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)}")
    parser.add_argument("--out", type=Path, default=Path("reports/peers"), metavar="DIR")
    parser.add_argument("--cache", type=Path, default=Path(".cache/peers"), metavar="DIR")
    parser.add_argument("--only", action="append", default=[], metavar="ID,GROUP")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="peers at a time")
    parser.add_argument("--write", type=Path, metavar="DIR", help="write peers.md, findings.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
