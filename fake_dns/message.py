"""What is asked and what is answered, as values between the wire and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from fake_dns.name import Name
from fake_dns.record import RecordSet


class Transport(StrEnum):
    """How a query arrived; also the words of `FakeDNS.queries(transport=…)`."""

    UDP = "udp"
    TCP = "tcp"


class Rcode(IntEnum):
    """Response codes (RFC 1035 §4.1.1, RFC 6891 §9)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    BADVERS = 16


@dataclass(frozen=True, slots=True)
class EDNS:
    """What the OPT record of a query says (RFC 6891 §6.1)."""

    payload_octets: int
    version: int
    wants_dnssec: bool


@dataclass(frozen=True, slots=True)
class Header:
    """The parts of a query's header that its reply repeats (RFC 1035 §4.1.1, RFC 4035 §3.2.2)."""

    id: int
    opcode: int
    is_recursion_desired: bool
    is_checking_disabled: bool


@dataclass(frozen=True, slots=True)
class Request:
    """One well-formed question: the name in the case it was asked (0x20)."""

    header: Header
    name: Name
    type: str
    record_class: int
    edns: EDNS | None


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, before it meets the wire; `delay_seconds` is how long it is held back."""

    rcode: Rcode = Rcode.NOERROR
    answer: tuple[RecordSet, ...] = ()
    authority: tuple[RecordSet, ...] = ()
    additional: tuple[RecordSet, ...] = ()
    is_authoritative: bool = False
    is_truncated: bool = False
    is_garbled: bool = False
    delay_seconds: float = 0.0
