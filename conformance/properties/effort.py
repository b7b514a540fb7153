"""How hard the property suites look: profiles of Hypothesis, and a bound in seconds for each."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import HealthCheck, Phase, Verbosity, settings


@dataclass(frozen=True, slots=True)
class Effort:
    """How many examples a property may cost, and how long it may take.

    Attributes:
        name: The profile of Hypothesis, registered under this name too.
        examples: The most examples of one property.
        steps: The most steps of one dialogue.
        search_seconds: No example begins later than this after the first.
        shrink_seconds: How long a failing example may be made smaller.
        is_fixed: Whether every run tries the same examples.
    """

    name: str
    examples: int
    steps: int
    search_seconds: float
    shrink_seconds: float
    is_fixed: bool = True

    def lighter(self) -> Effort:
        """Return the same with a quarter of the examples, for those that are dear."""
        return replace(self, examples=max(1, self.examples // 4))

    def settings(self) -> settings:
        """Return the profile."""
        return settings(
            max_examples=self.examples,
            stateful_step_count=self.steps,
            derandomize=self.is_fixed,
            # A failing example is a file of the report; nothing is remembered behind its back.
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet,
            phases=(Phase.generate, Phase.target, Phase.shrink),
            # Another machine's network is slow, and that says nothing about the examples.
            suppress_health_check=list(HealthCheck),
        )


# A certification has many properties and seconds for all of them; `ci` is for a nightly run, and
# `explore` for a person who waits.
EFFORTS = {
    effort.name: effort
    for effort in (
        Effort("certify", examples=40, steps=14, search_seconds=5.0, shrink_seconds=4.0),
        Effort("ci", examples=60, steps=30, search_seconds=30.0, shrink_seconds=20.0),
        Effort(
            "explore",
            examples=2000,
            steps=50,
            search_seconds=120.0,
            shrink_seconds=60.0,
            is_fixed=False,
        ),
    )
}
DEFAULT = "certify"

for _effort in EFFORTS.values():
    settings.register_profile(_effort.name, _effort.settings())
