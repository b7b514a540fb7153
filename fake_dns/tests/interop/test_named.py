"""Beside BIND: named answers an imported master file as we do, named-checkzone takes our export."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import dns.rdatatype
import dns.rrset
import pytest

from fake_dns import FakeDNS, Zone
from fake_dns.master_file import read_master_file, write_master_file
from fake_dns.tests.interop.corpus import ZONE
from fake_dns.tests.interop.tools import free_port, listens, run, running, tool

MASTER_FILE = Path(__file__).parent / "corpus.zone"
TYPES = ("A", "AAAA", "MX", "TXT", "CNAME", "NS", "SOA", "ANY")
NAMES = (
    "@", "www", "one", "far", "lost", "ping", "self", "into", "cut-in", "mx1", "nomail",
    "any.wild", "a.b.wild", "known.wild", "x.known.wild", "y.wild2", "here", "below.here",
    "missing", "x.mx1", "sub", "host.sub", "ns.sub", "old", "host.old", "x.old",
)  # fmt: skip
# Types that some names have, and few others.
PAIRS = (
    ("@", "CAA"), ("@", "HTTPS"), ("@", "TYPE65280"), ("@", "SRV"), ("sub", "DS"),
    ("insecure", "DS"), ("insecure", "A"), ("old", "DNAME"), ("host.old", "DNAME"),
    ("_submission._tcp", "SRV"), ("_imaps._tcp", "SRV"), ("_tcp", "A"), ("_25._tcp.mx1", "TLSA"),
    ("s._domainkey", "TXT"), ("_domainkey", "TXT"), ("_dns", "SVCB"), ("_alias", "SVCB"),
    ("naptr", "NAPTR"), ("sshfp", "SSHFP"), ("loc", "LOC"), ("host", "HINFO"), ("rp", "RP"),
    ("uri", "URI"), (r"odd\.dot", "TXT"), ("escAped", "TXT"), ("upper", "TXT"), ("ptr", "PTR"),
    ("empty", "TXT"), ("short", "TXT"), ("a.child", "A"), ("child", "MX"), ("child", "A"),
    ("b.child", "A"), ("wWw", "a"), ("*.wild", "A"), ("*.wild2", "A"),
    ("c0", "A"), ("c2", "A"), ("c3", "A"), ("c4", "MX"),
)  # fmt: skip
QUESTIONS = (*product(NAMES, TYPES), *PAIRS)

_NAMED = """
options {{
    directory "{directory}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    recursion no;
    notify no;
    empty-zones-enable no;
    dnssec-validation no;
    # What the question needs and no more, as we answer.
    minimal-responses yes;
    minimal-any no;
    # Otherwise the SOA of a "no" to a question for SOA lives for 0 seconds.
    zero-no-soa-ttl no;
}};
controls {{ }};
zone "example.com" {{ type primary; file "{file}"; check-integrity no; }};
"""


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """BIND's named with the master file; its port."""
    directory = tmp_path_factory.mktemp("named")
    port = free_port()
    path = directory / "named.conf"
    path.write_text(_NAMED.format(directory=directory, port=port, file=MASTER_FILE))
    words = [tool("named"), "-g", "-c", str(path), "-p", str(port)]
    with running(words, directory, lambda: listens(port) and has_loaded(port)):
        yield port


@pytest.fixture(scope="module")
def imported() -> Iterator[int]:
    """Ours with the same file; its port."""
    with FakeDNS([read_master_file(MASTER_FILE)]) as server:
        yield server.port


def ask(port: int, name: str, type: str) -> dns.message.Message:
    """Ask without recursion, over UDP and then TCP."""
    owner = "example.com" if name == "@" else f"{name}.example.com"
    query = dns.message.make_query(owner, type, use_edns=True)
    query.flags &= ~dns.flags.RD
    reply, _ = dns.query.udp_with_fallback(query, "127.0.0.1", 5, port)
    return reply


def has_loaded(port: int) -> bool:
    """Whether the zone is served: named listens first, and says SERVFAIL until it has read it."""
    return bool(ask(port, "@", "SOA").flags & dns.flags.AA)


def section(section: list[dns.rrset.RRset]) -> set[tuple[str, int, str, str]]:
    """Every record: owner, lifetime, type, value."""
    return {
        (rrset.name.to_text().lower(), rrset.ttl, dns.rdatatype.to_text(rrset.rdtype), str(rdata))
        for rrset in section
        for rdata in rrset
    }


def test_there_are_enough_questions() -> None:
    """Two hundred and more."""
    assert len(QUESTIONS) >= 200


@pytest.mark.parametrize(("name", "type"), QUESTIONS)
def test_named_says_the_same(name: str, type: str, named: int, imported: int) -> None:
    """Code, flags and three sections of the reply are those of BIND."""
    theirs, ours = ask(named, name, type), ask(imported, name, type)
    assert ours.rcode() == theirs.rcode()
    assert dns.flags.to_text(ours.flags) == dns.flags.to_text(theirs.flags)
    assert section(ours.answer) == section(theirs.answer)
    assert section(ours.authority) == section(theirs.authority)
    assert section(ours.additional) == section(theirs.additional)


def test_named_checkzone_takes_what_we_export(tmp_path: Path) -> None:
    """Both corpora, written by us, are zones for BIND; read again, they are the same zones."""
    checkzone = tool("named-checkzone")
    for zone in (ZONE, read_master_file(MASTER_FILE)):
        path = tmp_path / "export.zone"
        path.write_text(write_master_file(zone))
        # Nothing outside the file is looked at, nor whether MX hosts have addresses.
        said = run(checkzone, "-i", "none", "-q", zone.origin.text, str(path))
        assert said == ""
        assert read_master_file(path) == zone


def test_the_program_imports_and_exports(tmp_path: Path) -> None:
    """`import` writes a TOML zone that `check` takes and `export` turns into a file for BIND."""
    program = [sys.executable, "-m", "fake_dns"]
    toml = tmp_path / "zone.toml"
    toml.write_text(run(*program, "import", str(MASTER_FILE)))
    assert Zone.from_toml(toml) == read_master_file(MASTER_FILE)
    exported = tmp_path / "exported.zone"
    exported.write_text(run(*program, "export", str(toml)))
    assert run(*program, "check", str(toml)).endswith("OK\n")
    subprocess.run(
        [tool("named-checkzone"), "-i", "none", "-q", "example.com", str(exported)], check=True
    )
