"""One corpus at several relays: what counts as a disagreement, and as a second message."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.differential.corpus import CASES, TRUE_END, Case, Letter, Topic
from conformance.differential.page import markdown
from conformance.differential.reading import ANYBODY, Comparison, Seen, Smuggling, reading
from fixtures import toml_table
from fixtures.profile import PROFILES

ROOT = Path(__file__).parent.parent.parent
LETTER = Letter("mailer@example.com", "rcpt@sink.example", "TOKEN")
CASE = next(case for case in CASES if case.name == "LF.LF")
HEADER = next(case for case in CASES if case.name == "a second From behind")

ONE = Seen((250, 221), (b"From: a\r\n\r\nBefore.\n.\nMAIL\r\n.\r\n",))
REWRITTEN = Seen((250, 221), (b"From: a\r\n\r\nBefore.\r\n..\r\nMAIL\r\n.\r\n",))
TWO = Seen((250, 250, 250, 354, 250, 221), (b"one", b"two"))
MADE_TWO = Seen((250, 221), (b"one", b"two"))
REFUSED = Seen((550, 221), ())
GONE = Seen(trouble="no connection")


def comparison(case: Case = CASE, **seen: Seen) -> Comparison:
    """Compare relays by one case."""
    return Comparison(
        dict.fromkeys(seen, "1.0"), [case], {name: {case.name: one} for name, one in seen.items()}
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_has_one_true_end_and_a_token(case: Case) -> None:
    """The content ends with CRLF.CRLF, so that every session gets to its QUIT, and can be found."""
    octets = case.content(LETTER)
    assert octets.endswith(TRUE_END)
    assert octets.count(TRUE_END) == 1
    assert b"TOKEN" in octets
    assert case.odd in octets


def test_names_are_used_once() -> None:
    """A name stands for one case."""
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.topic for case in CASES} == set(Topic)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        (ONE, "accepted, CR or LF alone sent on"),
        (REWRITTEN, "accepted, rewritten"),
        (TWO, "an end in the middle (250 250 250 354 250 221)"),
        (MADE_TWO, "2 messages"),
        (REFUSED, "refused"),
        (GONE, "not seen"),
        (Seen((250, 221), ()), "accepted, and nothing arrived"),
        (Seen((250, 221)), "accepted"),
    ],
)
def test_a_reading_says_what_became_of_a_content(seen: Seen, said: str) -> None:
    """Replies and deliveries together decide."""
    assert reading(CASE, seen) == said


def test_a_header_is_read_at_the_sink() -> None:
    """Who the mail is from, and whether the mark is still a field."""
    raw = b"From: <a@b.example>\r\nFrom: <other@evil.example>\r\n\r\nX-Mark: marked\r\n.\r\n"
    said = reading(HEADER, Seen((250, 221), (raw,)))
    assert said == "accepted: 2 From, mark in the text"


def test_a_second_message_needs_both_relays() -> None:
    """Only what one takes for a single message and sends on as it is becomes two at the other."""
    found = list(comparison(first=ONE, second=TWO, careful=REWRITTEN, strict=REFUSED).smuggled())
    assert found == [Smuggling("first", "second", "LF.LF")]


def test_a_relay_may_make_a_second_message_by_itself() -> None:
    """Whoever rewrites a false end into a true one needs no second relay."""
    found = list(comparison(first=MADE_TWO, strict=REFUSED).smuggled())
    assert found == [Smuggling("first", ANYBODY, "LF.LF")]


def test_disagreements_are_pairs_and_nobody_unseen_takes_part() -> None:
    """Each two relays of different readings are a pair; no answer is no reading."""
    (found,) = comparison(a=ONE, b=REFUSED, c=REFUSED, d=GONE).disagreements()
    assert found.pairs == (("a", "b"), ("a", "c"))
    assert list(comparison(b=REFUSED, c=REFUSED, d=GONE).disagreements()) == []


def test_the_page_names_relays_that_were_not_asked() -> None:
    """Nobody is left out without a word."""
    some = comparison(a=ONE, b=REFUSED)
    page = markdown(Comparison(some.relays, some.cases, some.seen, {"exim": "no such | program"}))
    assert "| exim | not asked: no such \\| program |" in page


def profile(folder: Path, name: str, mutation: str) -> Path:
    """Write the profile of a relay that is broken on purpose."""
    table = toml_table.load(PROFILES / "seed-2025.toml")
    table["name"] = name
    table["relay"]["command"] = (
        f"{{python}} -m conformance.selfcheck.broken_relay {mutation} serve --config {{config}}"
    )
    file = folder / f"{name}.toml"
    file.write_text(toml_table.write(table), encoding="utf-8")
    return file


def test_two_relays_of_which_one_is_broken(tmp_path: Path) -> None:
    """A relay that sends LF.LF on and one that ends there let a second message through: exit 1."""
    lax = profile(tmp_path, "lax", "bare-lf-relayed")
    hasty = profile(tmp_path, "hasty", "lf-dot-lf-ends-data")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "conformance.differential", "--out", str(out)]
    command += ["--target", str(lax), "--target", str(hasty)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 1, done.stdout + done.stderr
    document = json.loads((out / "differential.json").read_text())
    assert document["smuggling"] == [{"first": "lax", "second": "hasty", "case": "LF.LF"}]
    assert "lax sends on what hasty takes for two: LF.LF" in done.stdout
    assert "| lax | hasty | LF.LF |" in (out / "differential.md").read_text()
    pairs = {one["case"]: one["pairs"] for one in document["disagreements"]}
    assert pairs["LF.LF"] == [["lax", "hasty"]]
    assert "Content-Type twice" not in pairs


def test_one_relay_is_no_comparison(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that is nobody's: exit 2 and one line; one relay alone: exit 3."""
    command = [sys.executable, "-m", "conformance.differential", "--out", str(tmp_path / "out")]
    odd = [*command, "--target", str(tmp_path / "nothing.toml")]
    done = subprocess.run(odd, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    monkeypatch.setenv("PATH", str(tmp_path))
    alone = [*command, "--target", "smtp-server", "--cache", str(tmp_path / "cache")]
    done = subprocess.run(alone, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3, done.stdout + done.stderr
    assert "smtp-server: not asked: " in done.stdout
