"""The search behind the property suites, its files, and what a user gets to see of it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies

from conformance.properties.dialogue_rules import (
    OPENINGS,
    TOURS,
    State,
    Step,
    after,
    due,
)
from conformance.properties.effort import EFFORTS, Effort
from conformance.properties.saved import ExampleError, SavedExample, plain, valued
from conformance.properties.search import Search
from conformance.tests.odd_targets import odd_target

ROOT = Path(__file__).parent.parent.parent
SHORT = Effort("short", examples=50, steps=5, search_seconds=5.0, shrink_seconds=5.0)
BROKEN = "{python} -m conformance.selfcheck.broken_relay %s serve --config {config}"

EXAMPLES = strategies.recursive(
    strategies.binary() | strategies.text() | strategies.integers() | strategies.none(),
    lambda inner: strategies.lists(inner).map(tuple),
)


def run(*arguments: str) -> tuple[int, str]:
    """Run the property suites in a process of their own; return exit code and output."""
    command = [sys.executable, "-m", "conformance.properties", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stdout + done.stderr


@given(EXAMPLES)
def test_an_example_survives_its_file(example: Any) -> None:
    """Whatever a property takes is the same again when its file is read."""
    assert valued(json.loads(json.dumps(plain(example)))) == example


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "Expecting"), ("[]", "no failing example"), ('{"example": 1}', "no key 'check'")],
)
def test_a_file_that_is_no_example_is_named(text: str, said: str, tmp_path: Path) -> None:
    """The message says which file, and what to give in its place."""
    file = tmp_path / "odd.json"
    file.write_text(text)
    with pytest.raises(ExampleError, match=said) as caught:
        SavedExample.read(file)
    assert str(file) in str(caught.value)
    assert "give a file of the folder `examples`" in str(caught.value)


def test_a_search_keeps_the_smallest_example() -> None:
    """What is at fault is shrunk, and the smallest of it is kept."""
    search: Search[bytes] = Search(SHORT)

    def judge(example: bytes) -> None:
        assert len(example) < 3, "too long"

    search.over(strategies.binary(max_size=40), judge)
    assert search.found == b"\0\0\0"
    assert search.trouble is None


def test_trouble_ends_a_search_at_once() -> None:
    """A target that is gone is asked no further example, and nothing is held against it."""
    calls: list[int] = []

    def judge(example: int) -> None:
        calls.append(example)
        if len(calls) == 3:
            raise ConnectionResetError("gone")

    search: Search[int] = Search(SHORT)
    search.over(strategies.integers(), judge)
    assert len(calls) == 3
    assert isinstance(search.trouble, ConnectionResetError)
    assert search.found is None


def test_a_target_that_dies_while_shrinking_is_left_alone() -> None:
    """Once something is at fault, trouble ends the shrinking, and what was found is kept."""
    calls: list[bytes] = []

    def judge(example: bytes) -> None:
        calls.append(example)
        if any(len(one) > 5 for one in calls[:-1]):
            raise ConnectionResetError("gone")
        assert len(example) <= 5, "too long"

    search: Search[bytes] = Search(SHORT)
    search.over(strategies.binary(max_size=40), judge)
    assert search.found == calls[-2]
    assert isinstance(search.trouble, ConnectionResetError)


@pytest.mark.parametrize("is_at_fault", [True, False])
def test_time_ends_a_search(is_at_fault: bool) -> None:
    """Neither looking nor shrinking goes on beyond its seconds."""
    effort = Effort("hasty", examples=500, steps=5, search_seconds=0.05, shrink_seconds=0.05)
    search: Search[bytes] = Search(effort)

    def judge(example: bytes) -> None:
        time.sleep(0.02)
        assert len(set(example)) < (3 if is_at_fault else 99), "at fault, slowly"

    began = time.monotonic()
    search.over(strategies.binary(min_size=30, max_size=60), judge)
    assert search.ended_early
    assert time.monotonic() - began < 2.0
    assert (search.found is not None) is is_at_fault


def test_an_example_that_is_at_fault_only_once_is_kept_for_another_look() -> None:
    """What Hypothesis calls flaky is no crash: whoever asked judges it once more."""
    calls: list[int] = []

    def judge(example: int) -> None:
        calls.append(example)
        assert len(calls) != 2, "once"

    search: Search[int] = Search(SHORT)
    search.over(strategies.integers(), judge)
    assert search.found == calls[1]


@pytest.mark.parametrize("name", list(TOURS))
def test_each_tour_puts_its_requirement_to_the_test(name: str) -> None:
    """With a server that does all it must, the tour comes to where the requirement decides."""
    opening, steps = TOURS[name]
    state, asked = State(), set()
    for step in (*OPENINGS[opening], *steps):
        demand = due(step, state)
        # The login that lasts is judged by the MAIL behind RSET.
        asked.add("CTL-02" if (name, step) == ("CTL-02", Step.MAIL) else demand.requirement)
        state = after(step, state, demand.wanted[0].startswith("2"))
    assert name in asked


def test_what_is_refused_changes_nothing() -> None:
    """A step that must be refused leaves the state alone, but where RFC 3030 says otherwise."""
    state = State(is_tls=True, hello="EHLO", is_authenticated=True, has_sender=True, recipients=1)
    refused = (Step.MAIL, Step.AUTH, Step.STARTTLS, Step.RCPT_EMPTY, Step.UNKNOWN)
    for step in refused:
        assert due(step, state).wanted[0] == "5yz"
        assert after(step, state, is_positive=False) == state


def test_profiles_grow() -> None:
    """`certify` costs less than `ci`, and `ci` less than `explore`."""
    sizes = [EFFORTS[name].examples for name in ("certify", "ci", "explore")]
    assert sizes == sorted(sizes)
    assert EFFORTS["certify"].is_fixed
    assert not EFFORTS["explore"].is_fixed


def test_a_failing_dialogue_is_saved_and_can_be_played_again(tmp_path: Path) -> None:
    """A relay whose RSET does nothing: one example, one script; again not met, and met unbroken."""
    order = ["--profile", "certify", "--only", "CTL", "--out", str(tmp_path / "first")]
    code, said = run(*order, "--relay-command", BROKEN % "rset-does-nothing")
    assert code == 1, said
    file = tmp_path / "first" / "examples" / "CTL-01.json"
    saved = SavedExample.read(file)
    assert saved.example[-2:] == ("RSET", "MAIL")
    assert len(saved.example) <= 8, "no longer than the tour"
    assert (tmp_path / "first" / "reproduce" / "CTL-01.py").exists()
    statement = json.loads((tmp_path / "first" / "statement.json").read_text())
    assert "examples/CTL-01.json" in {one["name"] for one in statement["subject"]}

    again = ["--replay", str(file), "--out", str(tmp_path / "again")]
    code, said = run(*again, "--relay-command", BROKEN % "rset-does-nothing")
    assert code == 1, said
    assert "CTL-01 not met" in said
    code, said = run(*again)
    assert code == 0, said
    assert "conformant in the 1 of" in said


def test_a_failing_content_is_saved_and_can_be_sent_again(tmp_path: Path) -> None:
    """A relay with a mistake that no check with examples of its own knows."""
    name = "dot-behind-an-empty-line-is-doubled"
    order = ["--profile", "certify", "--only", "DATA-02", "--out", str(tmp_path / "first")]
    code, said = run(*order, "--relay-command", BROKEN % name)
    assert code == 1, said
    saved = SavedExample.read(tmp_path / "first" / "examples" / "DATA-02.json")
    assert saved.example == (b"", b"."), "shrunk to what is needed"
    again = ["--replay", str(tmp_path / "first" / "examples" / "DATA-02.json")]
    code, said = run(*again, "--out", str(tmp_path / "again"))
    assert code == 0, said


def test_a_target_that_dies_in_the_middle_is_not_accused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some dialogues nobody answers any more: inconclusive, soon, and no traceback."""
    monkeypatch.setenv("STUB_USERNAME", "somebody")
    monkeypatch.setenv("STUB_PASSWORD", "correct-horse-battery")
    out = tmp_path / "out"
    began = time.monotonic()
    with odd_target(tmp_path, ["mx.example"], lives=6) as profile:
        order = ["--profile", "certify", "--only", "CTL-03,CTL-04", "--target", str(profile)]
        code, said = run(*order, "--out", str(out))
    assert code == 3, said
    assert "Traceback" not in said
    assert "not met" not in said
    assert not (out / "examples").exists()
    assert time.monotonic() - began < 60


def test_a_replay_without_a_file_is_a_usage_error(tmp_path: Path) -> None:
    """Exit 2 and one line."""
    code, said = run("--replay", str(tmp_path / "nothing.json"))
    assert code == 2
    assert said.strip() == f"{tmp_path / 'nothing.json'}: No such file or directory"
