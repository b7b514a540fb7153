"""Random dialogues, made by Hypothesis: each example is one connection to the real server."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hypothesis import strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from conformance.properties.dialogue import Dialogue, OpenDialogue, Violated, replay
from conformance.properties.dialogue_rules import OPENINGS, State, Step, onward
from conformance.properties.effort import Effort
from conformance.properties.saved import size_of
from conformance.properties.search import Search

Steps = tuple[str, ...]

_TROUBLES_IN_A_ROW = 3


@dataclass(slots=True)
class Played:
    """What many dialogues came to.

    Attributes:
        number: How many there were.
        steps: How many steps in all.
        violations: For each requirement the shortest dialogue that broke it.
        given_up: How many dialogues the server ended for no reason that can be seen.
        trouble: What ended it early, if anything did.
    """

    number: int = 0
    steps: int = 0
    violations: dict[str, Steps] = field(default_factory=dict)
    given_up: int = 0
    trouble: Exception | None = None
    _in_a_row: int = 0

    def troubled(self, search: Search[Steps], trouble: Exception) -> None:
        """Give a dialogue up, and all of them if it is not the first in a row.

        Servers have defences against odd clients; one that has no patience left for any client, or
        is gone, is another matter.

        Raises:
            Enough: It is too much.
        """
        self.given_up += 1
        self._in_a_row += 1
        if self._in_a_row >= _TROUBLES_IN_A_ROW:
            search.give_up(trouble)

    def ended(self, dialogue: Dialogue) -> None:
        """Count a dialogue."""
        self.number += 1
        self._in_a_row = 0
        self.steps += len(dialogue.played)

    def violated(self, dialogue: Dialogue, violated: Violated) -> None:
        """Keep a dialogue if none shorter broke this requirement."""
        steps = tuple(step.value for step in dialogue.played)
        known = self.violations.get(violated.requirement)
        if known is None or size_of(steps) < size_of(known):
            self.violations[violated.requirement] = steps


def play_all(opened: OpenDialogue, effort: Effort) -> Played:
    """Play random dialogues; collect what breaks a requirement and go on."""
    played = Played()

    def judge(dialogue: Dialogue, act: Callable[[], None]) -> None:
        try:
            act()
        except Violated as violated:
            played.violated(dialogue, violated)
            dialogue.give_up()

    search: Search[Steps] = Search(effort)
    search.run(lambda: _wander(opened, judge, played, search))
    played.trouble = search.trouble
    return played


def shorter(requirement: str, opened: OpenDialogue, effort: Effort, steps: Steps) -> Steps:
    """Leave out of a dialogue, one by one, the steps without which it breaks the same rule.

    A dialogue is a list; leaving out is quicker than to let Hypothesis find another one.
    """
    deadline = time.monotonic() + effort.shrink_seconds
    place = len(steps) - 1
    while place >= 0 and time.monotonic() < deadline:
        fewer = steps[:place] + steps[place + 1 :]
        try:
            replay(fewer, opened)
        except Violated as violated:
            if violated.requirement == requirement:
                steps = fewer
        except Exception:
            # Nothing can be learnt from a target in trouble; what was found stands.
            break
        place -= 1
    return steps


Judge = Callable[[Dialogue, Callable[[], None]], None]


def _wander(opened: OpenDialogue, judge: Judge, played: Played, search: Search[Steps]) -> None:
    class Wandering(RuleBasedStateMachine):
        """A client that does whatever comes to its mind."""

        def __init__(self) -> None:
            super().__init__()
            search.go_on()
            self.is_given_up = False
            try:
                self.dialogue = opened()
            except Exception as trouble:
                search.give_up(trouble)

        @property
        def state(self) -> State:
            return self.dialogue.state

        def play(self, step: Step) -> None:
            try:
                judge(self.dialogue, partial(self.dialogue.play, step))
            except Exception as trouble:
                self.give_up(trouble)

        def give_up(self, trouble: Exception) -> None:
            self.is_given_up = True
            self.dialogue.give_up()
            played.troubled(search, trouble)

        @initialize(opening=strategies.sampled_from(list(OPENINGS)))
        def begin(self, opening: str) -> None:
            for step in OPENINGS[opening]:
                self.play(step)

        @rule()
        def go_on(self) -> None:
            self.play(onward(self.state))

        @rule(step=strategies.sampled_from((Step.NOOP, Step.VRFY, Step.RSET, Step.EHLO, Step.HELO)))
        def pause(self, step: Step) -> None:
            self.play(step)

        @precondition(lambda self: self.dialogue.takes_mistakes)
        @rule(step=strategies.sampled_from([step for step in Step if step is not Step.QUIT]))
        def wander(self, step: Step) -> None:
            self.play(step)

        @precondition(lambda self: len(self.dialogue.played) > 6)
        @rule()
        def leave(self) -> None:
            self.play(Step.QUIT)

        def teardown(self) -> None:
            try:
                judge(self.dialogue, self.dialogue.end)
            except Exception as trouble:
                self.give_up(trouble)
            if not self.is_given_up:
                played.ended(self.dialogue)

    run_state_machine_as_test(Wandering, settings=search.effort.settings())
