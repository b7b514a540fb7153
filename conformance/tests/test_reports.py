"""The four report files: whole, harmless, and without secrets."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance import report
from conformance.catalogue import Catalogue, Group, Requirement
from conformance.outcome import Finding, Outcome, transcript_to_json
from conformance.passive import Examination, combined, examine
from conformance.report import archive
from conformance.report.results import Ordered, Results, Run, judged, to_json
from conformance.sanity import Sanity, Stage
from conformance.verdict import ExitCode, Level, Verdict, conclude
from fixtures.redaction import Secrets
from fixtures.transcript import Transcript

FILES = [
    *("report.html", "results.json", "junit.xml", "summary.md"),
    *("badge.svg", "statement.json"),
]
HOSTILE = (
    "</pre><script>alert(1)</script><img src=x onerror=alert(2)>'\"&amp;{{7*7}}|`*_@octocat]]>"
)


def catalogue() -> Catalogue:
    """Three requirements in two groups, with a hostile wording."""
    rows = [
        Requirement("TLS-01", "TLS", Level.MUST, "RFC 3207 §4", "STARTTLS is offered."),
        Requirement("TLS-02", "TLS", Level.SHOULD, "RFC 3207 §4", HOSTILE, expected=HOSTILE),
        Requirement("RPL-01", "RPL", Level.MUST, "RFC 5321 §4.2", "Replies are well-formed."),
        Requirement("RPL-05", "RPL", Level.MUST, "RFC 5321 §4.2", "One command, one reply."),
    ]
    groups = (Group("RPL", "Replies"), Group("TLS", "STARTTLS"))
    return Catalogue(groups, {row.id: row for row in rows})


def transcript(octets: bytes = HOSTILE.encode()) -> Transcript:
    """A dialogue with these octets in both directions."""
    spoken = Transcript("client to mx")
    spoken.add("C", octets + b"\r\n")
    spoken.add("S", b"220-" + octets + b"\r\n220 \x1b[31m\xff\n")
    return spoken


def results(
    *verdicts: tuple[str, Verdict],
    text: str = HOSTILE,
    spoken: Transcript | None = None,
    examination: Examination | None = None,
) -> Results:
    """Report a run in which the checks of these requirements ended like this."""
    shown = transcript_to_json(spoken or transcript(), Secrets())
    outcomes = [
        Outcome(
            check=f"test_{name}[{text}]",
            requirements=(name,),
            finding=Finding(verdict, text, text, text),
            statement="It must hold.",
            remarks=(text,),
            transcripts=(shown,),
        )
        for name, verdict in verdicts
    ]
    rows = judged(catalogue(), None, outcomes, examination or Examination())
    return Results(
        run=Run(
            started_at=datetime(2026, 1, 1, tzinfo=UTC),
            duration_seconds=1.5,
            target=text,
            notes=(text,),
            dialogues=(Sanity("first", Stage.GREETED, text),),
            sanity_transcripts=(shown,),
        ),
        conclusion=conclude([row.verdict for row in rows]),
        groups=catalogue().groups,
        requirements=rows,
    )


def written(whole: Results, folder: Path, secrets: Secrets | None = None) -> Mapping[str, str]:
    """Write the files and read them back."""
    files = report.write(report.cleaned(whole, secrets or Secrets()), folder)
    assert [file.name for file in files] == FILES
    return {file.name: file.read_text("utf-8") for file in files}


def parsed(text: str) -> ElementTree.Element:
    """Read XML that we wrote ourselves."""
    return ElementTree.fromstring(text)  # noqa: S314


class Page(HTMLParser):
    """Collects the elements and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_hostile_text_stays_text_in_html(tmp_path: Path) -> None:
    """Nothing that a peer, a check or the catalogue says becomes markup."""
    page = Page(written(results(("TLS-01", Verdict.NOT_MET)), tmp_path)["report.html"])
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"img", "iframe", "object", "form", "base"}
    assert [tag for tag, _ in page.elements].count("script") == 1, "our own and no other"
    assert not [attrs for _, attrs in page.elements if any(name.startswith("on") for name in attrs)]
    assert "<script>alert(1)</script>" in page.text
    assert "{{7*7}}" in page.text


def test_the_page_asks_the_network_for_nothing(tmp_path: Path) -> None:
    """The file is whole in itself, and its policy forbids everything but its own style."""
    page = Page(written(results(("TLS-01", Verdict.MET)), tmp_path)["report.html"])
    for _, attrs in page.elements:
        for name in ("src", "href", "action", "data", "poster", "srcset", "style"):
            assert re.match(r"#|data:,|\Z", attrs.get(name) or ""), attrs
    policies = [attrs["content"] for tag, attrs in page.elements if "http-equiv" in attrs]
    assert len(policies) == 1
    assert str(policies[0]).startswith("default-src 'none'; style-src 'sha256-")


