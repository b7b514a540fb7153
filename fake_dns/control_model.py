"""What goes over the control port, as pydantic models: the source of its OpenAPI description."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from fake_dns import fault as faults
from fake_dns.fault import Fault
from fake_dns.fault_book import OpenRule
from fake_dns.message import Rcode, Transport
from fake_dns.query_log import Query

_LONGEST_DELAY_SECONDS = 3600.0
_PLAIN: dict[str, Callable[[], Fault]] = {
    "silence": faults.Silence,
    "server-failure": faults.ServerFailure,
    "refused": faults.Refused,
    "no-edns": faults.NoEDNS,
    "truncated": faults.Truncated,
    "garbled": faults.Garbled,
    "wrong-id": faults.WrongId,
    "wrong-question": faults.WrongQuestion,
    "half-answer": faults.HalfAnswer,
    "reset": faults.Reset,
    "lame": faults.Lame,
}
_PLAIN_KINDS = {type(make()): kind for kind, make in _PLAIN.items()}


class Model(BaseModel):
    """Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class PlainFault(Model):
    """A fault without parameters; `none` is the true reply."""

    kind: Literal[
        "none",
        "silence",
        "server-failure",
        "refused",
        "no-edns",
        "truncated",
        "garbled",
        "wrong-id",
        "wrong-question",
        "half-answer",
        "reset",
        "lame",
    ]

    def value(self) -> Fault | None:
        """The fault as the server knows it."""
        return _PLAIN[self.kind]() if self.kind != "none" else None


class DelayFault(Model):
    """The reply held back, then true or spoilt."""

    kind: Literal["delay"]
    seconds: float = Field(ge=0, le=_LONGEST_DELAY_SECONDS)
    jitter_seconds: float = Field(default=0.0, ge=0, le=_LONGEST_DELAY_SECONDS)
    then: FaultModel | None = None

    def value(self) -> Fault:
        """The fault as the server knows it."""
        then = self.then.value() if self.then is not None else None
        return faults.Delay(self.seconds, self.jitter_seconds, then)


class CodeFault(Model):
    """A response code instead of an answer."""

    kind: Literal["code"]
    rcode: Literal[
        "NOERROR",
        "FORMERR",
        "SERVFAIL",
        "NXDOMAIN",
        "NOTIMP",
        "REFUSED",
        "YXDOMAIN",
        "NOTAUTH",
        "BADVERS",
    ]

    def value(self) -> Fault:
        """The fault as the server knows it."""
        return faults.Code(Rcode[self.rcode])


class RotatingFault(Model):
    """The true reply, its records so many places further with every query."""

    kind: Literal["rotating"]
    by: int = Field(default=1, ge=1, le=65535)

    def value(self) -> Fault:
        """The fault as the server knows it."""
        return faults.Rotating(self.by)


class StaleFault(Model):
    """The true reply of so many seconds ago."""

    kind: Literal["stale"]
    seconds: float = Field(gt=0)

    def value(self) -> Fault:
        """The fault as the server knows it."""
        return faults.Stale(self.seconds)


class FlagsFault(Model):
    """The true reply with header bits as they are here."""

    kind: Literal["flags"]
    authoritative: bool | None = None
    authentic: bool | None = None
    recursion_available: bool | None = None

    def value(self) -> Fault:
        """The fault as the server knows it."""
        return faults.Flags(self.authoritative, self.authentic, self.recursion_available)


FaultModel = Annotated[
    PlainFault | DelayFault | CodeFault | RotatingFault | StaleFault | FlagsFault,
    Field(discriminator="kind"),
]


class PlannedFaults(Model):
    """Faults and the queries they meet, as `FakeDNS.inject` takes them."""

    faults: list[FaultModel] = Field(min_length=1)
    name: str | None = None
    type: str | None = None
    transport: Transport | None = None
    client: str | None = Field(default=None, description="An address or network.")
    server: str | None = None
    times: int | None = Field(default=None, ge=1)
    repeat: bool = False
    chance: float = Field(default=1.0, gt=0, le=1)
    seed: int = 0


class RuleInForce(PlannedFaults):
    """The same, its number, and how many queries it has met."""

    number: int
    met: int


class RulesInForce(Model):
    """All of them, in the order in which they are tried."""

    faults: list[RuleInForce]


class RuleNumber(Model):
    """What to withdraw a rule by."""

    number: int


class QueryFilter(Model):
    """Which queries; what is not given matches all."""

    name: str | None = None
    type: str | None = None
    transport: Transport | None = None
    server: str | None = None
    within: float | None = Field(
        default=None, description="Wait so many seconds, 60 at most, for the first such query."
    )


class QueryModel(Model):
    """One query as it came."""

    number: int
    name: str
    type: str
    transport: Transport
    server: str
    client: tuple[str, int]
    rcode: str | None
    edns_octets: int | None
    is_in_zone: bool
    asked_at: float

    @classmethod
    def of(cls, query: Query) -> QueryModel:
        """The same for the wire."""
        return cls(**{name: getattr(query, name) for name in cls.model_fields})


class Queries(Model):
    """Oldest first."""

    queries: list[QueryModel]


class Health(Model):
    """It is up, where it answers, and how many packets it saw."""

    status: Literal["ok"] = "ok"
    address: str
    port: int
    tls_port: int | None
    servers: dict[str, int]
    packets: dict[str, int]


class Origins(Model):
    """The zones in force."""

    zones: list[str]


class ZonePut(Model):
    """A zone was put in place."""

    origin: str
    sets: int


class Advance(Model):
    """Move the clock on."""

    advance: float = Field(ge=0, le=1e10, description="Seconds.")


class ClockTime(Model):
    """What time it is for zones and caches."""

    now: float
    advanced: float


class SnapshotNumber(Model):
    """What to roll back to."""

    snapshot: int


class Problem(Model):
    """What is wrong and what was expected."""

    error: str


def rule_in_force(one: OpenRule) -> RuleInForce:
    """Write a rule as it stands."""
    rule, match = one.rule, one.rule.match
    return RuleInForce(
        number=one.number,
        met=one.met,
        faults=[_fault_model(fault) for fault in rule.plan],
        name=match.name.text if match.name is not None else None,
        type=match.type,
        transport=match.transport,
        client=str(match.client) if match.client is not None else None,
        server=match.server,
        times=rule.times,
        repeat=rule.times is None and len(rule.plan) > 1,
        chance=rule.chance,
        seed=rule.seed,
    )


def _fault_model(fault: Fault | None) -> FaultModel:
    match fault:
        case None:
            return PlainFault(kind="none")
        case faults.Delay(seconds=seconds, jitter_seconds=jitter, then=then):
            inner = _fault_model(then) if then is not None else None
            return DelayFault(kind="delay", seconds=seconds, jitter_seconds=jitter, then=inner)
        case faults.Code(rcode=rcode):
            return CodeFault.model_validate({"kind": "code", "rcode": rcode.name})
        case faults.Rotating(by=by):
            return RotatingFault(kind="rotating", by=by)
        case faults.Stale(seconds=seconds):
            return StaleFault(kind="stale", seconds=seconds)
        case faults.Flags():
            return FlagsFault(
                kind="flags",
                authoritative=fault.authoritative,
                authentic=fault.authentic,
                recursion_available=fault.recursion_available,
            )
        case _:
            return PlainFault.model_validate({"kind": _PLAIN_KINDS[type(fault)]})
