"""Whole certifications: each in a process of its own, as a user starts them."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.tests.runs import certified

EVERY_VERDICT = """
@requirement("GRT-01")
def test_met():
    "It is met."

@requirement("GRT-02")
@pytest.mark.parametrize("number", [1, 2, 3])
def test_not_met(number):
    "The worst parameter decides."
    must(number != 2, expected="anything but 2", observed=number)

@requirement("GRT-10")
def test_warning():
    "A SHOULD."
    must(False, expected="kindness", observed="none")

@requirement("GRT-03")
def test_not_claimed():
    "Not claimed."
    not_claimed("the profile says no")

@requirement("GRT-04")
def test_not_observable():
    "Not observable."
    not_observable("no sink")

@requirement("GRT-05")
def test_inconclusive():
    "Inconclusive."
    raise ConnectionLost("reset by peer")

@requirement("GRT-06")
def test_harness_error():
    "Our mistake."
    raise KeyError("oops")

@requirement("GRT-07")
def test_skip():
    "A skip is no verdict."
    pytest.skip("do not feel like it")

@requirement("GRT-08")
@pytest.mark.xfail(reason="known", strict=False)
def test_xfail():
    "An expected failure is no verdict either."
    must(False, expected="a", observed="b")

@pytest.fixture
def broken():
    raise Refused("AUTH", Reply(535, "5.7.8", ("no",), b"535 5.7.8 no\\r\\n"))

@requirement("GRT-09")
def test_set_up(broken):
    "Set-up judges like the check itself."

@pytest.fixture
def untidy():
    yield
    raise RuntimeError("left something behind")

@requirement("GRT-11")
def test_tear_down(untidy):
    "A broken tear-down is our mistake."

@requirement("GRT-12", "CMD-01")
def test_two_requirements():
    "One check may judge two requirements."
    remark("unusual")
"""


@pytest.mark.parametrize("workers", ["", "-n 2"], ids=["one process", "two workers"])
def test_every_end_of_a_check_has_its_verdict(tmp_path: Path, workers: str) -> None:
    """The verdicts are the same in one process and in several."""
    (ended,) = certified(tmp_path, EVERY_VERDICT, "", more=workers)
    assert ended.verdicts() == {
        "GRT-01": "met",
        "GRT-02": "not met",
        "GRT-10": "warning",
        "GRT-03": "not claimed",
        "GRT-04": "not observable",
        "GRT-05": "inconclusive",
        "GRT-06": "harness error",
        "GRT-07": "harness error",
        "GRT-08": "harness error",
        "GRT-09": "not met",
        "GRT-11": "harness error",
        "GRT-12": "met",
        "CMD-01": "met",
    }
    assert ended.exit_code == 1
    checks = ended.row("GRT-02")["checks"]
    assert sorted(check["verdict"] for check in checks) == ["met", "met", "not met"]
    assert ended.row("GRT-12")["checks"][0]["remarks"] == ["unusual"]


def test_exit_codes(tmp_path: Path) -> None:
    """Each conclusion has its exit code, and the report its sentence."""
    due = {
        "GRT-01": (0, "conformant in the 1 of "),
        "GRT-01,GRT-12": (0, "conformant in the 2 of "),
        "GRT-02": (1, "not conformant: 1 requirement not met (1 of "),
        "GRT-10": (0, "conformant in the 1 of "),
        "GRT-05": (3, "inconclusive: 1 requirement"),
        "GRT-03,GRT-04": (3, "inconclusive: no requirement could be judged"),
        "GRT-07": (4, "harness fault: the checks of 1 requirement"),
        "DATA-01": (2, "usage error: none of the requirements selected has a check"),
        "NOPE": (2, "usage error: --only NOPE: no such requirement or group"),
    }
    runs = certified(tmp_path, EVERY_VERDICT, *due)
    for (only, (exit_code, headline)), ended in zip(due.items(), runs, strict=True):
        assert ended.exit_code == exit_code, only
        assert ended.results["conclusion"]["headline"].startswith(headline), only


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ('@requirement("GRT-99")\ndef test_x(): pass\n', "unknown requirement GRT-99"),
        ("def test_x(: pass\n", "could not be collected"),
        ("raise RuntimeError('at import')\n", "could not be collected"),
    ],
)
def test_checks_that_cannot_be_collected_are_our_fault(
    tmp_path: Path, checks: str, message: str
) -> None:
    """A suite with an unknown id or a broken file certifies nobody."""
    (ended,) = certified(tmp_path, checks, "")
    assert ended.exit_code == 4, ended.said
    assert message in ended.results["conclusion"]["headline"]


def test_a_relay_that_died_is_not_accused(tmp_path: Path) -> None:
    """What failed while the target went away is inconclusive, and so is all that follows."""
    (ended,) = certified(
        tmp_path,
        """
