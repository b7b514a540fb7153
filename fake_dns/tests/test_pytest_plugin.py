"""The plugin, in a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SIX_LINES = """
import dns.resolver
from fake_dns import Zone
def test_it(fake_dns):
    fake_dns.add(Zone("example.com", {"@": {"MX": "10 mx.example.net."}}))
    own = dns.resolver.Resolver(configure=False)
    own.nameservers, own.port = [fake_dns.address], fake_dns.port
    assert own.resolve("example.com", "MX")[0].preference == 10
    fake_dns.wait_for("example.com", "MX", within=1)
"""


def test_one_fixture_is_all_a_test_needs(tmp_path: Path) -> None:
    """`-p fake_dns.pytest_plugin` and a few lines are a green test."""
    (tmp_path / "test_mine.py").write_text(SIX_LINES)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "fake_dns.pytest_plugin", "-W", "error"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
