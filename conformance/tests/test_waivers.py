"""Waivers have the semantics of protobuf's failure list, and a date."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from conformance.catalogue import Requirement
from conformance.outcome import Finding
from conformance.report.results import CheckResult, RequirementResult
from conformance.verdict import Level, Verdict
from conformance.waivers import Waiver, apply, read
from fixtures.toml_table import TableError

TODAY = date(2026, 11, 23)


def row(verdict: Verdict, observed: str = "250 Ok") -> RequirementResult:
    """One requirement with one check."""
    requirement = Requirement("TLS-01", "TLS", Level.MUST, "RFC 3207 §4", "STARTTLS is offered.")
    check = CheckResult("test_it", verdict, Finding(verdict, "5yz", observed))
    return RequirementResult(requirement, verdict, "", (check,))


def waiver(fails: str = "250 Ok", expires: date = date(2027, 1, 1)) -> Waiver:
    """One waiver for it."""
    return Waiver("TLS-01", fails, "known", "postmaster", "https://issues.example/1", expires)


def test_a_known_failure_is_waived() -> None:
    """Listed, failing in that way and in time: waived, and nothing to paste."""
    applied = apply([waiver()], [row(Verdict.NOT_MET)], TODAY)
    assert applied.waived == {"TLS-01"}
    assert not applied.broken
    assert not applied.proposals


@pytest.mark.parametrize(
    ("given", "result", "word"),
    [
        (waiver(), row(Verdict.MET), "waived, but met"),
        (waiver(), row(Verdict.NOT_MET, "354 go"), "another way"),
        (waiver(), row(Verdict.UNCHECKED), "waived, but unchecked"),
        (waiver(), row(Verdict.NOT_OBSERVABLE), "waived, but not observable"),
        (waiver(expires=date(2026, 11, 22)), row(Verdict.NOT_MET), "ended 2026-11-22"),
    ],
    ids=["passes", "fails differently", "vanished", "skipped", "expired"],
)
def test_a_stale_waiver_is_red(given: Waiver, result: RequirementResult, word: str) -> None:
    """Whatever no longer fits is said in a sentence, and waives nothing."""
    applied = apply([given], [result], TODAY)
    assert not applied.waived
    assert word in applied.broken[0]


def test_the_entry_to_paste_can_be_read_back(tmp_path: Path) -> None:
    """What the tool proposes is a waiver as soon as somebody has signed it."""
    proposed = apply([], [row(Verdict.NOT_MET)], TODAY).proposals
    file = tmp_path / "waivers.toml"
    file.write_text(proposed.replace('""', '"x"'), encoding="utf-8")
    (found,) = read(file, ["TLS-01"])
    assert apply([found], [row(Verdict.NOT_MET)], TODAY).waived == {"TLS-01"}


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[[waiver]]\nrequirement = 'TLS-01'\n", "the keys"),
        ("[other]\n", "nothing else"),
        (
            "[[waiver]]\nrequirement = 'X-1'\nfails = 'a'\nreason = 'b'\nowner = 'c'\n"
            "link = 'd'\nexpires = 2027-01-01\n",
            "an id of the catalogue",
        ),
        (
            "[[waiver]]\nrequirement = 'TLS-01'\nfails = 'a'\nreason = ''\nowner = 'c'\n"
            "link = 'd'\nexpires = 2027-01-01\n",
            "line 4: waiver[0].reason",
        ),
        (
            "".join(
                "[[waiver]]\nrequirement = 'TLS-01'\nfails = 'a'\nreason = 'b'\nowner = 'c'\n"
                "link = 'd'\nexpires = 2027-01-01\n"
                for _ in range(2)
            ),
            "line 9: waiver[1].requirement: expected each requirement once, found TLS-01",
        ),
    ],
)
def test_a_wrong_list_is_one_message(tmp_path: Path, text: str, word: str) -> None:
    """File, key and what was expected."""
    file = tmp_path / "waivers.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TableError, match=str(file)) as caught:
        read(file, ["TLS-01"])
    assert word in str(caught.value)
