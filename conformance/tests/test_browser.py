"""What counts against a report, and what is said when there is no browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.report import browser
from conformance.report.browser import __main__ as program


def found(**kinds: Any) -> dict[str, Any]:
    """What the browser says, in order but for these."""
    nothing: dict[str, Any] = {key: [] for key in ("console", "requests", "wide", "filter")}
    return {**nothing, "violations": [], **kinds}


def test_nothing_is_held_against_a_report_in_order() -> None:
    """No finding, no objection."""
    assert program.objections(found()) == []


@pytest.mark.parametrize("kind", ["console", "requests", "wide", "filter"])
def test_each_finding_of_the_browser_is_an_objection(kind: str) -> None:
    """A word on the console, a request, a page too wide, a search that finds nothing."""
    assert program.objections(found(**{kind: ["dark: it"]})) == [f"{kind}: dark: it"]


@pytest.mark.parametrize(("impact", "number"), [("serious", 1), ("critical", 1), ("moderate", 0)])
def test_serious_findings_of_axe_core_are_objections(impact: str, number: int) -> None:
    """What axe-core calls moderate or minor is for people to weigh."""
    violation = {
        "where": "dark",
        "id": "color-contrast",
        "impact": impact,
        "help": "Elements must have enough contrast",
        "nodes": 3,
        "first": "<b>",
    }
    assert len(program.objections(found(violations=[violation]))) == number


def test_a_missing_browser_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 and what to install; never a pass."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program.main([str(tmp_path / "report.html")]) == 2
    assert "apt-get install chromium" in capsys.readouterr().err


def test_the_versions_of_the_tools_are_pinned() -> None:
    """A newer axe-core finds other things: it comes when somebody asks for it."""
    text = (Path(browser.__file__).parent / "package.json").read_text("utf-8")
    assert '"axe-core": "4.14.1"' in text
    assert '"playwright-core": "1.64.1"' in text