def test_the_page_names_every_requirement_with_its_verdict(tmp_path: Path) -> None:
    """Every requirement of the catalogue is there, checked or not, and can be linked to."""
    page = Page(written(results(("TLS-01", Verdict.MET)), tmp_path)["report.html"])
    anchors = {attrs.get("id") for _, attrs in page.elements}
    assert {"TLS-01", "TLS-02", "RPL-01", "RPL-05"} <= anchors
    assert "no check yet" in page.text


def test_what_needs_attention_is_open(tmp_path: Path) -> None:
    """A reader sees the evidence of an unmet requirement without a click."""
    whole = results(("TLS-01", Verdict.NOT_MET), ("TLS-02", Verdict.MET))
    page = Page(written(whole, tmp_path)["report.html"])
    is_open = {attrs["id"]: "open" in attrs for tag, attrs in page.elements if "id" in attrs}
    assert is_open["TLS-01"]
    assert not is_open["TLS-02"]


@pytest.mark.parametrize(
    ("verdict", "element"),
    [
        (Verdict.MET, None),
        (Verdict.NOT_MET, "failure"),
        (Verdict.INCONCLUSIVE, "error"),
        (Verdict.HARNESS_ERROR, "error"),
        (Verdict.NOT_CLAIMED, "skipped"),
        (Verdict.NOT_OBSERVABLE, "skipped"),
    ],
)
def test_junit_takes_nothing_but_met_for_a_pass(
    verdict: Verdict, element: str | None, tmp_path: Path
) -> None:
    """Each verdict has its JUnit element; what was not judged is skipped, never passed."""
    root = parsed(written(results(("TLS-01", verdict)), tmp_path)["junit.xml"])
    (case,) = [each for each in root.iter("testcase") if str(each.get("name")).startswith("TLS-01")]
    outcome = {"failure", "error", "skipped"} & {child.tag for child in case}
    assert outcome == ({element} if element else set())
    for suite in root.iter("testsuite"):
        assert suite.get("tests") == str(len(list(suite.iter("testcase"))))
    assert root.get("skipped") == str(len(list(root.iter("skipped"))))


