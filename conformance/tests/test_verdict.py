"""The worst-of order, the exit codes and the headline."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.verdict import ExitCode, Level, Verdict, conclude, nothing_run, unmet, worst_of

VERDICTS = st.lists(st.sampled_from(Verdict), max_size=8)


def test_worst_of_order_is_pinned() -> None:
    """The order in which verdicts win over each other never changes by accident."""
    assert [verdict.value for verdict in sorted(Verdict, key=lambda each: each.severity)] == [
        "unchecked",
        "met",
        "not claimed",
        "not observable",
        "warning",
        "inconclusive",
        "harness error",
        "not met",
    ]


@given(VERDICTS, VERDICTS)
def test_folding_in_parts_gives_the_same_verdict(left: list[Verdict], right: list[Verdict]) -> None:
    """It does not matter in which order or in how many processes checks end."""
    assert worst_of([worst_of(right), worst_of(left)]) is worst_of([*left, *right])


def test_nothing_at_all_is_unchecked() -> None:
    """A requirement without checks has no verdict but unchecked."""
    assert worst_of([]) is Verdict.UNCHECKED


@pytest.mark.parametrize("skipped", [Verdict.NOT_CLAIMED, Verdict.NOT_OBSERVABLE])
def test_a_skip_beside_a_met_check_is_not_met_in_full(skipped: Verdict) -> None:
    """One parameter that was not seen keeps the whole requirement from being met."""
    assert worst_of([Verdict.MET, skipped]) is skipped


@pytest.mark.parametrize(
    ("level", "verdict"),
    [
        (Level.MUST, Verdict.NOT_MET),
        (Level.SERVICE, Verdict.NOT_MET),
        (Level.SHOULD, Verdict.WARNING),
        (Level.MAY, Verdict.WARNING),
    ],
)
def test_only_binding_levels_can_be_unmet(level: Level, verdict: Verdict) -> None:
    """Missing a SHOULD or a MAY warns and decides nothing."""
    assert unmet(level) is verdict


@pytest.mark.parametrize(
    ("verdicts", "code", "headline"),
    [
        (
            [Verdict.MET] * 2 + [Verdict.UNCHECKED],
            ExitCode.CONFORMANT,
            "conformant in the 2 of 3 requirements checked",
        ),
        (
            [Verdict.MET, Verdict.WARNING, Verdict.NOT_CLAIMED, Verdict.NOT_OBSERVABLE],
            ExitCode.CONFORMANT,
            "conformant in the 2 of 4 requirements checked",
        ),
        (
            [Verdict.MET, Verdict.NOT_MET, Verdict.INCONCLUSIVE, Verdict.HARNESS_ERROR],
            ExitCode.NOT_CONFORMANT,
            "not conformant: 1 requirement not met (2 of 4 checked)",
        ),
        (
            [Verdict.MET, Verdict.INCONCLUSIVE],
            ExitCode.INCONCLUSIVE,
            "inconclusive: 1 requirement could not be judged",
        ),
        (
            [Verdict.MET, Verdict.INCONCLUSIVE, Verdict.HARNESS_ERROR],
            ExitCode.HARNESS_FAULT,
            "harness fault: the checks of 1 requirement broke down",
        ),
        (
            [Verdict.NOT_CLAIMED, Verdict.NOT_OBSERVABLE, Verdict.UNCHECKED],
            ExitCode.INCONCLUSIVE,
            "inconclusive: no requirement could be judged on this target",
        ),
        (
            [Verdict.UNCHECKED],
            ExitCode.INCONCLUSIVE,
            "inconclusive: no requirement could be judged on this target",
        ),
    ],
)
def test_exit_code_and_headline(verdicts: list[Verdict], code: ExitCode, headline: str) -> None:
    """Each mixture of verdicts has its exit code and its sentence."""
    conclusion = conclude(verdicts)
    assert (conclusion.exit_code, conclusion.headline) == (code, headline)


@given(st.lists(st.sampled_from(Verdict), min_size=1))
def test_green_needs_a_judgement_and_no_blemish(verdicts: list[Verdict]) -> None:
    """Exit 0 means: something was judged, and nothing is unmet, broken or open."""
    is_green = conclude(verdicts).exit_code is ExitCode.CONFORMANT
    blemishes = {Verdict.NOT_MET, Verdict.HARNESS_ERROR, Verdict.INCONCLUSIVE}
    assert is_green == (
        any(verdict.is_judged for verdict in verdicts) and not blemishes.intersection(verdicts)
    )


def test_target_trouble_is_never_green() -> None:
    """A target that was gone at the end is inconclusive even if all checks passed."""
    conclusion = conclude([Verdict.MET], trouble="the target does not answer")
    assert conclusion.exit_code is ExitCode.INCONCLUSIVE


def test_our_own_fault_is_never_green() -> None:
    """A fault outside the checks is exit 4 even if all checks passed."""
    conclusion = conclude([Verdict.MET], harness_fault="a worker died")
    assert conclusion.exit_code is ExitCode.HARNESS_FAULT


def test_counts_add_up() -> None:
    """The counts hold every verdict, also those that nobody got."""
    counts = conclude([Verdict.MET, Verdict.MET, Verdict.UNCHECKED]).counts
    assert sum(counts.values()) == 3
    assert set(counts) == set(Verdict)


def test_a_run_that_never_began_has_everything_unchecked() -> None:
    """Without a run, all requirements are unchecked."""
    conclusion = nothing_run(303, ExitCode.USAGE, "usage error: x")
    assert conclusion.counts[Verdict.UNCHECKED] == 303
    assert conclusion.exit_code is ExitCode.USAGE


def test_exit_codes_are_pinned() -> None:
    """Callers rely on the numbers."""
    assert [code.value for code in ExitCode] == [0, 1, 2, 3, 4]
