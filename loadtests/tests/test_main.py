from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from loadtests.__main__ import ExitCode, main, parser


@pytest.mark.parametrize(
    "arguments",
    [
        ["--arrivals"],
        ["--scenario", "odd"],
        ["--seconds", "0"],
        ["--users", "many"],
        ["--size", "-1"],
        ["--nonsense"],
        ["--users"],
    ],
)
def test_a_wrong_option_is_one_message_and_exit_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the option; nothing is started."""
    with pytest.raises(SystemExit) as caught:
        parser().parse_args(arguments)
    assert caught.value.code == ExitCode.USAGE
    assert arguments[0] in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "wanted"),
    [(None, "readable file"), ("name = 1", "name"), ("not toml", "profile.toml")],
)
def test_a_wrong_profile_is_one_message_and_exit_2(
    text: str | None,
    wanted: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """File, key and what was expected, and no traceback."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    path = tmp_path / "profile.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert main(["--target", str(path)]) == ExitCode.USAGE
    complaint = capsys.readouterr().err
    assert complaint.startswith("loadtests: ")
    assert wanted in complaint
    assert "Traceback" not in complaint


def test_without_locust_the_right_session_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locust lives in an environment of its own, and the message says how to get there."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert main([]) == ExitCode.USAGE
    assert "nox -s load" in capsys.readouterr().err


def test_a_schedule_that_is_none_is_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message lists the kinds there are."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    assert main(["--arrivals", "sometimes:3"]) == ExitCode.USAGE
    assert "constant:RATE" in capsys.readouterr().err


def test_a_size_beyond_the_targets_claim_is_refused_before_anything_starts(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is named."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    assert main(["--size", "99999999"]) == ExitCode.USAGE
    assert "at most 31457280 octets" in capsys.readouterr().err
