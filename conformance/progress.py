"""What a person sees while the checks run: one live line on a terminal, else a line per group."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from conformance.outcome import Outcome
from conformance.verdict import Verdict

_STYLES = {
    Verdict.MET: "green",
    Verdict.NOT_MET: "bold red",
    Verdict.HARNESS_ERROR: "bold magenta",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.WARNING: "yellow",
    Verdict.NOT_OBSERVABLE: "dim",
    Verdict.NOT_CLAIMED: "dim",
    Verdict.UNCHECKED: "dim",
}


def style_of(verdict: Verdict) -> str:
    """Return the rich style in which a verdict is written."""
    return _STYLES[verdict]


class Progress:
    """Tells how far the run is; a check counts for the group of the requirement it names first."""

    def __init__(self, console: Console, groups: Mapping[str, str]) -> None:
        """Begin to show progress.

        Args:
            console: Where to.
            groups: The group of each requirement.
        """
        self._console = console
        self._groups = groups
        self._planned: Counter[str] = Counter()
        self._total = 0
        self._done: Counter[str] = Counter()
        self._verdicts: dict[str, Counter[Verdict]] = {}
        self._began = time.monotonic()
        self._spinner = Spinner("dots", Text("collecting checks"))
        self._live: Live | None = None
        if console.is_terminal:
            self._live = Live(self._spinner, console=console, transient=True, refresh_per_second=8)
            self._live.start()

    def planned(self, requirements: Iterable[str]) -> None:
        """Take the first requirement of each check to come, where it is known in advance."""
        self._planned.update(self._groups[name] for name in requirements)
        self._total = self._planned.total()

    def planned_in_all(self, checks: int) -> None:
        """Take the number of checks to come, where their groups are not known yet."""
        self._total = checks

    def finished(self, outcome: Outcome) -> None:
        """Count a check that has ended."""
        group = self._groups[outcome.requirements[0]]
        self._done[group] += 1
        self._verdicts.setdefault(group, Counter())[outcome.finding.verdict] += 1
        if self._live is not None:
            self._spinner.update(text=self._line(group))
        elif self._planned[group] and self._done[group] == self._planned[group]:
            self._print_group(group)

    def end(self) -> None:
        """Take the live line away; print the groups whose end could not be foreseen."""
        if self._live is not None:
            self._live.stop()
            return
        for group, done in self._done.items():
            if done != self._planned[group]:
                self._print_group(group)

    def _print_group(self, group: str) -> None:
        line = Text(f"{group:<5}{self._done[group]:>4} checks: ")
        self._console.print(line.append_text(_counts_shown(self._verdicts[group])))

    def _line(self, group: str) -> Text:
        total = f" of {self._total}" if self._total else ""
        elapsed = time.monotonic() - self._began
        line = Text(f"{self._done.total()}{total} checks, {elapsed:.0f} s, {group}: ")
        counts: Counter[Verdict] = sum(self._verdicts.values(), Counter())
        return line.append_text(_counts_shown(counts))


def _counts_shown(counts: Counter[Verdict]) -> Text:
    shown = [
        Text(f"{counts[verdict]} {verdict.value}", style=style_of(verdict))
        for verdict in Verdict
        if counts[verdict]
    ]
    return Text(", ").join(shown)
