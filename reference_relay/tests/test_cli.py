"""The command line: what it prints, and how it refuses."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest

from reference_relay.cli import main
from reference_relay.service.passwords import PasswordVerifier


def hashed(
    octets: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(octets)))
    status = main(["hash-password"])
    return status, capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("octets", "password"),
    [
        (b"secret\n", b"secret"),
        (b"secret\r\n", b"secret"),
        (b"secret", b"secret"),
        (b" secret \n", b" secret "),
        ("pässwörd\n".encode(), "pässwörd".encode()),
        (b"p" * 100, b"p" * 100),
    ],
)
def test_hash_password_hashes_what_was_given(
    octets: bytes,
    password: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line end is dropped, everything else is the password; it is never repeated."""
    status, encoded = hashed(octets, monkeypatch, capsys)
    assert status == 0
    verifier = PasswordVerifier([encoded])
    try:
        assert asyncio.run(verifier.verify(encoded, b"user", password))
    finally:
        verifier.close()


@pytest.mark.parametrize("octets", [b"", b"\n", b"a\0b", b"\xff"])
def test_hash_password_refuses_what_is_no_password(
    octets: bytes, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing, a NUL or no UTF-8 is exit 2 and no hash."""
    assert hashed(octets, monkeypatch, capsys) == (2, "")


def test_a_bad_configuration_is_told_in_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, one line for each problem, no traceback."""
    source = tmp_path / "relay.toml"
    source.write_text('profile = "none"\ncolour = "red"\n')
    assert main(["serve", "--config", str(source)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert f"reference-relay: {source}: profile: expected one of seed-2025, vendor-2026" in lines
    assert all(line.startswith(f"reference-relay: {source}: ") for line in lines)
    assert any(": colour: unknown key" in line for line in lines)


@pytest.mark.parametrize(
    "arguments", [[], ["serve"], ["dance"], ["demo", "--port", "x"], ["demo", "--port", "70000"]]
)
def test_a_wrong_command_line_is_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Usage on standard error, as every program does it."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: reference-relay" in capsys.readouterr().err
