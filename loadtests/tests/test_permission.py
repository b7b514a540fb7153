"""Load goes to nobody who did not permit it, and to nobody who set it a limit."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from loadtests.__main__ import ExitCode, main
from loadtests.capacity.__main__ import main as capacity

PROFILE = """
name = "somebody"
[relay]
kind = "address"
[[relay.endpoint]]
host = "smtp.example.com"
addresses = ["{address}"]
[[account]]
role = "primary"
username_environment = "LOAD_USERNAME"
password_environment = "LOAD_PASSWORD"
domain = "example.com"
[recipients]
address = "rcpt@sink.example"
"""


@pytest.mark.parametrize("program", [main, capacity], ids=["load", "capacity"])
@pytest.mark.parametrize(
    ("address", "more", "message"),
    [
        # Addresses that answer to nobody: what is refused is never connected to.
        ("198.18.0.1", "[budget]\nmessages_per_minute = 5\n", "budget: a load run goes beyond"),
        ("2001:4860:4860::8888", "", "smtp.example.com is public"),
    ],
    ids=["budget", "public"],
)
def test_load_is_refused_before_a_connection(
    program: Callable[[Sequence[str]], int],
    address: str,
    more: str,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One message with file and key, exit 2."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    monkeypatch.setenv("LOAD_USERNAME", "somebody")
    monkeypatch.setenv("LOAD_PASSWORD", "xQ7vTz9kLm2w")
    path = tmp_path / "target.toml"
    path.write_text(PROFILE.format(address=address) + more, encoding="utf-8")
    assert program(["--target", str(path)]) == ExitCode.USAGE
    complaint = capsys.readouterr().err
    # The folders before it may hold what some other test calls a secret.
    assert path.name in complaint
    assert message in complaint
    assert "Traceback" not in complaint