@given(text=st.text(), octets=st.binary(max_size=200))
def test_junit_is_well_formed_whatever_a_peer_says(
    text: str, octets: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No octet breaks the XML, and no text the JSON."""
    whole = results(("TLS-01", Verdict.NOT_MET), text=text, spoken=transcript(octets))
    texts = written(whole, tmp_path_factory.mktemp("report"))
    parsed(texts["junit.xml"])
    assert json.loads(texts["results.json"])["schema"] == "2"


def test_summary_keeps_hostile_text_in_its_cell(tmp_path: Path) -> None:
    """No HTML, no new table cell, no mention of a person comes out of a peer's text."""
    text = written(results(("TLS-01", Verdict.NOT_MET)), tmp_path)["summary.md"]
    assert "<script" not in text
    assert "@octocat" not in text
    (row,) = [line for line in text.splitlines() if line.startswith("| TLS-01")]
    assert len(re.findall(r"(?<!\\)\|", row)) == 6


def test_results_have_a_stable_shape(tmp_path: Path) -> None:
    """Schema 1 promises these keys; taking one away needs a new schema."""
    whole = results(("TLS-01", Verdict.NOT_MET), ("TLS-02", Verdict.NOT_MET))
    document = json.loads(written(whole, tmp_path)["results.json"])
    assert set(document) >= {"schema", "suite", "run", "conclusion", "groups", "requirements"}
    assert set(document["conclusion"]) >= {"exit_code", "headline", "counts"}
    rows = {row["id"]: row for row in document["requirements"]}
    assert set(rows["TLS-01"]) >= {"id", "group", "level", "source", "wording", "verdict", "checks"}
    (check,) = rows["TLS-01"]["checks"]
    assert set(check) >= {"check", "verdict", "expected", "observed", "reason", "transcripts"}
    assert rows["TLS-01"]["verdict"] == "not met"
    assert rows["TLS-02"]["verdict"] == "warning", "a SHOULD warns"
    assert rows["RPL-01"]["verdict"] == "unchecked"
    assert document["conclusion"]["counts"]["not met"] == 1


def test_passive_rules_judge_their_requirements() -> None:
    """What the watching rules found is the verdict of their requirements."""
    broken = Transcript("client to mx")
    broken.add("S", b"220 mx\n", label="malformed")
    rows = {
        row.requirement.id: row
        for row in results(examination=combined([examine(broken)])).requirements
    }
    assert rows["RPL-01"].verdict is Verdict.NOT_MET
    assert rows["RPL-05"].verdict is Verdict.MET


def test_requirements_not_chosen_are_unchecked() -> None:
    """What was not selected is neither met nor unmet, and says why."""
    rows = judged(catalogue(), frozenset({"TLS-01"}), [], Examination(), with_check={"TLS-02"})
    reasons = {row.requirement.id: (row.verdict, row.reason) for row in rows}
    assert reasons["TLS-01"] == (Verdict.UNCHECKED, "no check yet")
    assert reasons["TLS-02"] == (Verdict.UNCHECKED, "not selected in this run")


def test_the_gate_removes_secrets_from_every_file(tmp_path: Path) -> None:
    """Even evidence that came unredacted leaves without the secret."""
    secrets = Secrets()
    secrets.add("correct-horse-battery")
    leaky = transcript(b"AUTH PLAIN AGMAY29ycmVjdC1ob3JzZS1iYXR0ZXJ5 correct-horse-battery")
    whole = results(("TLS-01", Verdict.NOT_MET), text="correct-horse-battery", spoken=leaky)
    for text in written(whole, tmp_path, secrets).values():
        assert "correct-horse" not in text
        assert "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5" not in text
    assert "correct-horse" in json.dumps(to_json(whole)), "the test must have something to find"


def test_a_run_without_a_catalogue_still_reports(tmp_path: Path) -> None:
    """A fault before everything else leaves files that say so."""
    run = Run(datetime(2026, 1, 1, tzinfo=UTC), 0.0, "x")
    conclusion = conclude([], harness_fault="no catalogue")
    texts = dict(written(Results(run, conclusion, (), ()), tmp_path))
    assert conclusion.exit_code is ExitCode.HARNESS_FAULT
    assert "harness fault" in texts.pop("badge.svg")
    assert json.loads(texts.pop("statement.json"))["predicate"]["result"] == "FAILED"
    assert all("no catalogue" in text for text in texts.values())
    assert parsed(texts["junit.xml"]).find(".//error") is not None


def test_results_follow_the_published_schema(tmp_path: Path) -> None:
    """Programs can rely on results.schema.json, and an unknown verdict would break it."""
    schema = json.loads((Path(report.__file__).parent / "results.schema.json").read_text("utf-8"))
    texts = written(results(("TLS-01", Verdict.NOT_MET), ("TLS-02", Verdict.MET)), tmp_path)
    document = json.loads(texts["results.json"])
    jsonschema_rs.validate(schema, document)
    document["requirements"][0]["verdict"] = "fine"
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(schema, document)


def test_packed_results_are_the_same_again(tmp_path: Path) -> None:
    """Texts and transcripts are kept once, and nothing is lost by it."""
    whole = results(("TLS-01", Verdict.NOT_MET), ("TLS-02", Verdict.MET))
    clean = report.cleaned(whole, Secrets())
    file = tmp_path / "results.json"
    file.write_text(archive.text_of(archive.packed(to_json(clean))), encoding="utf-8")
    assert archive.load(file) == json.loads(json.dumps(to_json(clean)))


def test_the_statement_names_every_file_by_its_hash(tmp_path: Path) -> None:
    """A release gate can tell that the bundle is whole and what failed in it."""
    written(results(("TLS-01", Verdict.NOT_MET), ("TLS-02", Verdict.MET)), tmp_path)
    statement = json.loads((tmp_path / "statement.json").read_text("utf-8"))
    assert statement["predicate"]["result"] == "FAILED"
    assert "TLS-01" in statement["predicate"]["failedTests"]
    hashes = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    assert {"report.html", "results.json", "junit.xml", "summary.md"} <= hashes.keys()
    for name, digest in hashes.items():
        assert hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() == digest


def test_a_failure_leaves_a_script_that_says_what_was_said(tmp_path: Path) -> None:
    """It runs without the harness, and sends the octets of the record."""
    whole = results(("TLS-01", Verdict.NOT_MET), spoken=transcript(b"EHLO client.example"))
    written(whole, tmp_path)
    script = tmp_path / "reproduce" / "TLS-01.py"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        running = subprocess.Popen([sys.executable, "-I", str(script), "127.0.0.1", port])
        connected, _ = listener.accept()
        with connected:
            connected.sendall(b"220 mx.example\r\n")
            connected.settimeout(20)
            assert connected.recv(100) == b"EHLO client.example\r\n"
    assert running.wait(20) == 0


@pytest.mark.parametrize(
    ("run", "word"),
    [
        ({"selection": ("TLS",)}, "part"),
        ({"order": Ordered(command="check")}, "check"),
        ({}, ""),
    ],
    ids=["a part", "a check", "everything"],
)
def test_only_the_whole_catalogue_is_a_certification(
    run: Mapping[str, Any], word: str, tmp_path: Path
) -> None:
    """A part and a check say so on the page, on the badge and to release gates."""
    whole = results(*((row.id, Verdict.MET) for row in catalogue()), text="plain")
    texts = written(replace(whole, run=replace(whole.run, notes=(), **run)), tmp_path)
    said = json.loads(texts["statement.json"])["predicate"]["result"]
    assert said == ("WARNED" if word else "PASSED")
    assert (f"submission: {word}: conformant" in texts["badge.svg"]) == bool(word)
    assert ("Judgement, not certification" in texts["report.html"]) == bool(word)
