"""What is asked and what is answered, as values between the wire and the answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, StrEnum, auto

from fake_dns.name import Name
from fake_dns.record import RecordSet


class Transport(StrEnum):
    """How a query arrived; also the words of `FakeDNS.queries(transport=…)`."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"


class Rcode(IntEnum):
    """Response codes (RFC 1035 §4.1.1, RFC 2136 §2.2, RFC 6891 §9)."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    YXDOMAIN = 6
    NOTAUTH = 9
    BADVERS = 16


class Spoil(Enum):
    """What is done to a reply after it is packed."""

    NONE = auto()
    GARBLED = auto()
    WRONG_ID = auto()
    WRONG_QUESTION = auto()


class Delivery(Enum):
    """How a reply goes out: whole, cut in the middle, or not at all but with a reset."""

    WHOLE = auto()
    HALF = auto()
    RESET = auto()


@dataclass(frozen=True, slots=True)
class EDNS:
    """What the OPT record of a query says (RFC 6891 §6.1)."""

    payload_octets: int
    version: int
    wants_dnssec: bool


@dataclass(frozen=True, slots=True)
class Header:
    """The parts of a query's header that its reply repeats or heeds (RFC 1035 §4.1.1)."""

    id: int
    opcode: int
    is_recursion_desired: bool
    is_checking_disabled: bool
    understands_authentic: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One well-formed question: the name in the case it was asked (0x20)."""

    header: Header
    name: Name
    type: str
    record_class: int
    edns: EDNS | None

    @property
    def wants_authentic(self) -> bool:
        """Whether AD may be set in the reply (RFC 6840 §5.7)."""
        return self.header.understands_authentic or (
            self.edns is not None and self.edns.wants_dnssec
        )


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, before it meets the wire; `delay_seconds` is how long it is held back."""

    rcode: Rcode = Rcode.NOERROR
    answer: tuple[RecordSet, ...] = ()
    authority: tuple[RecordSet, ...] = ()
    additional: tuple[RecordSet, ...] = ()
    is_authoritative: bool = False
    is_authentic: bool = False
    is_recursion_available: bool = False
    is_truncated: bool = False
    speaks_edns: bool = True
    spoil: Spoil = Spoil.NONE
    delivery: Delivery = Delivery.WHOLE
    delay_seconds: float = 0.0
