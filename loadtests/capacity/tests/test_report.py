from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from loadtests.__main__ import ExitCode
from loadtests.capacity import compare, page, session
from loadtests.capacity.__main__ import judge, main
from loadtests.capacity.objectives import BadObjectives
from loadtests.capacity.plot import Line, plot
from loadtests.capacity.report import environment, render
from loadtests.capacity.search import Interval, Verdict
from loadtests.capacity.tests.made import session as made_session
from loadtests.trial import INTERRUPTED, NoRoom


class _References(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]


def written(folder: Path, **changes: float) -> Path:
    path = folder / "capacity.json"
    folder.mkdir(parents=True, exist_ok=True)
    session.write([made_session(**changes)], environment(["--x"]), path)
    return path


def test_the_page_says_the_claim_first_and_asks_nobody() -> None:
    """Claim, limits, holds, ledger, environment, command; no reference leaves the file."""
    one = made_session()
    text = render([one], environment(["--target", "relay"]), "Capacity")
    references = _References()
    references.feed(text)
    assert references.found == []
    assert "url(" not in text
    assert not re.search(r"https?://|@import", text)
    body = text[text.index("<body>") :]
    assert body.index("[100, 110] messages/s") < body.index("<h2>")
    for wanted in ("hold 120%", "relay CPU", "Ledger", "python -m loadtests.capacity", "<svg"):
        assert wanted in body
    assert "hidden words" not in text


def test_markup_of_a_service_is_text(tmp_path: Path) -> None:
    """What a server calls itself or answers never becomes part of the page."""
    one = made_session()
    evil = replace(one, site=replace(one.site, name="<script>alert(1)</script>"))
    evil.holds[0].outcome.measurement.failures["envelope: 550 <img src=x>"] = 1
    text = render([evil], environment([]), "Capacity")
    assert "<script>" not in text
    assert "<img" not in text
    assert "<b>" not in plot("<b>", [Line("<b>", [(1, 2)])], "<b>", "<b>")


def test_the_raw_histograms_are_in_the_json(tmp_path: Path) -> None:
    """Whoever doubts a percentile can compute it again."""
    table = json.loads(written(tmp_path).read_text())
    hold = table["sessions"][0]["holds"][1]
    assert sum(hold["measurement"]["phases"]["response"]["counts"].values()) == 1000
    assert hold["ledger"]["missing"] == 0


def test_overlapping_intervals_are_no_change(tmp_path: Path) -> None:
    """And a share of slow messages that is the same is within chance."""
    before, after = written(tmp_path / "a"), written(tmp_path / "b", low=105, high=115)
    assert main(["compare", str(before), str(after)]) == ExitCode.GOOD


def test_a_lower_interval_is_worse_and_red(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The statement says that the intervals are apart."""
    before, after = written(tmp_path / "a"), written(tmp_path / "b", low=70, high=77)
    assert main(["compare", str(before), str(after)]) == ExitCode.NOT_GOOD
    assert "apart" in capsys.readouterr().out
    assert main(["compare", str(after), str(before)]) == ExitCode.GOOD


def test_slower_messages_are_told_from_chance(tmp_path: Path) -> None:
    """A thousand of a thousand above 100 ms instead of none is no chance."""
    before, after = written(tmp_path / "a"), written(tmp_path / "b", seconds=0.2)
    change = compare.changes(*(json.loads(path.read_text()) for path in (before, after)))[0]
    assert "beyond chance" in change.statement


def test_a_budget_is_kept_or_broken(tmp_path: Path) -> None:
    """The least rate of a service; one that names nothing is an error."""
    path, console = written(tmp_path), Console(quiet=True)
    assert compare.problems(path, None, {"a relay": 90.0}, console) == 0
    assert compare.problems(path, None, {"a relay": 120.0}, console) == 1
    with pytest.raises(BadObjectives, match="names no service"):
        compare.problems(path, None, {"another": 1.0}, console)


def test_the_page_for_the_docs_shows_every_level_and_its_plots(tmp_path: Path) -> None:
    """Interval, limiter and ledger on top; 80, 100 and 120 % held; pictures that stand alone."""
    made = replace(made_session(), again=(Interval(105, 115), Interval(10, 20)))
    path = tmp_path / "capacity.md"
    page.write([made], environment(["--target", "x"]), path)
    text = path.read_text()
    assert "| a relay | [100, 110] | [105, 115] overlaps, [10, 20] **apart** | relay CPU" in text
    assert "1,000 of 1,000 arrived once" in text
    for level in ("| 80% | 80 |", "| 100% | 100 |", "| 120% | 120 |"):
        assert level in text
    pictures = sorted(tmp_path.glob("*.svg"))
    assert len(pictures) == 4
    assert all(f"({one.name})" in text for one in pictures)
    # Ours, and well formed.
    assert all(ElementTree.parse(one).getroot().tag.endswith("svg") for one in pictures)  # noqa: S314


def test_a_page_that_cannot_be_written_is_no_room(tmp_path: Path) -> None:
    """A folder that is a file: one message, and the results so far stay."""
    (tmp_path / "docs").write_text("a file")
    with pytest.raises(NoRoom, match="name another file"):
        page.write([made_session()], environment([]), tmp_path / "docs" / "capacity.md")


def test_exit_codes_tell_the_outcomes_apart() -> None:
    """Confirmed, cut short, at least, no capacity at all, cut off."""
    good = made_session()
    assert judge([good]) is ExitCode.GOOD
    assert judge([good, replace(good, is_confirmed=False)]) is ExitCode.INCONCLUSIVE
    assert judge([made_session(high=None)]) is ExitCode.INSTRUMENT
    assert judge([replace(good, again=(Interval(90, 101),))]) is ExitCode.GOOD
    assert judge([replace(good, again=(Interval(10, 20),))]) is ExitCode.INCONCLUSIVE
    assert judge([good, made_session(low=0)]) is ExitCode.NOT_GOOD
    met = replace(good.trials[0], verdict=Verdict.MET)
    assert judge([replace(made_session(low=0), trials=(met,))]) is ExitCode.INCONCLUSIVE
    assert judge([replace(good, cut_off=INTERRUPTED)]) is ExitCode.INTERRUPTED
    assert judge([replace(good, cut_off="/books: no space left")]) is ExitCode.NO_ROOM


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["--slo", "missing.toml"], "missing.toml"),
        (["--budgets", "missing.toml"], "missing.toml"),
        (["--target", "missing.toml"], "missing.toml"),
        (["compare", "a.json", "b.json"], "no capacity.json"),
    ],
)
def test_bad_input_is_one_message_and_exit_2(
    arguments: list[str],
    wanted: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is started, and there is no traceback."""
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == ExitCode.USAGE
    complaint = capsys.readouterr().err
    assert wanted in complaint
    assert len(complaint.splitlines()) == 1


def test_results_that_cannot_be_written_have_a_code_of_their_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is a file: one message that names another --out."""
    (tmp_path / "taken").write_text("", encoding="utf-8")
    assert main(["--out", str(tmp_path / "taken")]) == ExitCode.NO_ROOM
    assert "--out" in capsys.readouterr().err
