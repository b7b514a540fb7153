"""Name servers as processes on loopback, all with the same zone, and what they cost."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fake_dns.master_file import write_master_file
from fake_dns.sockets import bind, port_of
from fake_dns.zone import Zone

START_SECONDS: Final = 20.0
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE_OCTETS: Final = os.sysconf("SC_PAGE_SIZE")

# Small, so that dnslib's server, which goes through its records one by one, is not put at a
# disadvantage; and without what one of the peers cannot read.
ZONE: Final = Zone(
    "example.com",
    {
        "@": {"A": "192.0.2.1", "MX": ["10 mx1", "20 mx2"], "TXT": "v=spf1 mx -all"},
        "mx1": {"A": "192.0.2.25", "AAAA": "2001:db8::25"},
        "mx2": {"A": "192.0.2.26"},
        "www": {"CNAME": "mx1"},
        "s._domainkey": {"TXT": "v=DKIM1; k=rsa; p=" + "MIIBIjANBgkqhkiG9w0BAQ" * 8},
        "_submission._tcp": {"SRV": "0 5 587 mx1"},
    },
)

_NAMED = """
options {{
    directory "{directory}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    pid-file none; session-keyfile none; recursion no; notify no; empty-zones-enable no;
    dnssec-validation no; minimal-responses yes; querylog no;
}};
controls {{ }};
zone "example.com" {{ type primary; file "{file}"; check-integrity no; }};
"""


class Missing(Exception):
    """A program that the measurement needs is not installed."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A name server: what it is called, how it is started, with a port and a directory in it."""

    name: str
    command: tuple[str, ...]
    setting: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """A name server that answers: where, and which process."""

    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Seconds of processor time it has taken so far, its own and the kernel's for it."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def memory_octets(self) -> int:
        """Memory that is resident now."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE_OCTETS


def ours(loop: str, *words: str) -> Contestant:
    """This name server, on one of its event loops."""
    program = (sys.executable, "-m", "fake_dns", "serve", "{toml}", "--port", "{port}")
    return Contestant(f"fake-dns ({loop})", (*program, "--loop", loop, *words))


def dnslib() -> Contestant:
    """The server that dnslib brings, on the same codec."""
    logs = "-request,-reply,-truncated,-error"
    program = (sys.executable, "-m", "dnslib.zoneresolver", "--zone", "{zone}", "--port", "{port}")
    return Contestant("dnslib's own server", (*program, "--address", "127.0.0.1", f"--log={logs}"))


def named() -> Contestant:
    """BIND, with one thread.

    Raises:
        Missing: It is not installed.
    """
    return Contestant("BIND named", (program("named"), "-g", "-n", "1", "-c", "{conf}"), _NAMED)


def program(name: str) -> str:
    """The path of a program.

    Raises:
        Missing: It is not installed.
    """
    path = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    if path is None:
        raise Missing(f"{name} is not installed; expected the packages dnsperf and bind9")
    return path


@contextmanager
def running(contestant: Contestant, directory: Path) -> Iterator[Running]:
    """Start it, wait until it answers, stop it at the end of the block.

    Raises:
        Missing: It does not answer in time.
    """
    port = _free_port()
    toml, zone, conf = (directory / name for name in ("zone.json.toml", "zone.master", "conf"))
    toml.write_text(_toml())
    zone.write_text(write_master_file(ZONE))
    conf.write_text(contestant.setting.format(directory=directory, port=port, file=zone))
    words = [word.format(port=port, toml=toml, zone=zone, conf=conf) for word in contestant.command]
    with (directory / "output").open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # words of our own
            words, cwd=directory, stdout=output, stderr=output, env=environment()
        )
    try:
        _wait(process, port, contestant.name)
        yield Running(port, process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _toml() -> str:
    from fake_dns.toml_text import write_toml

    return write_toml(ZONE.as_table())


def environment() -> dict[str, str]:
    """The environment of a process of ours, in which this package is found first."""
    paths = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _free_port() -> int:
    udp, tcp = bind("127.0.0.1", 0)
    port = port_of(tcp)
    udp.close()
    tcp.close()
    return port


def _wait(process: subprocess.Popen[bytes], port: int, name: str) -> None:
    query = bytes.fromhex("0001000000010000000000000765 78616d706c6503636f6d0000010001")
    deadline = time.monotonic() + START_SECONDS
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        client.connect(("127.0.0.1", port))
        while time.monotonic() < deadline and process.poll() is None:
            try:
                client.send(query)
                if client.recv(600)[:2] == query[:2]:
                    return
            except OSError:
                time.sleep(0.05)
    raise Missing(f"{name} does not answer on port {port}; expected it to start")


def describe_machine() -> str:
    """One line: processor, cores, memory, kernel, Python."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown processor",
    )
    memory = os.sysconf("SC_PHYS_PAGES") * _PAGE_OCTETS / 2**30
    system = os.uname()
    python = ".".join(str(part) for part in sys.version_info[:3])
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB, {system.sysname} {system.release},"
        f" Python {python}"
    )


def _commit() -> str:
    git = shutil.which("git")
    if git is None:
        return "unknown"
    words = [git, "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    return done.stdout.strip() or "unknown"


def describe_state() -> str:
    """One line as JSON: the commit, and how busy the machine was when it was asked."""
    return json.dumps({"commit": _commit(), "load": [round(one, 1) for one in os.getloadavg()]})
