"""No secret of any shape survives in a file of the report, on the terminal or in a process list."""

from __future__ import annotations

import base64
import html
import json
import string
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from conformance import report
from conformance.judgement import octets_shown
from conformance.outcome import Finding, Outcome, transcript_to_json
from conformance.passive import Examination
from conformance.properties.saved import SavedExample
from conformance.report.results import Results, judged
from conformance.tests.odd_targets import odd_target
from conformance.tests.test_reports import catalogue, results
from conformance.verdict import Verdict
from fixtures.redaction import Secrets
from fixtures.transcript import Transcript

ROOT = Path(__file__).parent.parent.parent

# What people choose and what programs make: words with the letters that every format escapes in its
# own way, UTF-8, and tokens of all alphabets.
ODD = "<>&\"'`\\|*_{}[]()#+.!?^$/=%~@,;: -\t"
PASSWORDS = st.one_of(
    st.text(ODD + string.ascii_letters + string.digits, min_size=8, max_size=40),
    st.text("\"'\\<&aZ9", min_size=8, max_size=20),
    st.text(string.ascii_letters + "äß€Ж漢", min_size=6, max_size=20),
    st.binary(min_size=12, max_size=48).map(lambda one: base64.urlsafe_b64encode(one).decode()),
    st.binary(min_size=12, max_size=48).map(lambda one: base64.b64encode(one).decode()),
    st.binary(min_size=8, max_size=32).map(bytes.hex),
)


def spoken(secret: str, name: str) -> Transcript:
    """A dialogue in which the secret stands in every form that AUTH knows, whole and in pieces."""
    octets = secret.encode()
    transcript = Transcript(f"client to {name}")
    plain = base64.b64encode(b"\0user\0" + octets)
    transcript.add("C", b"AUTH PLAIN " + plain + b"\r\n")
    transcript.add("C", base64.b64encode(octets) + b"\r\n")
    for at in range(0, len(plain), 3):
        transcript.add("C", plain[at : at + 3])
    transcript.add("S", b"535 5.7.8 no " + octets.replace(b"\r", b"") + b"\r\n")
    return transcript


def told(secret: str, secrets: Secrets) -> Results:
    """A run whose every text holds the secret, as careless checks would write it."""
    octets = secret.encode()
    forms = (
        secret,
        f"before{secret}behind",
        octets_shown(b"\xff" + octets + b"\0"),
        repr(octets),
        repr(secret),
        json.dumps(secret),
        base64.b64encode(b"user\0" + octets).decode(),
        base64.b64encode(octets).decode(),
    )
    text = " | ".join(forms)
    transcript = transcript_to_json(spoken(secret, text), secrets)
    example = SavedExample("test_x.py::test_x", "TLS-01", text, text, (secret, octets, text))
    outcomes = [
        Outcome(
            check=f"test_{name}[{text}]",
            requirements=(name,),
            finding=Finding(verdict, text, text, text),
            remarks=forms,
            held=((text, text),),
            examples=(example.to_json(),),
            transcripts=(transcript,),
        )
        for name, verdict in (("TLS-01", Verdict.NOT_MET), ("TLS-02", Verdict.INCONCLUSIVE))
    ]
    whole = results(text=text, spoken=Transcript("client to mx"))
    rows = judged(catalogue(), None, outcomes, Examination())
    return replace(whole, requirements=rows)


def readings(text: str) -> Iterator[str]:
    """Read a text as the formats of the bundle are read: JSON, HTML, XML, Markdown, Python."""
    yield text
    yield html.unescape(text)
    yield html.unescape(text).replace("\\", "")
    if text.startswith("{"):
        yield "\n".join(strings_of(json.loads(text)))


def strings_of(document: Any) -> Iterator[str]:
    """Every text in a JSON document."""
    match document:
        case str():
            yield document
        case list():
            for one in document:
                yield from strings_of(one)
        case dict():
            for one in document.values():
                yield from strings_of(one)
        case _:
            pass


def traces(secret: str) -> Iterator[str]:
    """What gives the secret away: itself, its octets spelled out, and its base64 anywhere."""
    octets = secret.encode()
    yield secret
    yield octets_shown(octets)
    yield repr(octets)[2:-1]
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + octets)
        yield encoded[-(-shift * 8 // 6) : (shift + len(octets)) * 8 // 6].decode()


# A whole bundle is written twice for each.
@settings(max_examples=40)
@given(secret=PASSWORDS)
def test_no_secret_survives_in_any_file(secret: str) -> None:
    """Whatever its letters, and whatever format it is written in."""
    secrets = Secrets()
    with tempfile.TemporaryDirectory() as name:
        # What is there without a secret is our own text.
        report.write(report.cleaned(told("", secrets), secrets), Path(name))
        innocent = "".join(one for text in bundle(Path(name)).values() for one in readings(text))
    assume(not any(trace in innocent for trace in traces(secret)))
    secrets.add(secret)
    with tempfile.TemporaryDirectory() as name:
        report.write(report.cleaned(told(secret, secrets), secrets), Path(name))
        files = bundle(Path(name))
    assert {"examples/TLS-01.json", "reproduce/TLS-01.py", "report.html"} <= files.keys()
    for file, text in files.items():
        for reading in readings(text):
            for trace in traces(secret):
                assert trace not in reading, f"{file} holds {trace!r}"


def bundle(folder: Path) -> dict[str, str]:
    """Every file of a bundle by its name."""
    return {
        str(file.relative_to(folder)): file.read_text("utf-8")
        for file in folder.rglob("*")
        if file.is_file()
    }


# Quotes and brackets of every format, a shell's and a regular expression's words, UTF-8, entities;
# and what is base64 already.
NASTY = ("a<b>&\"c\"'d'\\e|f*g_h{0}$(id)`id`^.*?[a-z]+$ #1pä%41ß€&amp;x", "Zm9vYmFyYmF6cXV4==")


@pytest.mark.parametrize("password", NASTY)
def test_no_secret_leaves_a_certification(
    password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole run against a real server: files, terminal, and the command line of every process."""
    monkeypatch.setenv("STUB_USERNAME", "somebody")
    monkeypatch.setenv("STUB_PASSWORD", password)
    out = tmp_path / "out"
    with odd_target(tmp_path, ["mx.example"]) as profile:
        command = [sys.executable, "-m", "conformance", "check", "--target", str(profile)]
        command += ["--only", "CTL-02", "--out", str(out)]
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        listed = b""
        said = ""
        while not said:
            listed += command_lines()
            try:
                said, _ = process.communicate(timeout=0.05)
            except subprocess.TimeoutExpired:
                continue
    assert b"conformance" in listed
    # The server did get it.
    assert "AUTH PLAIN ***" in bundle(out)["results.json"]
    for trace in traces(password):
        assert trace.encode() not in listed
        for text in (said, *bundle(out).values()):
            assert not any(trace in reading for reading in readings(text)), trace


def command_lines() -> bytes:
    """The command line of every process that there is."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes())
        except OSError:
            continue
    return b"\n".join(found)
