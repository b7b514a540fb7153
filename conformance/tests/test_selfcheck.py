"""The runner that judges the suite: what counts as noticed, and what does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from conformance.catalogue import Catalogue, Requirement
from conformance.passive import RULE_IDS
from conformance.report.results import RequirementResult, Results, Run
from conformance.selfcheck import __main__ as selfcheck
from conformance.selfcheck import broken_relay, fit, instrument, mutations, trial
from conformance.selfcheck.broken_relay import UNBROKEN, main
from conformance.selfcheck.coverage import with_check, without_mutation
from conformance.selfcheck.fit import misfits
from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.mutations import MUTATIONS
from conformance.selfcheck.nursery import PROGRAM, forked
from conformance.selfcheck.patching import replace, some_account
from conformance.selfcheck.trial import Ending, Sample, Trial
from conformance.verdict import ExitCode, Level, Verdict, conclude
from fixtures.profile import DEFAULT_PROFILE, load_profile
from fixtures.relay_process import launching_by
from fixtures.world import World


def results(verdict: Verdict, level: Level = Level.MUST) -> Results:
    """What a certification by TLS-09 came to."""
    rows = (
        RequirementResult(_row("TLS-09", level), verdict, "because"),
        RequirementResult(_row("TLS-10", Level.MUST), Verdict.UNCHECKED, "not selected"),
    )
    run = Run(datetime.now(UTC), 0.0, "a relay")
    return Results(run, conclude(each.verdict for each in rows), (), rows)


def _row(name: str, level: Level) -> Requirement:
    return Requirement(id=name, group="TLS", level=level, source="RFC 3207", wording="")


@pytest.mark.parametrize(
    ("verdict", "level", "ending"),
    [
        (Verdict.NOT_MET, Level.MUST, Ending.PASSED),
        (Verdict.NOT_MET, Level.SERVICE, Ending.PASSED),
        (Verdict.WARNING, Level.SHOULD, Ending.PASSED),
        (Verdict.MET, Level.MUST, Ending.FAILED),
        (Verdict.NOT_OBSERVABLE, Level.MUST, Ending.FAILED),
        (Verdict.UNCHECKED, Level.MUST, Ending.FAILED),
        (Verdict.HARNESS_ERROR, Level.MUST, Ending.BROKE_DOWN),
        (Verdict.INCONCLUSIVE, Level.MUST, Ending.BROKE_DOWN),
    ],
)
def test_only_the_checks_own_assertion_kills(
    verdict: Verdict, level: Level, ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash, a skip or a shrug is no kill; what the suite could not judge is no survivor."""
    monkeypatch.setattr(trial, "certified", lambda sample: results(verdict, level))
    assert trial.tried(Sample("a-mutation", ("TLS-09",))).ending is ending


