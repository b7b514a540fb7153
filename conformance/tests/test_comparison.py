"""Results side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.comparison import difference, main, matrix, read


def written(folder: Path, verdicts: dict[str, str], schema: str = "2") -> Path:
    """Write a small results.json."""
    folder.mkdir()
    rows = [
        {
            "id": name,
            "level": "MUST",
            "wording": f"wording of {name}",
            "verdict": verdict,
            "checks": [{"check": f"check of {name}", "transcripts": []}]
            if verdict != "unchecked"
            else [],
        }
        for name, verdict in verdicts.items()
    ]
    document = {
        "schema": schema,
        "conclusion": {"headline": "x"},
        "run": {"sanity_transcripts": []},
        "requirements": rows,
        "event_columns": [],
        "transcripts": [],
        "texts": [],
    }
    file = folder / "results.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def test_changes_are_told_apart(tmp_path: Path) -> None:
    """Newly failing, newly passing and vanished are three things."""
    before = read(
        written(tmp_path / "a", {"A-1": "met", "A-2": "not met", "A-3": "met", "A-4": "met"})
    )
    after = read(
        written(
            tmp_path / "b",
            {"A-1": "not met", "A-2": "met", "A-3": "not observable", "A-4": "met"},
        )
    )
    found = difference(before, after)
    assert found.newly_failing == ("A-1",)
    assert found.newly_passing == ("A-2",)
    assert found.vanished == ("A-3",)


def test_a_check_that_no_longer_runs_is_named(tmp_path: Path) -> None:
    """A requirement that went from met to unchecked is vanished, and so is its check."""
    before = read(written(tmp_path / "a", {"A-1": "met"}))
    after = read(written(tmp_path / "b", {"A-1": "unchecked"}))
    found = difference(before, after)
    assert found.vanished == ("A-1",)
    assert found.vanished_checks == ("check of A-1",)


def test_the_matrix_shows_every_deviation(tmp_path: Path) -> None:
    """What all have met is left out; what one has not met is there."""
    columns = [
        read(written(tmp_path / "a", {"A-1": "met", "A-2": "met"})),
        read(written(tmp_path / "b", {"A-1": "met", "A-2": "not met"})),
    ]
    text = matrix(columns)
    assert "**A-2** MUST: wording of A-2 | ✓ | ✕ |" in text
    assert "**A-1**" not in text


@pytest.mark.parametrize(
    ("verdicts", "status"), [({"A-1": "met"}, 0), ({"A-1": "not met"}, 1), ({}, 1)]
)
def test_the_exit_code_says_whether_it_got_worse(
    tmp_path: Path, verdicts: dict[str, str], status: int
) -> None:
    """0 when nothing is lost, 1 when a requirement fails anew or has vanished."""
    first = written(tmp_path / "a", {"A-1": "met"})
    second = written(tmp_path / "b", verdicts)
    assert main([str(first), str(second)]) == status


def test_results_of_another_version_are_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message with file, key and remedy."""
    file = written(tmp_path / "a", {}, schema="99")
    assert main([str(file)]) == 2
    said = capsys.readouterr().err
    assert str(file) in said
    assert "schema" in said
    assert "certify the target again" in said
