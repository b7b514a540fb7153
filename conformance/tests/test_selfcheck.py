"""The runner that judges the suite: what counts as noticed, and what does not."""

from __future__ import annotations

import multiprocessing

import pytest

from conformance.catalogue import Catalogue
from conformance.selfcheck import __main__ as selfcheck
from conformance.selfcheck import instrument, mutations, trial
from conformance.selfcheck.broken_relay import UNBROKEN, main
from conformance.selfcheck.coverage import without_mutation
from conformance.selfcheck.mutations import MUTATIONS
from conformance.verdict import ExitCode


def report(verdict: str, level: str = "MUST", exit_code: int = 1) -> dict[str, object]:
    """The part of results.json that the runner reads."""
    row = {"id": "TLS-09", "level": level, "verdict": verdict, "reason": "because"}
    other = {"id": "TLS-10", "level": "MUST", "verdict": "unchecked", "reason": "not selected"}
    return {"requirements": [row, other], "conclusion": {"exit_code": exit_code}}


@pytest.mark.parametrize(
    ("verdict", "level", "is_noticed"),
    [
        ("not met", "MUST", True),
        ("not met", "SERVICE", True),
        ("warning", "SHOULD", True),
        ("met", "MUST", False),
        ("harness error", "MUST", False),
        ("inconclusive", "MUST", False),
        ("not observable", "MUST", False),
        ("unchecked", "MUST", False),
    ],
)
def test_only_the_checks_own_assertion_kills(verdict: str, level: str, is_noticed: bool) -> None:
    """A crash, a skip or a shrug does not count as noticing a broken relay."""
    assert (not trial.survivors(report(verdict, level), ["TLS-09"])) is is_noticed


def test_a_check_that_accuses_the_unbroken_relay_is_named() -> None:
    """A check that is always red must not pass for a good one."""
    assert trial.accusations(report("not met")) == ("TLS-09 is not met: because",)
    assert trial.accusations(report("met", exit_code=0)) == ()


def test_unknown_mutations_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt name must not end as 0/0 killed."""
    assert selfcheck.main(["no-such-mutation"]) == ExitCode.USAGE
    assert main(["no-such-mutation", "serve"]) == 2
    assert "no-such-mutation" in capsys.readouterr().err


def test_every_mutation_names_known_requirements() -> None:
    """Each mutation says which requirements must notice, and what it does wrong."""
    catalogue = Catalogue.load()
    for name, mutation in MUTATIONS.items():
        assert mutation.requirements, name
        assert set(mutation.requirements) <= set(catalogue.requirements), name
        assert mutation.sentence.endswith("."), name
        assert name != UNBROKEN


def test_no_mutation_hides_another() -> None:
    """Two modules with a mutation of the same name would try one of them only."""
    modules = [value for value in vars(mutations).values() if hasattr(value, "MUTATIONS")]
    assert sum(len(module.MUTATIONS) for module in modules) == len(MUTATIONS)


@pytest.mark.parametrize("name", list(MUTATIONS))
def test_every_mutation_still_fits_the_relay(name: str) -> None:
    """A mutation that no longer applies would certify an unbroken relay."""
    # In a child, which takes the broken modules with it; a fork, since 239 imports take a minute.
    child = multiprocessing.get_context("fork").Process(target=MUTATIONS[name].apply)
    child.start()
    child.join(30)
    assert child.exitcode == 0


def test_the_instrument_shows_that_it_is_alive() -> None:
    """The control samples of a certification: the reference relay green, broken ones red."""
    assert instrument.trouble() == ""


def test_every_binding_requirement_with_a_check_has_a_deliberate_bug() -> None:
    """The kill matrix has no hole among MUST and SERVICE."""
    assert without_mutation(Catalogue.load()) == ()
