"""Everything that a run sends carries the mark of the run, and the reports name it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conformance.report import archive
from conformance.tests.runs import read_back, started
from fixtures.run_token import fresh_token, new_run, run_token


def connections(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every dialogue with the target, sanity dialogues among them."""
    yield from document["run"]["sanity_transcripts"]
    for row in document["requirements"]:
        for check in row["checks"]:
            yield from (one for one in check["transcripts"] if one["side"] == "probe")


def test_a_token_belongs_to_its_run() -> None:
    """Tokens differ, and begin with the mark; a new run has another one."""
    first = run_token()
    assert run_token() == first
    one, other = fresh_token(), fresh_token()
    assert one != other
    assert one.startswith(first)
    assert new_run() != first
    assert not fresh_token().startswith(first)


def test_every_transaction_carries_the_mark(tmp_path: Path) -> None:
    """In each connection that began a transaction the mark is found, refused mail included."""
    order = ["-m", "conformance", "check", "--only", "SND-01,SND-02,SUB-01,CTL,INT-06,INT-10"]
    ended = read_back(*started([*order, "--out", str(tmp_path)]), tmp_path)
    token = ended.results["run"]["token"]
    assert re.fullmatch(r"r[0-9a-f]{8}", token)
    begun = 0
    for connection in connections(ended.results):
        sent = "".join(one["octets"] for one in connection["events"] if one["direction"] == "C")
        if "MAIL FROM" in sent.upper():
            begun += 1
            assert token in sent, sent
    assert begun > 10
    for name in ("report.html", "summary.md"):
        assert token in (tmp_path / name).read_text(encoding="utf-8")


def test_workers_of_a_run_share_its_mark(tmp_path: Path) -> None:
    """With two workers there is one mark."""
    order = ["-m", "conformance", "check", "--only", "CTL-01,CTL-02", "--out", str(tmp_path)]
    ended = read_back(*started([*order, "--", "-n", "2"]), tmp_path)
    token = archive.load(tmp_path / "results.json")["run"]["token"]
    sent = [
        event["octets"]
        for connection in connections(ended.results)
        for event in connection["events"]
        if event["direction"] == "C" and event["octets"].upper().startswith("EHLO")
    ]
    assert sent
    assert all(token in one for one in sent if "client.example" in one)
