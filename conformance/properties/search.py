"""Looking for an example that a judge finds at fault, within bounds.

Hypothesis generates and shrinks; this module sees to it that a search ends in time, that trouble
with the target ends it at once (nothing can be learnt from a server that is gone, least of all by
shrinking), and that the smallest example at fault is kept whatever happens afterwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from hypothesis import given
from hypothesis.errors import Flaky
from hypothesis.strategies import SearchStrategy

from conformance.properties.effort import Effort
from conformance.properties.saved import size_of

E = TypeVar("E")


class Enough(BaseException):
    """Ends a search; no `Exception`, so that Hypothesis neither catches nor shrinks it."""


@dataclass(slots=True)
class Search(Generic[E]):
    """One search, and what came of it.

    Attributes:
        effort: Its bounds.
        tried: How many examples were judged to the end and found in order.
        found: The smallest example at fault.
        trouble: What ended the search early, if it was neither time nor an example at fault.
        ended_early: Whether time or trouble ended it.
    """

    effort: Effort
    tried: int = 0
    found: E | None = None
    trouble: Exception | None = None
    ended_early: bool = False
    _ends_at: float = 0.0

    def run(self, attempts: Callable[[], None]) -> None:
        """Let Hypothesis work on something that calls `judge` for each example."""
        self._ends_at = 0.0
        try:
            attempts()
        except Enough:
            pass
        except (AssertionError, Flaky):
            # What is at fault was kept, and is judged once more by whoever asked. An example that
            # was ended half-way looks flaky to Hypothesis.
            if self.found is None and not self.ended_early:
                raise

    def over(self, strategy: SearchStrategy[E], judge: Callable[[E], None]) -> None:
        """Judge examples of a strategy."""

        @self.effort.settings()
        @given(strategy)
        def attempt(example: E) -> None:
            self.judge(example, judge)

        self.run(attempt)

    def judge(self, example: E, judge: Callable[[E], None]) -> None:
        """Judge one example.

        Raises:
            AssertionError: It is at fault.
            Enough: Time is up, or the target is in trouble.
        """
        self.go_on()
        try:
            judge(example)
        except AssertionError:
            self.keep(example)
            raise
        except Exception as trouble:
            self.give_up(trouble)
        self.tried += 1

    def go_on(self) -> None:
        """Let the next example begin, if there is time.

        Raises:
            Enough: There is none.
        """
        # Hypothesis may need a second for its tables before it has an example.
        self._ends_at = self._ends_at or time.monotonic() + self.effort.search_seconds
        if time.monotonic() > self._ends_at:
            self.ended_early = True
            raise Enough

    def give_up(self, trouble: Exception) -> None:
        """End the search for a reason that has nothing to do with its examples.

        Raises:
            Enough: Always.
        """
        self.trouble = trouble
        self.ended_early = True
        raise Enough from trouble

    def keep(self, example: E) -> None:
        """Remember an example at fault if it is the smallest; shrinking begins with the first."""
        if self.found is None:
            self._ends_at = time.monotonic() + self.effort.shrink_seconds
        if self.found is None or size_of(example) < size_of(self.found):
            self.found = example
