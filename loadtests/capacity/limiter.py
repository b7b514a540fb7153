"""What kept the service from doing more: named from evidence, or unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.capacity.objectives import Breach, class_of
from loadtests.instrument import faults
from loadtests.phase import Phase
from loadtests.trial import Outcome

# Of the cores a service may use; between two looks a full core shows as a little less.
_FULL_SHARE = 0.85
_DISK_SHARE = 0.4
_SINK_SHARE = 0.85
# Cores that others may use: what a desktop or a CI runner does beside.
_FOREIGN_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Limiter:
    """The answer to "why not double?".

    Attributes:
        name: Of the limit, "unknown" where the evidence names none.
        evidence: What was seen.
    """

    name: str
    evidence: str


NO_LIMITER = Limiter("unknown", "no trial failed")


def disturbances(outcome: Outcome) -> tuple[str, ...]:
    """Why a trial says nothing of the service: the generator's faults, or others at work."""
    found = faults(outcome.measurement, outcome.load.processes)
    told = tuple(f"the generator: {one}" for one in found)
    return told + _others(outcome)


def _others(outcome: Outcome) -> tuple[str, ...]:
    share = outcome.evidence.foreign_share
    return (f"others on this machine used {share:.2f} cores",) if share > _FOREIGN_SHARE else ()


def name_limiter(outcome: Outcome, breaches: Sequence[Breach]) -> Limiter:
    """Judge a trial above the capacity.

    Args:
        outcome: The trial.
        breaches: What it did not meet.
    """
    seen = outcome.evidence
    if others := _others(outcome):
        return Limiter("other load on this machine", others[0])
    if found := faults(outcome.measurement, outcome.load.processes):
        return Limiter("generator", "; ".join(found))
    throttled = [
        text for text, _ in outcome.measurement.failures.most_common()
        if class_of(text) == "throttled"
    ]  # fmt: skip
    busy = seen.cpu_share / max(seen.cores, 1)
    cpu = f"the service used {seen.cpu_share:.2f} of {seen.cores} core{'s' * (seen.cores > 1)}"
    if throttled and busy < _FULL_SHARE:
        return Limiter("rate limit", f"it answers {throttled[0]!r}; {cpu}")
    if seen.is_relay_seen and busy >= _FULL_SHARE:
        return Limiter(_relay_cpu(outcome), cpu)
    if seen.sink_share >= _SINK_SHARE:
        return Limiter("next hop", f"the sink used {seen.sink_share:.2f} of a core; {cpu}")
    if seen.stalled_share >= _DISK_SHARE:
        return Limiter(
            "disk sync", f"tasks waited for a disk {seen.stalled_share:.0%} of the time; {cpu}"
        )
    if any(one.name in ("queue growth", "delivery p95") for one in breaches) and not any(
        one.name.startswith("response") for one in breaches
    ):
        return Limiter("next hop", f"mail is accepted faster than it leaves; {cpu}")
    if not seen.is_relay_seen:
        return Limiter("unknown", "the service's processes are not ours to see")
    waited = f"tasks waited for a disk {seen.stalled_share:.0%} of the time"
    return Limiter("unknown", f"{cpu}; {waited}")


def _relay_cpu(outcome: Outcome) -> str:
    """What the CPU went into, where a session is made for every few messages."""
    phases = outcome.measurement.phases
    messages = max(outcome.measurement.accepted, 1)
    if phases[Phase.TLS].count < messages / 2:
        return "relay CPU"
    tls, sign_in = (phases[one].percentile(50) for one in (Phase.TLS, Phase.AUTH))
    return "password hash" if sign_in > 2 * tls else "TLS handshakes"