@requirement("GRT-01")
def test_before():
    "Before."

@requirement("GRT-02")
def test_kills():
    "Kills the target."
    stub_world.stage = Stage.NOTHING
    must(False, expected="a reply", observed="silence")

@requirement("GRT-03")
def test_after():
    "After."
    must(False, expected="never runs", observed="ran")
""",
        "",
    )
    assert ended.verdicts() == {
        "GRT-01": "met",
        "GRT-02": "inconclusive",
        "GRT-03": "inconclusive",
    }
    assert ended.exit_code == 3
    assert "did not survive" in ended.row("GRT-02")["reason"]
    assert "silence" in ended.row("GRT-02")["reason"]
    assert "no longer answers" in ended.row("GRT-03")["reason"]


def test_an_interrupted_run_is_inconclusive(tmp_path: Path) -> None:
    """Ctrl-C leaves four files, what was found so far, and exit 3."""
    (ended,) = certified(
        tmp_path,
        """
@requirement("GRT-01")
def test_before():
    "Before."

@requirement("GRT-02")
def test_interrupted():
    "Interrupted."
    raise KeyboardInterrupt
""",
        "",
    )
    assert ended.exit_code == 3
    assert ended.verdicts() == {"GRT-01": "met"}
    assert "interrupted" in ended.results["conclusion"]["headline"]


def test_wrong_credentials_accuse_nobody(tmp_path: Path) -> None:
    """Where the first dialogue fails at AUTH, a check that needs AUTH finds nothing."""
    (ended,) = certified(
        tmp_path,
        """
stub_world.stage = Stage.ENCRYPTED

def refused_at_auth():
    spoken = current_recorder().register(Transcript("client to mx"))
    spoken.add("C", b"AUTH PLAIN xxxx\\r\\n", is_tls=True)
    reply = Reply(535, "5.7.8", ("no",), b"535 5.7.8 no\\r\\n")
    spoken.add_reply(reply, b"AUTH PLAIN xxxx", "AUTH PLAIN xxxx", is_tls=True)

@requirement("GRT-01")
def test_needs_auth():
    "Needs AUTH."
    refused_at_auth()
    must(False, expected="235", observed="535")

@requirement("GRT-02")
def test_needs_none():
    "Needs none."
    must(False, expected="a greeting", observed="none")
""",
        "",
    )
    assert ended.row("GRT-01")["verdict"] == "inconclusive"
    assert ended.row("GRT-02")["verdict"] == "not met"


def test_passive_rules_watch_every_check(tmp_path: Path) -> None:
    """A malformed reply in any check breaks RPL-01, though that check is content."""
    (ended,) = certified(
        tmp_path,
        """
@requirement("GRT-01")
def test_content():
    "Content."
    spoken = current_recorder().register(Transcript("client to mx"))
    spoken.add("S", b"220 mx.example\\n", label="malformed")
""",
        "",
    )
    assert ended.verdicts()["GRT-01"] == "met"
    assert ended.verdicts()["RPL-01"] == "not met"
    assert "client to mx" in str(ended.row("RPL-01")["checks"])


def test_no_secret_reaches_a_file_or_the_terminal(tmp_path: Path) -> None:
    """A password that a check shows everywhere is shown nowhere."""
    (ended,) = certified(
        tmp_path,
        """
@requirement("GRT-01")
@pytest.mark.parametrize("word", ["correct-horse-battery"])
def test_leaks(word):
    "Leaks."
    SECRETS.add(word)
    remark(f"remarked {word}")
    encoded = b"AGMAY29ycmVjdC1ob3JzZS1iYXR0ZXJ5\\xff"
    must(False, expected=f"not {word}", observed=encoded + word.encode())
""",
        "",
    )
    assert ended.exit_code == 1
    for text in [ended.said, *(file.read_text("utf-8") for file in ended.out.rglob("*.*"))]:
        assert "correct-horse" not in text
        assert "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5" not in text
