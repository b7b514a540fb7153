"""The plugin, in a pytest of its own."""

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SIX_LINES = """
import dns.message, dns.query
def test_it(fake_dns, dns_zone):
    dns_zone("example.com", {"@": {"MX": "10 mx.example.net."}})
    query = dns.message.make_query("example.com", "MX")
    assert dns.query.udp(query, fake_dns.address, port=fake_dns.port, timeout=5).answer
    assert fake_dns.wait_for("example.com", "MX", within=1).transport == "udp"
"""
ASK = """
import dns.message, dns.query, pytest
from fake_dns import Refused
def ask(server, name):
    query = dns.message.make_query(name, "A")
    return dns.query.udp(query, server.address, port=server.port, timeout=5)
"""


def run(tmp_path: Path, text: str, *words: str) -> tuple[int, str]:
    """Run one test file with the plugin; exit status and output."""
    (tmp_path / "test_mine.py").write_text(text)
    plugin = ("-p", "fake_dns.pytest_plugin", "-p", "no:randomly", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugin, "--strict-markers", "-W", "error", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_one_fixture_is_all_a_test_needs(tmp_path: Path) -> None:
    """`-p fake_dns.pytest_plugin` and six lines are a green test."""
    status, output = run(tmp_path, SIX_LINES)
    assert status == 0, output
    assert "1 passed" in output


def test_what_a_test_changes_is_put_back(tmp_path: Path) -> None:
    """Zones, faults, clock and log are fresh for the next test; the port is the same."""
    text = f"""{ASK}
PORTS = set()
@pytest.mark.parametrize("time", [1, 2])
def test_it(fake_dns, dns_zone, time):
    assert fake_dns.queries() == () and fake_dns.zones == () and fake_dns.faults == ()
    dns_zone("example.com", {{"@": {{"A": {{"values": "127.0.0.1", "from": "+1h"}}}}}})
    assert not ask(fake_dns, "example.com").answer
    fake_dns.advance(3600)
    assert ask(fake_dns, "example.com").answer
    fake_dns.inject(Refused())
    PORTS.add(fake_dns.port)
    assert len(PORTS) == 1
"""
    status, output = run(tmp_path, text)
    assert status == 0, output


@pytest.mark.parametrize(
    ("marker", "option", "outcome"),
    [
        ("", "", "2 passed"),
        ("@pytest.mark.fake_dns_strict", "", "1 failed, 1 passed"),
        ("", "fake_dns_strict=true", "1 failed, 1 passed"),
        ('@pytest.mark.fake_dns_strict("*.example.com A", "other.example")', "", "2 passed"),
        ('@pytest.mark.fake_dns_strict("www.example.com")', "", "1 failed, 1 passed"),
        ('@pytest.mark.fake_dns_strict("www.example.com MX")', "", "2 failed"),
    ],
)
def test_an_unexpected_query_fails_a_test(
    tmp_path: Path, marker: str, option: str, outcome: str
) -> None:
    """By marker or for all; beyond the zones, or beyond what the marker names."""
    text = f"""{ASK}
{marker}
@pytest.mark.parametrize("name", ["www.example.com", "other.example"])
def test_it(fake_dns, dns_zone, name):
    dns_zone("example.com", {{"@": {{"A": "127.0.0.1"}}}})
    ask(fake_dns, name)
"""
    words = ("-o", option) if option else ()
    status, output = run(tmp_path, text, *words)
    assert outcome in output
    assert status == int("failed" in outcome)
    if "1 failed" in outcome:
        assert "UnexpectedQuery: asked for other.example A; expected only" in output


def test_the_wheel_registers_the_plugin() -> None:
    """The entry point's name is the module's, so that `-p` beside it registers nothing twice."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (entry,) = project["entry-points"]["pytest11"].items()
    assert entry == ("fake_dns.pytest_plugin", "fake_dns.pytest_plugin")
    assert import_module(entry[1]).fake_dns
