"""What the relay has to reach, as ratios against peers of the same run, and what it reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from loadtests.benchmark.endurance import Endurance
from loadtests.benchmark.rounds import Samples
from loadtests.benchmark.server import Promise
from loadtests.benchmark.servers.reference_relay import RELAY_KEYS

_MIB = 1 << 20
_KIB = 1 << 10


@dataclass(frozen=True, slots=True)
class Target:
    """Our cost per message divided by a peer's.

    Attributes:
        ours: Which of the two relays.
        peers: Keys; of several the cheapest counts.
        is_peer_at_best: The peer's cheapest round counts instead of its median, for a peer whose
            cost has two modes.
    """

    title: str
    workload: str
    ours: Promise
    peers: tuple[str, ...]
    at_most: float
    is_peer_at_best: bool = False


TARGETS = (
    Target("accept + discard against aiosmtpd on uvloop", "W1", Promise.DISCARDED,
           ("aiosmtpd-uvloop",), 0.14),
    Target("accept + discard against smtp-server", "W1", Promise.DISCARDED,
           ("smtp-server",), 0.60),
    Target("accept + durable against Postfix HOLD", "W1", Promise.DURABLE,
           ("postfix",), 0.10),
    Target("accept + durable against Exim queue-only at its best", "W1", Promise.DURABLE,
           ("exim",), 0.25, is_peer_at_best=True),
    Target("session with a cached credential, discard, against aiosmtpd", "W2", Promise.DISCARDED,
           ("aiosmtpd", "aiosmtpd-uvloop"), 0.42),
    Target("64 KiB, accept + discard against smtp-server", "64K", Promise.DISCARDED,
           ("smtp-server",), 0.60),
    Target("accept, durable and delivered against Postfix relaying", "W1", Promise.DELIVERED,
           ("postfix-relaying",), 0.06),
    Target("session, durable and delivered, against Postfix relaying", "W2", Promise.DELIVERED,
           ("postfix-relaying",), 0.23),
    Target("the same with RSA-2048 DKIM, against Postfix and OpenDKIM", "W1",
           Promise.SIGNED, ("postfix-opendkim",), 0.13),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table of targets, ready to be shown.

    Attributes:
        measured: None if it could not be measured; `note` says why.
        note: What else the reader should know: the spread, or what is missing.
    """

    title: str
    workload: str
    at_most: str
    measured: str | None
    is_met: bool
    note: str

    @property
    def verdict(self) -> str:
        """In words."""
        if self.measured is None:
            return "not measured"
        return "met" if self.is_met else "not met"


def judge(target: Target, samples: Samples, missing: dict[str, str]) -> Finding:
    """Compare medians; the note gives the ratios of the single rounds."""
    workload = target.workload
    key = RELAY_KEYS[target.ours]
    of_peer: Callable[[list[float]], float] = min if target.is_peer_at_best else median
    at_most = f"{target.at_most:.2f}"
    ours = samples.costs(key, workload)
    theirs = {peer: samples.costs(peer, workload) for peer in target.peers}
    known = {peer: of_peer(costs) for peer, costs in theirs.items() if costs}
    if not ours or not known:
        absent = [f"{peer}: {missing[peer]}" for peer in target.peers if peer in missing]
        note = "; ".join(absent) or "not asked for"
        return Finding(target.title, workload, at_most, None, False, note)
    peer = min(known, key=lambda key: known[key])
    ratio = median(ours) / known[peer]
    others = [known[peer]] * len(ours) if target.is_peer_at_best else theirs[peer]
    single = [mine / other for mine, other in zip(ours, others, strict=True)]
    note = f"{min(single):.2f} to {max(single):.2f}"
    if len(target.peers) > 1:
        note += f", against {peer}"
    return Finding(target.title, workload, at_most, f"{ratio:.2f}", ratio <= target.at_most, note)


def judge_endurance(seen: Endurance) -> list[Finding]:
    """Compare the rows that have no peer."""
    growth = seen.growth_octets / _MIB
    findings = [
        Finding(
            f"memory: growth over {seen.sessions:,} sessions",
            "W2", "3 MiB", f"{growth:.1f} MiB", growth <= 3, "anonymous memory",
        )
    ]  # fmt: skip
    each, burden = "memory: per idle authenticated session", "CPU of W1 beside idle sessions"
    if not seen.idle_sessions:
        note = "the limit of open files is too low (ulimit -n)"
        return [
            *findings,
            Finding(each, "idle", "40 KiB", None, False, note),
            Finding(burden, "W1", "+25 %", None, False, note),
        ]
    size = seen.octets_per_session / _KIB
    change = (seen.burden - 1) * 100
    spread = f"{seen.idle_sessions:,} sessions; rounds " + " ".join(
        f"{(one - 1) * 100:+.0f} %" for one in seen.burdened
    )
    return [
        *findings,
        Finding(
            each, "idle", "40 KiB", f"{size:.1f} KiB", size <= 40,
            f"{seen.idle_sessions:,} sessions, anonymous memory",
        ),
        Finding(burden, "W1", "+25 %", f"{change:+.0f} %", change < 25, spread),
    ]  # fmt: skip
