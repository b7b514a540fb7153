"""What a service must keep to while it is loaded; read from TOML, judged per trial."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.percentiles import Histogram
from loadtests.phase import Phase
from loadtests.trial import Outcome

DELIVERY = "delivery"
# A queue that grows by less than this share of the rate is not told from chance in a window of
# seconds.
_GROWTH_SHARE = 0.05
_DURATIONS = (*(phase.value for phase in Phase), DELIVERY)
# Error classes by the beginning of "phase: kind"; the first that fits counts.
CLASSES = ("throttled", "refused", "TLS", "AUTH", "timeout", "lost", "unsent", "fails open")


class BadObjectives(ValueError):
    """The file is no set of objectives; the message says where and what was expected."""


@dataclass(frozen=True, slots=True)
class Limit:
    """So many per cent within so many seconds.

    Attributes:
        duration: A phase, or "delivery".
        percent: Of the messages.
        seconds: That they may take.
    """

    duration: str
    percent: float
    seconds: float

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.duration} p{self.percent:g}"


@dataclass(frozen=True, slots=True)
class Breach:
    """An objective that was not met."""

    name: str
    limit: str
    observed: str

    def __str__(self) -> str:
        return f"{self.name}: {self.observed}, at most {self.limit}"


@dataclass(frozen=True, slots=True)
class Objectives:
    """All that must hold.

    Attributes:
        limits: Durations.
        errors: Largest share of planned messages that failed or could not be sent in time.
        classes: Largest share by error class.
    """

    limits: tuple[Limit, ...]
    errors: float = 0.001
    classes: Mapping[str, float] = field(default_factory=dict)

    def judge(self, outcome: Outcome) -> tuple[Breach, ...]:
        """What of it the trial did not meet; empty if all was."""
        return tuple(self._breaches(outcome))

    def _breaches(self, outcome: Outcome) -> Iterator[Breach]:
        measured = outcome.measurement
        if not measured.accepted:
            yield Breach("accepted", "some", "none")
            return
        for limit in self.limits:
            histogram = durations(outcome, limit.duration)
            if histogram is None or not histogram.count:
                continue
            seconds = histogram.percentile(limit.percent) / 1e6
            if seconds > limit.seconds:
                yield Breach(limit.name, f"{limit.seconds:g} s", f"{seconds:.3g} s")
        planned = max(measured.planned, 1)
        counted = error_classes(outcome)
        if (share := counted.total() / planned) > self.errors:
            yield Breach("errors", f"{self.errors:.3%}", f"{share:.3%}")
        for name, most in self.classes.items():
            if (share := counted[name] / planned) > most:
                yield Breach(f"errors, {name}", f"{most:.3%}", f"{share:.3%}")
        if counted["fails open"]:
            yield Breach("fails open", "never", f"{counted['fails open']} times")
        yield from _conservation(outcome)
        growth = outcome.evidence.backlog_growth
        rate = measured.planned / max(outcome.load.sending_seconds, 1e-9)
        looks = outcome.evidence.sending()
        if looks and growth > _GROWTH_SHARE * rate and looks[-1].backlog > rate:
            yield Breach(
                "queue growth", f"{_GROWTH_SHARE:.0%} of the rate", f"{growth:,.0f} a second"
            )


def _conservation(outcome: Outcome) -> Iterator[Breach]:
    ledger = outcome.ledger
    if ledger is None:
        return
    for name in ("missing", "doubled", "changed", "unexpected"):
        if count := getattr(ledger, name):
            yield Breach(f"messages {name}", "none", f"{count:,}")


def durations(outcome: Outcome, name: str) -> Histogram | None:
    """The histogram of a phase or of the delivery; None if deliveries were not observable."""
    if name == DELIVERY:
        return outcome.delays if outcome.ledger is not None else None
    return outcome.measurement.phases[Phase(name)]


def error_classes(outcome: Outcome) -> Counter[str]:
    """How many errors of each class there were."""
    counted: Counter[str] = Counter()
    for text, count in outcome.measurement.failures.items():
        counted[class_of(text)] += count
    counted["unsent"] += outcome.measurement.unsent
    return +counted


def class_of(text: str) -> str:
    """The class of a failure, from "phase: kind"."""
    phase, _, kind = text.partition(": ")
    if phase == "fails open":
        return phase
    if kind[:3] == "421" or kind[:2] in ("45", "43") or kind[:3] == "454":
        return "throttled"
    if phase in ("TLS", "AUTH"):
        return phase
    if kind[:3].isdigit():
        return "refused"
    return "timeout" if "in time" in kind or kind == "no answer" else "lost"


# SPECmail2001 asks for 95 % within 5 s, delivery of 95 % within 60 s and 1 % errors; a submission
# service of today is asked for an order of magnitude more.
STANDARD = Objectives(
    (
        Limit("response", 95.0, 0.25),
        Limit("response", 99.0, 0.5),
        Limit(DELIVERY, 95.0, 5.0),
    ),
    errors=0.001,
)


def load_objectives(path: Path) -> Objectives:
    """Read objectives.

    The file holds `errors = 0.001`, a table `[errors_by_class]` and a table for each duration:
    `[response]` with `p99 = 0.5`, in seconds.

    Raises:
        BadObjectives: It is none of that.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadObjectives(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadObjectives(f"{path}: not TOML: {error}") from None
    errors = _number(path, "errors", table.pop("errors", STANDARD.errors), 1.0)
    classes = {}
    for name, most in _table(path, "errors_by_class", table.pop("errors_by_class", {})).items():
        if name not in CLASSES:
            raise BadObjectives(f"{path}: [errors_by_class] {name}: one of {', '.join(CLASSES)}")
        classes[name] = _number(path, f"errors_by_class.{name}", most, 1.0)
    limits = []
    for name, content in table.items():
        if name not in _DURATIONS:
            raise BadObjectives(f"{path}: [{name}] names no phase; one of {', '.join(_DURATIONS)}")
        for key, seconds in _table(path, name, content).items():
            try:
                percent = float(key.removeprefix("p")) if key.startswith("p") else -1.0
            except ValueError:
                percent = -1.0
            if not 0 < percent <= 100:
                raise BadObjectives(f"{path}: {name}.{key}: a percentile such as p99")
            limits.append(Limit(name, percent, _number(path, f"{name}.{key}", seconds, 86_400)))
    if not limits:
        raise BadObjectives(f"{path}: no objective; name a phase, such as [response] p99 = 0.5")
    return Objectives(tuple(limits), errors, classes)


def _table(path: Path, name: str, content: object) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        raise BadObjectives(f"{path}: {name}: a table")
    return content


def _number(path: Path, name: str, value: object, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise BadObjectives(f"{path}: {name}: a number from 0 to {most:g}, not {value!r}")
    return float(value)
