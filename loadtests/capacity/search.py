"""The search for the highest rate that meets the objectives: pure, told what each trial came to.

After MLRsearch (draft-ietf-bmwg-mlrsearch): short trials close in, long ones decide. The end is an
interval: at its lower rate every confirmation passed, at its upper one a confirmation failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What a trial came to."""

    MET = "met"
    NOT_MET = "not met"
    # The generator was the limit, or others on the machine: nothing can be said of the service.
    INSTRUMENT = "instrument"


@dataclass(frozen=True, slots=True)
class Ask:
    """A trial that is wanted."""

    rate: float
    seconds: float
    is_confirmation: bool


@dataclass(frozen=True, slots=True)
class Interval:
    """Where the capacity is.

    Attributes:
        low: Messages a second at which every confirmation met the objectives; 0 if none did.
        high: At which a confirmation did not; None if the instrument ended first: "at least".
    """

    low: float
    high: float | None

    def overlaps(self, other: Interval) -> bool:
        """Whether the two may be one capacity."""
        ends = [one.high if one.high is not None else float("inf") for one in (self, other)]
        return self.low <= ends[1] and other.low <= ends[0]

    def __str__(self) -> str:
        if self.high is None:
            return f"at least {self.low:,.0f}"
        return f"[{self.low:,.0f}, {self.high:,.0f}]"


class Search:
    """One search.

    Attributes:
        is_over: Whether the interval is final.
        is_confirmed: Whether it was confirmed within the number of trials allowed.
    """

    def __init__(
        self,
        start: float,
        *,
        precision: float = 0.1,
        trial_seconds: float = 4.0,
        confirm_seconds: float = 8.0,
        repeats: int = 2,
        most_trials: int = 24,
        most_rate: float = float("inf"),
    ) -> None:
        """Begin.

        Args:
            start: The first rate to try.
            precision: How far the ends may be apart, as a share of the lower one.
            trial_seconds: Of a short trial.
            confirm_seconds: Of a confirmation.
            repeats: How many confirmations the lower end must pass.
            most_trials: After so many the interval is what it is.
            most_rate: What the calibrated generator may be asked for.
        """
        self._step = 1.0 + precision
        self._seconds = (trial_seconds, confirm_seconds)
        self._repeats = repeats
        self._left = most_trials
        self._most = most_rate
        self._low, self._high = 0.0, float("inf")
        self._confirmed: dict[float, int] = {}
        self._failed: set[float] = set()
        self._next = min(start, most_rate)
        self._confirms = False
        self._is_capped = False
        self.is_over = False
        self.is_confirmed = False

    def ask(self) -> Ask | None:
        """The next trial, None when the search is over."""
        if self.is_over:
            return None
        return Ask(self._next, self._seconds[self._confirms], self._confirms)

    def tell(self, verdict: Verdict) -> None:
        """What the trial that was asked for came to."""
        self._left -= 1
        rate = self._next
        match verdict:
            case Verdict.MET:
                self._met(rate)
            case Verdict.NOT_MET:
                self._not_met(rate)
            case Verdict.INSTRUMENT:
                # No word on the service; above this rate there will be none either.
                self._is_capped = True
                self._most = min(self._most, rate / self._step)
                self._high = min(self._high, rate)
                self._low = min(self._low, rate / self._step)
        self._choose()
        if self._left <= 0:
            self.is_over = True

    @property
    def interval(self) -> Interval:
        """What is known: only confirmed rates are the lower end."""
        low = max(
            (rate for rate, times in self._confirmed.items() if times >= self._repeats),
            default=0.0,
        )
        if not self._failed:
            return Interval(low, None)
        return Interval(low, min((rate for rate in self._failed if rate > low), default=None))

    def _met(self, rate: float) -> None:
        if self._confirms:
            self._confirmed[rate] = self._confirmed.get(rate, 0) + 1
        if rate >= self._high:
            # Short trials fail by chance, too; the long one decides.
            self._failed.discard(rate)
            self._high = rate * self._step
        self._low = max(self._low, rate)

    def _not_met(self, rate: float) -> None:
        if self._confirms:
            self._confirmed.pop(rate, None)
        self._failed.add(rate)
        self._high = min(self._high, rate)
        if self._low >= self._high:
            self._low = rate / self._step
            # Whatever passed above was chance.
            self._confirmed = {one: n for one, n in self._confirmed.items() if one < rate}

    def _choose(self) -> None:
        if self._high == float("inf"):
            self._confirms = False
            self._next = min(self._low * 2, self._most)
            if self._low >= self._most:
                self._high, self._is_capped = self._low * self._step, True
            else:
                return
        if self._low == 0.0:
            self._confirms = False
            self._next = self._high / 2
            if self._next < 1.0:
                self.is_over = True
            return
        if self._high / self._low > self._step * 1.0001:
            self._confirms = False
            self._next = (self._low * self._high) ** 0.5
            return
        self._confirms = True
        if self._confirmed.get(self._low, 0) < self._repeats:
            self._next = self._low
            return
        self.is_over = self.is_confirmed = True
