"""Planned misbehaviour, as values: what may go wrong with one reply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from fake_dns.message import Rcode, Transport

_ALL: Final = frozenset(Transport)
_STREAMS: Final = frozenset({Transport.TCP, Transport.TLS})


@dataclass(frozen=True, slots=True)
class _Fault:
    """A fault; it meets only queries that came over its transports."""

    transports: ClassVar[frozenset[Transport]] = _ALL


@dataclass(frozen=True, slots=True)
class Silence(_Fault):
    """No reply."""


@dataclass(frozen=True, slots=True)
class Delay(_Fault):
    """The reply, held back for `seconds` and up to `jitter_seconds` more; then true, or `then`."""

    seconds: float
    jitter_seconds: float = 0.0
    then: Fault | None = None


@dataclass(frozen=True, slots=True)
class ServerFailure(_Fault):
    """SERVFAIL instead of an answer."""


@dataclass(frozen=True, slots=True)
class Refused(_Fault):
    """REFUSED instead of an answer."""


@dataclass(frozen=True, slots=True)
class Code(_Fault):
    """Any response code instead of an answer; NXDOMAIN comes without an SOA, so nobody keeps it."""

    rcode: Rcode


@dataclass(frozen=True, slots=True)
class NoEDNS(_Fault):
    """FORMERR without OPT to whom speaks EDNS, the true reply to others (RFC 6891 §7)."""


@dataclass(frozen=True, slots=True)
class Truncated(_Fault):
    """TC=1 and nothing else over UDP, whatever fits."""

    transports: ClassVar[frozenset[Transport]] = frozenset({Transport.UDP})


@dataclass(frozen=True, slots=True)
class Garbled(_Fault):
    """The true reply with everything behind the question made unreadable."""


@dataclass(frozen=True, slots=True)
class WrongId(_Fault):
    """The true reply under an id that was not asked with."""


@dataclass(frozen=True, slots=True)
class WrongQuestion(_Fault):
    """A reply to a name that was not asked for, under the id that was."""


@dataclass(frozen=True, slots=True)
class HalfAnswer(_Fault):
    """The first half of the reply; over TCP and TLS the connection ends there."""


@dataclass(frozen=True, slots=True)
class Reset(_Fault):
    """A TCP reset instead of a reply."""

    transports: ClassVar[frozenset[Transport]] = _STREAMS


@dataclass(frozen=True, slots=True)
class Lame(_Fault):
    """A referral upwards without authority: a server that was named and does not know the zone."""


@dataclass(frozen=True, slots=True)
class Rotating(_Fault):
    """The true reply, its records `by` places further with every query."""

    by: int = 1


@dataclass(frozen=True, slots=True)
class Stale(_Fault):
    """The true reply of `seconds` ago on the server's clock: a server behind the others."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Flags(_Fault):
    """The true reply with header bits as they are here; None leaves a bit as it is."""

    authoritative: bool | None = None
    authentic: bool | None = None
    recursion_available: bool | None = None


Fault = (
    Silence
    | Delay
    | ServerFailure
    | Refused
    | Code
    | NoEDNS
    | Truncated
    | Garbled
    | WrongId
    | WrongQuestion
    | HalfAnswer
    | Reset
    | Lame
    | Rotating
    | Stale
    | Flags
)


def staleness(fault: Fault | None) -> float:
    """How far back the zones are to be taken from, in seconds."""
    match fault:
        case Stale(seconds=seconds):
            return seconds
        case Delay(then=then):
            return staleness(then)
        case _:
            return 0.0
