from __future__ import annotations

import pytest

from loadtests.capacity.grounds import relay
from loadtests.capacity.under_load import check
from loadtests.schedule import Schedule
from loadtests.selfcheck.__main__ import COMMAND, Trial, caught
from loadtests.trial import Load

SHORT = Trial(rate=80, seconds=2.5, every=100)
KILLED = Trial(rate=80, seconds=3, every=1, is_killed=True)


@pytest.mark.parametrize(
    ("name", "trial", "wanted"),
    [
        ("dropped", SHORT, "missing"),
        ("doubled", SHORT, "doubled"),
        ("acknowledged-early", KILLED, "missing"),
        ("open-when-busy", SHORT, "fails open"),
    ],
)
def test_each_defect_is_caught_by_its_own_sign(name: str, trial: Trial, wanted: str) -> None:
    """One message in a hundred, or only after a crash, or only when busy: it shows."""
    assert any(wanted in sign for sign in caught(name, trial))


@pytest.mark.parametrize("trial", [SHORT, KILLED])
def test_a_sound_relay_is_not_accused(trial: Trial) -> None:
    """Neither under load nor after a kill in the middle of it."""
    assert caught("none", trial) == []


# The suite's own process takes its time on a busy machine, and so does each sink.
@pytest.mark.timeout(500)
@pytest.mark.parametrize("name", ["none", "open-when-busy"])
def test_the_suites_own_checks_run_against_the_loaded_relay(name: str) -> None:
    """A relay that is open only when busy passes at rest and is not met under load."""
    load = Load(Schedule.constant(80, 450, poisson=True), users=10)
    with relay(command=COMMAND.format(name=name)) as opened:
        assert opened.target is not None
        seen = check(opened.site, opened.target, load, 80, ["SND-02,ATT-01,TLS-01"])
    assert seen.was_loaded
    assert seen.not_met == (() if name == "none" else ("SND-02",))
    assert seen.is_met == (name == "none")


@pytest.mark.timeout(500)
def test_the_checks_may_run_at_one_level_after_the_other() -> None:
    """At 100 % and then at 120 %, against the same relay: the second finds its way as well."""
    load = Load(Schedule.constant(20, 450, poisson=True), users=3)
    with relay() as opened:
        assert opened.target is not None
        levels = [check(opened.site, opened.target, load, 20, ["SND-02"]) for _ in range(2)]
    assert [one.verdicts.get("met") for one in levels] == [1, 1]
    assert all(one.was_loaded for one in levels)
