"""Made-up outcomes for the tests of what is concluded from them."""

from __future__ import annotations

from dataclasses import replace

from loadtests.capacity.limiter import Limiter
from loadtests.capacity.objectives import STANDARD, Objectives
from loadtests.capacity.search import Interval, Verdict
from loadtests.capacity.session import Session, Tried
from loadtests.instrument import Calibration
from loadtests.ledger import Ledger
from loadtests.measurement import Measurement
from loadtests.percentiles import Histogram
from loadtests.phase import Phase
from loadtests.schedule import Schedule
from loadtests.site import Site
from loadtests.trial import Load, Outcome
from loadtests.watch import Evidence, Look

BALANCED = Ledger(accepted=1000, arrived=1000, missing=0, doubled=0, changed=0)


def outcome(
    *,
    seconds: float = 0.01,
    failures: dict[str, int] | None = None,
    unsent: int = 0,
    ledger: Ledger | None = BALANCED,
    cpu: float = 0.5,
    stalled: float = 0.0,
    growth: float = 0.0,
    sink: float = 0.1,
    others: float = 0.0,
) -> Outcome:
    """A thousand messages in ten seconds, each taking so long."""
    measured = Measurement()
    measured.planned, measured.accepted, measured.unsent = 1000, 1000 - unsent, unsent
    measured.begun, measured.ended, measured.cpu_seconds = 100.0, 110.0, 1.0
    measured.failures.update(failures or {})
    for number in range(1000):
        for phase in (Phase.RESPONSE, Phase.MESSAGE):
            measured.phases[phase].record(seconds * (1 + number / 1e4))
    measured.series = {second: [100, 100, 0, int(seconds * 1e6)] for second in range(10)}
    looks = tuple(
        Look(
            at=float(second),
            planned=100 * second,
            accepted=100 * second,
            arrived=int((100 - growth) * second),
            cpu_seconds=cpu * second,
            stalled_seconds=stalled * second,
            sink_seconds=sink * second,
        )
        for second in range(11)
    )
    return Outcome(
        Load(Schedule.constant(100, 10)),
        measured,
        ledger,
        Histogram.of([seconds] * 1000),
        evidence=Evidence(
            looks, is_relay_seen=True, is_sink_seen=ledger is not None, foreign_share=others
        ),
    )


def tried(kind: str, rate: float, one: Outcome, objectives: Objectives = STANDARD) -> Tried:
    """A trial with its verdict."""
    breaches = objectives.judge(one)
    return Tried(rate, kind, Verdict.NOT_MET if breaches else Verdict.MET, one, breaches, ())


def session(low: float = 100, high: float | None = 110, seconds: float = 0.01) -> Session:
    """A finished session."""
    site = Site(
        "a relay", "127.0.0.1", lambda: 25, "relay.example", "someone", "hidden words",
        "a@example.com", ("b@sink.example",),
    )  # fmt: skip
    good = outcome(seconds=seconds)
    holds = tuple(tried(f"hold {level}%", low * level / 100, good) for level in (80, 100, 120))
    slow = tried("trial", 200, outcome(seconds=2.0, cpu=0.95))
    return replace(
        Session(
            site, Load(), STANDARD, Calibration(5000, 80), Interval(low, high), True, (slow,),
        ),
        holds=holds,
        limiter=Limiter("relay CPU", "the service used 0.95 of 1 core"),
    )  # fmt: skip
