from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loadtests.__main__ import ExitCode, main
from loadtests.schedule import Schedule
from loadtests.site import NotReady, Site
from loadtests.trial import Load, conduct, try_one_message


def test_refused_credentials_are_one_message_before_any_load(site: Site) -> None:
    """Phase and reply, and not the password."""
    with pytest.raises(NotReady, match="does not take a message: AUTH: 535") as caught:
        try_one_message(replace(site, password="guessed-and-wrong"))
    assert "guessed-and-wrong" not in str(caught.value)


def test_a_schedule_beyond_the_calibrated_generator_is_exit_5(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It says what the generator can do, and what would help; the target is not even started."""
    assert main(["--arrivals", "constant:900000", "--seconds", "1"]) == ExitCode.INSTRUMENT
    text = capsys.readouterr().err
    assert "use --processes, further machines, or a lower rate" in text
    assert "Traceback" not in text


def test_books_without_room_leave_a_partial_result(site: Site, tmp_path: Path) -> None:
    """The run ends early, keeps what there was, says why, and accuses nobody."""
    # Where whatever is written meets ENOSPC.
    (tmp_path / "accepted-0.numbers").symlink_to("/dev/full")
    load = Load(Schedule.parse("constant:50", 30.0), users=5)
    outcome = conduct(site, load, folder=tmp_path)
    assert outcome.is_partial
    assert outcome.has_no_room
    assert "no space left" in outcome.cut_off
    assert 0 < outcome.measurement.accepted < 1500
    assert outcome.ledger is None
