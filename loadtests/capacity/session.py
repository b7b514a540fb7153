"""One capacity session: calibrate, search, hold 80, 100 and 120 %, name the limiter."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loadtests.capacity.limiter import NO_LIMITER, Limiter, disturbances, name_limiter
from loadtests.capacity.objectives import Breach, Objectives
from loadtests.capacity.search import Interval, Search, Verdict
from loadtests.instrument import Calibration, calibrate
from loadtests.schedule import LEVELS, Schedule
from loadtests.site import Site
from loadtests.trial import Load, Outcome, conduct, try_one_message
from loadtests.watch import foreign_share

# The first part of each trial, whose durations do not count.
_WARM_UP_SHARE = 0.2
# The first guess, as a share of what a closed loop reached.
_FIRST_GUESS = 0.6


@dataclass(frozen=True, slots=True)
class Effort:
    """How long everything takes.

    Attributes:
        probe_seconds: Of the closed loop that gives the first guess, and of the calibration.
        trial_seconds: Of a short trial.
        confirm_seconds: Of a confirmation.
        repeats: Confirmations of the lower end.
        hold_seconds: At each of 80, 100 and 120 %.
        precision: Width of the interval, as a share.
        most_trials: Of the search.
    """

    probe_seconds: float = 2.0
    trial_seconds: float = 3.0
    confirm_seconds: float = 6.0
    repeats: int = 2
    hold_seconds: float = 8.0
    precision: float = 0.1
    most_trials: int = 14


@dataclass(frozen=True, slots=True)
class Tried:
    """A trial and what was thought of it."""

    rate: float
    kind: str
    verdict: Verdict
    outcome: Outcome
    breaches: tuple[Breach, ...]
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Session:
    """What is known of one service after all of it.

    Attributes:
        site: Its name and traits.
        load: What was sent, without a schedule.
        objectives: What had to hold.
        calibration: Of the generator, in the same session.
        interval: Where its capacity is.
        is_confirmed: Whether the search came to its end.
        trials: Every trial of the search.
        holds: At 80, 100 and 120 % of the claim.
        limiter: Why not more.
        cut_off: Why it did not go to its end, empty if it did.
        remarks: What was found under pressure.
        has_failed_open: Whether a security requirement or durability was not met under load.
        again: What further searches of the same service, started anew, came to.
    """

    site: Site
    load: Load
    objectives: Objectives
    calibration: Calibration
    interval: Interval
    is_confirmed: bool
    trials: tuple[Tried, ...]
    holds: tuple[Tried, ...] = ()
    limiter: Limiter = NO_LIMITER
    cut_off: str = ""
    remarks: tuple[str, ...] = ()
    has_failed_open: bool = False
    again: tuple[Interval, ...] = ()

    @property
    def is_partial(self) -> bool:
        """Whether it was cut off."""
        return bool(self.cut_off)

    @property
    def is_repeatable(self) -> bool:
        """Whether every further search came to an interval that overlaps this one."""
        return all(one.overlaps(self.interval) for one in self.again)

    @property
    def claim(self) -> str:
        """In one sentence."""
        sessions = self.load.messages_per_session
        kept = f"{sessions} messages a session" if sessions else "kept sessions"
        limits = ", ".join(f"{one.name} ≤ {one.seconds:g} s" for one in self.objectives.limits)
        end = "" if self.is_confirmed else " (the search was cut short)"
        return (
            f"{self.site.name}: {self.interval} messages/s accepted"
            f"{' and delivered' if self.site.sink is not None else ''}, {self.load.octets:,} "
            f"octets, TLS, {kept}, {limits}, errors ≤ {self.objectives.errors:.2%}, from "
            f"{len(self.trials)} trials; limiter: {self.limiter.name}{end}."
        )


Say = Callable[[str], None]


def seek(
    site: Site,
    load: Load,
    objectives: Objectives,
    effort: Effort,
    *,
    say: Say = lambda _: None,
    detail: Say = lambda _: None,
    folder: Path | None = None,
    target_core: int | None = None,
) -> Session:
    """Search one service, then hold it at 80, 100 and 120 % of what was found.

    Args:
        site: Whom.
        load: What; its schedule is made here.
        objectives: What must hold.
        effort: How long.
        say: Told what begins, and what it came to.
        detail: Told how far it is, twice a second.
        folder: Keeps the raw files of each trial.
        target_core: Where the null sink runs for the calibration.

    Raises:
        NotReady: The target does not take a message.
        GeneratorFailed: Locust broke down.
        NoRoom: The results could not be written.
    """
    session = search(
        site, load, objectives, effort,
        say=say, detail=detail, folder=folder, target_core=target_core,
    )  # fmt: skip
    if session.is_partial or not session.interval.low:
        return session
    holds: list[Tried] = []
    for level in LEVELS:
        one = _tried(
            site, load, objectives, session.interval.low * level, effort.hold_seconds,
            f"hold {level:.0%}", len(session.trials) + len(holds), (say, detail), folder,
        )  # fmt: skip
        holds.append(one)
        if one.outcome.is_partial:
            break
    cut_off = holds[-1].outcome.cut_off
    return _with_limiter(replace(session, holds=tuple(holds), cut_off=cut_off))


def search(
    site: Site,
    load: Load,
    objectives: Objectives,
    effort: Effort,
    *,
    say: Say = lambda _: None,
    detail: Say = lambda _: None,
    folder: Path | None = None,
    target_core: int | None = None,
) -> Session:
    """Search one service and hold nothing; arguments and errors as of `seek`."""
    try_one_message(site, load.octets)
    say(f"{site.name}: calibrating the generator")
    calibration = calibrate(load, effort.probe_seconds, target_core)
    say(f"{site.name}: closed loop, for a first guess")
    closed = replace(load, seconds=effort.probe_seconds, schedule=None)
    probe = conduct(site, closed).measurement
    guess = probe.accepted / probe.elapsed_seconds if probe.elapsed_seconds else 1.0
    wanted = Search(
        max(guess * _FIRST_GUESS, 1.0),
        precision=effort.precision,
        trial_seconds=effort.trial_seconds,
        confirm_seconds=effort.confirm_seconds,
        repeats=effort.repeats,
        most_trials=effort.most_trials,
        most_rate=calibration.usable_rate,
    )
    trials: list[Tried] = []
    cut_off = ""
    while (ask := wanted.ask()) is not None:
        kind = "confirmation" if ask.is_confirmation else "trial"
        one = _tried(
            site, load, objectives, ask.rate, ask.seconds, kind, len(trials), (say, detail), folder
        )
        if cut_off := one.outcome.cut_off:
            break
        trials.append(one)
        wanted.tell(one.verdict)
    session = Session(
        site, load, objectives, calibration, wanted.interval, wanted.is_confirmed,
        tuple(trials), cut_off=cut_off,
    )  # fmt: skip
    return _with_limiter(session)


def _with_limiter(session: Session) -> Session:
    """Name it from the trials that failed, the one nearest to the capacity last.

    What the generator spoilt says nothing of the service, unless there is nothing else.
    """
    every = (*session.trials, *session.holds)
    failed = [one for one in every if one.verdict is Verdict.NOT_MET]
    if session.interval.high is None or not failed:
        failed = [one for one in every if one.verdict is not Verdict.MET]
    failed.sort(key=lambda one: one.rate, reverse=True)
    for one in failed:
        found = name_limiter(one.outcome, one.breaches)
        if found.name != "unknown":
            return replace(session, limiter=found)
    if failed:
        return replace(session, limiter=name_limiter(failed[-1].outcome, failed[-1].breaches))
    return session


def _tried(
    site: Site,
    load: Load,
    objectives: Objectives,
    rate: float,
    seconds: float,
    kind: str,
    number: int,
    reports: tuple[Say, Say],
    folder: Path | None,
) -> Tried:
    wanted = replace(
        load,
        # Each trial has arrivals of its own, and a second session the same ones.
        schedule=Schedule.constant(rate, seconds, poisson=True, seed=number + 1),
        warm_up_seconds=seconds * _WARM_UP_SHARE,
    )
    where = None if folder is None else folder / f"{number:02d}"
    title = f"{site.name}: {kind} at {rate:,.0f}/s"
    say, detail = reports
    say(title)
    others = foreign_share(site.pid())
    outcome = conduct(site, wanted, folder=where, say=lambda text: detail(text))
    others = max(others, foreign_share(site.pid()))
    outcome = replace(outcome, evidence=replace(outcome.evidence, foreign_share=others))
    wrong = disturbances(outcome)
    breaches = objectives.judge(outcome)
    verdict = Verdict.MET if not breaches else Verdict.NOT_MET
    if wrong and breaches:
        verdict = Verdict.INSTRUMENT
    say(f"{title}: {verdict.value}{': ' + '; '.join(map(str, breaches)) if breaches else ''}")
    return Tried(rate, kind, verdict, outcome, breaches, wrong)


def described(session: Session) -> dict[str, Any]:
    """Everything of it, for capacity.json."""
    return {
        "service": session.site.name,
        "traits": list(session.site.traits),
        "claim": session.claim,
        "low": session.interval.low,
        "high": session.interval.high,
        "is_confirmed": session.is_confirmed,
        "again": [[one.low, one.high] for one in session.again],
        "is_repeatable": session.is_repeatable,
        "is_partial": session.is_partial,
        "cut_off": session.cut_off,
        "limiter": {"name": session.limiter.name, "evidence": session.limiter.evidence},
        "load": {
            "users": session.load.users,
            "octets": session.load.octets,
            "dialogue": session.load.dialogue,
            "messages_per_session": session.load.messages_per_session,
            "scenarios": list(session.load.scenarios),
            "processes": session.load.processes,
        },
        "objectives": {
            "errors": session.objectives.errors,
            "limits": [[one.name, one.seconds] for one in session.objectives.limits],
        },
        "calibration": {
            "rate": session.calibration.rate,
            "cpu_microseconds": session.calibration.cpu_microseconds,
        },
        "has_failed_open": session.has_failed_open,
        "remarks": list(session.remarks),
        "trials": [_trial_table(one) for one in session.trials],
        "holds": [_trial_table(one) for one in session.holds],
    }


def _trial_table(one: Tried) -> dict[str, Any]:
    outcome = one.outcome
    seen, ledger = outcome.evidence, outcome.ledger
    names = ("accepted", "arrived", "missing", "doubled", "changed", "in_doubt", "unexpected")
    return {
        "rate": one.rate,
        "kind": one.kind,
        "verdict": one.verdict.value,
        "breaches": [str(breach) for breach in one.breaches],
        "faults": list(one.faults),
        "measurement": outcome.measurement.to_json(),
        "delivery": outcome.delays.to_json(),
        "ledger": None if ledger is None else {name: getattr(ledger, name) for name in names},
        "relay_cores": seen.cpu_share,
        "sink_cores": seen.sink_share,
        "disk_stalled_share": seen.stalled_share,
        "foreign_cores": seen.foreign_share,
        "backlog_growth": seen.backlog_growth,
        "backlog": [[round(look.at, 2), look.backlog] for look in seen.looks],
    }


def write(sessions: list[Session], environment: dict[str, Any], path: Path) -> None:
    """Write capacity.json."""
    table = {"environment": environment, "sessions": [described(one) for one in sessions]}
    path.write_text(json.dumps(table), encoding="utf-8")
