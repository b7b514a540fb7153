"""Random dialogues with the relay under test: every reply is one that its state allows."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest

from conformance.judgement import inconclusive, must, not_claimed, remark
from conformance.properties.conftest import AtFault
from conformance.properties.dialogue import Dialogue, OpenDialogue, Violated, replay
from conformance.properties.dialogue_machine import Played, Steps, play_all, shorter
from conformance.properties.dialogue_rules import OF_CHUNKING, TOURS, tour
from conformance.properties.effort import Effort
from conformance.properties.saved import SavedExample
from conformance.requirement import requirement, takes_seconds
from fixtures.plugin import Connect
from fixtures.target import Target

pytestmark = takes_seconds(2)

Play = Callable[[OpenDialogue], Played]

_MOST_PASSES = 2


@pytest.fixture
def opened(connect: Connect, target: Target, token: str) -> OpenDialogue:
    """Open dialogues, at the endpoint that serves the primary account's region."""
    account = target.account()
    region = (target.claims("endpoint_regions") or {}).get(account.region)
    numbers = count(1)

    def opened() -> Dialogue:
        return Dialogue(connect(region=region), target, f"{token}d{next(numbers)}")

    return opened


@pytest.fixture(scope="session")
def play(effort: Effort) -> Play:
    """Play the random dialogues once; every requirement is judged by the same ones."""
    known: list[Played] = []

    def play(opened: OpenDialogue) -> Played:
        # Whoever asked for patience may have it by now; but nobody is asked more than twice.
        if not known or (known[-1].trouble is not None and len(known) < _MOST_PASSES):
            known.append(play_all(opened, effort))
        return known[-1]

    return play


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=requirement(name), id=name) for name in TOURS]
)
def test_every_reply_fits_its_state(
    name: str,
    play: Play,
    opened: OpenDialogue,
    effort: Effort,
    saved: SavedExample | None,
    at_fault: AtFault,
) -> None:
    """No dialogue, in whatever order its commands come, meets a reply that breaks this rule."""
    seen: dict[str, str] = {}

    def judge(steps: Steps) -> None:
        try:
            seen.update(replay(steps, opened).seen)
        except Violated as violated:
            if violated.requirement == name:
                raise

    if saved is not None:
        judge(saved.example)
        must(True, "a dialogue that keeps the rule", "the saved example is in order")
        return
    played = play(opened)
    broken = played.violations.get(name)
    steps = tuple(step.value for step in tour(name))
    try:
        judge(steps)
    except Violated:
        # Shorter than what chance brings.
        broken = steps
    if broken is not None:
        at_fault(shorter(name, opened, effort, broken), judge)
    if played.trouble is not None:
        raise played.trouble
    if name not in seen:
        if name in OF_CHUNKING:
            not_claimed("CHUNKING is not advertised")
        inconclusive("another rule was broken before this one could be judged")
    if played.given_up:
        remark(
            f"{played.given_up} dialogues were given up: the server hung up or asked for patience"
        )
    expected = f"a reply that fits, in {played.number} random dialogues of {played.steps} steps too"
    must(True, expected, seen[name])