@pytest.mark.parametrize(
    ("verdict", "ending"),
    [
        (Verdict.MET, Ending.PASSED),
        (Verdict.NOT_MET, Ending.FAILED),
        (Verdict.WARNING, Ending.FAILED),
        (Verdict.INCONCLUSIVE, Ending.BROKE_DOWN),
        # Not one requirement was judged.
        (Verdict.NOT_CLAIMED, Ending.BROKE_DOWN),
    ],
)
def test_a_check_that_accuses_the_unbroken_relay_is_named(
    verdict: Verdict, ending: Ending, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A check that is always red must not pass for a good one."""
    monkeypatch.setattr(trial, "certified", lambda sample: results(verdict))
    assert trial.tried(Sample.unbroken(["TLS-09"])).ending is ending


def test_what_broke_down_is_tried_once_more_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A neighbour's noise is no survivor and no kill; a survivor gets no second chance."""
    rounds: list[tuple[list[str], int]] = []
    endings = {
        "rset-does-nothing": [Ending.BROKE_DOWN, Ending.PASSED],
        "etrn-left-on": [Ending.BROKE_DOWN, Ending.BROKE_DOWN],
        "noop-resets": [Ending.FAILED],
    }

    def trials(samples: Sequence[Sample], jobs: int) -> list[Trial]:
        samples = [each for each in samples if not each.is_control]
        rounds.append(([each.name for each in samples], jobs))
        return [Trial(each, endings[each.name][len(rounds) > 1], (), 0.1) for each in samples]

    monkeypatch.setattr(selfcheck, "_trials", trials)
    names = ["rset-does-nothing", "etrn-left-on", "noop-resets"]
    assert selfcheck.main([*names, "--jobs", "3"]) == ExitCode.NOT_CONFORMANT
    assert rounds[1:] == [(["rset-does-nothing"], 1), (["etrn-left-on"], 1)]
    said = capsys.readouterr().out
    assert "once more, with nothing beside it: CTL-01 rset-does-nothing" in said
    assert said.endswith("1/3 killed\n")


def test_a_broken_relay_is_born_by_fork_and_dies_like_a_program(tmp_path: Path) -> None:
    """What `RelayProcess` is promised of a child also holds for one that was forked."""
    profile = load_profile(DEFAULT_PROFILE)
    command = " ".join(("{python}", *PROGRAM, UNBROKEN, "serve", "--config", "{config}"))
    with launching_by(forked), World(profile, command=command, folder=tmp_path) as world:
        assert world.relay.is_running
        assert world.relay.ready["pid"] == world.relay.pid
        world.relay.kill()
        assert not world.relay.is_running
        world.relay.start()
        assert world.relay.terminate() == 0
        assert "event=stopped" in world.relay.stderr_tail()


def test_a_world_of_a_mutation_that_lets_anybody_send_is_like_any_other() -> None:
    """Whose account it takes must not depend on the order of random ids."""
    directory = SimpleNamespace(
        configurations=(
            _configuration("managed.example"),
            _configuration("pending.example", "pending", missing=("SPF",)),
            _configuration("other.example", "somebody"),
            _configuration("example.com", "mailer"),
        ),
        account=lambda name: name,
    )
    assert some_account(directory) == "mailer"
    assert some_account(directory, "other.example") == "somebody"


def _configuration(domain: str, *users: str, missing: tuple[str, ...] = ()) -> SimpleNamespace:
    return SimpleNamespace(
        domain=domain,
        users=tuple(SimpleNamespace(username=name) for name in users),
        verification=SimpleNamespace(missing=missing),
    )


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


def test_mutations_are_also_judged_by_what_they_do_not_break() -> None:
    """Beside its own check, which must be red, a broken relay meets green ones of other groups."""
    assert set(selfcheck.NARROW) <= set(MUTATIONS)
    beside = Sample.beside("rset-does-nothing")
    assert beside.is_control
    assert len(beside.requirements) >= 10
    assert not any(name.startswith("CTL-") for name in beside.requirements)
    assert beside in selfcheck.samples(["rset-does-nothing"])


def test_every_control_has_a_check_to_run() -> None:
    """Rules that judge every reply go with the checks of other groups: alone they judge nothing."""
    controls = [each for each in selfcheck.samples(list(MUTATIONS)) if each.name == UNBROKEN]
    assert all(set(each.requirements) - set(RULE_IDS) for each in controls)
    named = {name for each in MUTATIONS.values() for name in each.requirements}
    assert named <= {name for each in controls for name in each.requirements}


def test_no_mutation_hides_another() -> None:
    """Two modules with a mutation of the same name would try one of them only."""
    modules = [value for value in vars(mutations).values() if hasattr(value, "MUTATIONS")]
    assert sum(len(module.MUTATIONS) for module in modules) == len(MUTATIONS)


def test_every_mutation_still_fits_the_relay() -> None:
    """A mutation that no longer applies would certify an unbroken relay."""
    assert misfits() == {}


def test_a_mutation_that_names_what_is_gone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Renaming something in the relay must not leave its mutation without effect."""

    def outdated() -> None:
        replace(broken_relay, "name_of_last_year", None)

    monkeypatch.setattr(fit, "MUTATIONS", {"outdated": Mutation(("CTL-01",), outdated, "None.")})
    assert list(misfits()) == ["outdated"]
    assert "name_of_last_year" in misfits()["outdated"]


def test_the_instrument_shows_that_it_is_alive() -> None:
    """The control samples of a certification: the reference relay green, broken ones red."""
    assert instrument.trouble() == ""


def test_every_binding_requirement_with_a_check_has_a_deliberate_bug() -> None:
    """The kill matrix has no hole among MUST and SERVICE."""
    assert without_mutation(Catalogue.load()) == ()


def test_every_binding_requirement_has_a_check() -> None:
    """No MUST and no SERVICE of the catalogue is there for show."""
    checked = with_check()
    assert [
        row.id for row in Catalogue.load() if row.level.is_binding and row.id not in checked
    ] == []
