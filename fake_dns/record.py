"""What a record says: one frozen value per type.

The text of a value is its presentation form (RFC 1035 §5.1), except that a TXT value is
the string itself, unquoted and of any length: it is split here, at 255 octets.
`record_text` reads what is written here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Final

from fake_dns.name import Name
from fake_dns.service_binding import ServiceBinding
from fake_dns.visibility import ALWAYS, Visibility
from fake_dns.words import quoted

MAX_STRING_OCTETS: Final = 255  # RFC 1035 §3.3: <character-string>
MAX_RDATA_OCTETS: Final = 65535  # RFC 1035 §3.2.1: RDLENGTH is 16 bit

# Mnemonics of the IANA registry that a mail test may ask for; others are written TYPE123.
TYPE_CODES: Final[dict[str, int]] = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16,
    "RP": 17, "AAAA": 28, "LOC": 29, "SRV": 33, "NAPTR": 35, "DNAME": 39, "OPT": 41, "DS": 43,
    "SSHFP": 44, "RRSIG": 46, "NSEC": 47, "DNSKEY": 48, "NSEC3": 50, "NSEC3PARAM": 51,
    "TLSA": 52, "SMIMEA": 53, "CDS": 59, "CDNSKEY": 60, "OPENPGPKEY": 61, "SVCB": 64,
    "HTTPS": 65, "SPF": 99, "IXFR": 251, "AXFR": 252, "ANY": 255, "URI": 256, "CAA": 257,
}  # fmt: skip
TYPE_NAMES: Final[dict[int, str]] = {code: name for name, code in TYPE_CODES.items()}
# Questions and pseudo-records: they can be asked or carried, never held in a zone.
META_TYPES: Final = frozenset({"OPT", "IXFR", "AXFR", "ANY"})


def type_name(code: int) -> str:
    """Name a type code: `TXT`, or `TYPE65280` when it has no mnemonic here (RFC 3597 §5)."""
    return TYPE_NAMES.get(code) or f"TYPE{code}"


def type_code(name: str) -> int | None:
    """Number a type name in upper case; None when there is no such type."""
    if (code := TYPE_CODES.get(name)) is not None:
        return code
    match = re.fullmatch(r"TYPE([0-9]{1,5})", name, re.ASCII)
    return int(match[1]) if match and int(match[1]) <= 0xFFFF else None


def canonical_type(name: str) -> str | None:
    """Name a type as it is looked up: TYPE16 is TXT; None when there is no such type."""
    code = type_code(name)
    return type_name(code) if code is not None else None


class MalformedRecord(ValueError):
    """A value that its record type cannot hold; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class A:
    """An IPv4 address (RFC 1035 §3.4.1)."""

    type: ClassVar[str] = "A"
    address: ipaddress.IPv4Address

    @property
    def text(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class AAAA:
    """An IPv6 address (RFC 3596 §2.2)."""

    type: ClassVar[str] = "AAAA"
    address: ipaddress.IPv6Address

    @property
    def text(self) -> str:
        return str(self.address)


@dataclass(frozen=True, slots=True)
class Pointer:
    """A record whose value is one name: CNAME, NS, PTR (RFC 1035 §3.3)."""

    type: str
    target: Name

    @property
    def text(self) -> str:
        return self.target.absolute_text


@dataclass(frozen=True, slots=True)
class MX:
    """A mail exchange; the root as exchange is the null MX (RFC 7505)."""

    type: ClassVar[str] = "MX"
    preference: int
    exchange: Name

    @property
    def text(self) -> str:
        return f"{self.preference} {self.exchange.absolute_text}"


@dataclass(frozen=True, slots=True)
class TXT:
    """Character-strings, each of 0 to 255 octets (RFC 1035 §3.3.14)."""

    type: ClassVar[str] = "TXT"
    strings: tuple[bytes, ...]

    @property
    def text(self) -> str:
        return b"".join(self.strings).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class SOA:
    """The start of a zone of authority (RFC 1035 §3.3.13); times in seconds."""

    type: ClassVar[str] = "SOA"
    primary: Name
    contact: Name
    serial: int
    refresh: int
    retry: int
    expire: int
    minimum: int

    @property
    def text(self) -> str:
        times = f"{self.serial} {self.refresh} {self.retry} {self.expire} {self.minimum}"
        return f"{self.primary.absolute_text} {self.contact.absolute_text} {times}"


@dataclass(frozen=True, slots=True)
class SRV:
    """A service location (RFC 2782)."""

    type: ClassVar[str] = "SRV"
    priority: int
    weight: int
    port: int
    target: Name

    @property
    def text(self) -> str:
        return f"{self.priority} {self.weight} {self.port} {self.target.absolute_text}"


@dataclass(frozen=True, slots=True)
class CAA:
    """A certification authority authorization (RFC 8659 §4)."""

    type: ClassVar[str] = "CAA"
    flags: int
    tag: str
    value: bytes

    @property
    def text(self) -> str:
        return f"{self.flags} {self.tag} {quoted(self.value)}"


@dataclass(frozen=True, slots=True)
class TLSA:
    """A TLS certificate association (RFC 6698 §2.1)."""

    type: ClassVar[str] = "TLSA"
    usage: int
    selector: int
    matching: int
    association: bytes = field(repr=False)

    @property
    def text(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.association.hex()}"


@dataclass(frozen=True, slots=True)
class Opaque:
    """Any other type, as octets (RFC 3597 §5)."""

    type: str
    octets: bytes

    @property
    def text(self) -> str:
        return generic_text(self.octets)


Record = A | AAAA | Pointer | MX | TXT | SOA | SRV | CAA | TLSA | ServiceBinding | Opaque


@dataclass(frozen=True, slots=True)
class RecordSet:
    """All records of one name and type (RFC 2181 §5); the lifetime is in seconds."""

    name: Name
    type: str
    ttl: int
    records: tuple[Record, ...]
    visibility: Visibility = ALWAYS


def generic_text(octets: bytes) -> str:
    """Write RDATA in the form that fits every type (RFC 3597 §5)."""
    return f"\\# {len(octets)} {octets.hex()}".rstrip()


def split_strings(octets: bytes) -> tuple[bytes, ...]:
    """Cut a TXT value into character-strings of at most 255 octets, never an empty last one."""
    return tuple(
        octets[start : start + MAX_STRING_OCTETS]
        for start in range(0, len(octets), MAX_STRING_OCTETS)
    ) or (b"",)


def text_record(value: str | bytes | Sequence[str | bytes]) -> TXT:
    """Make a TXT record: one value is split as needed, a sequence is kept as split by the caller.

    Raises:
        MalformedRecord: A string of the sequence is over 255 octets, the whole is over 65535,
            or a text cannot be encoded as UTF-8.
    """
    if isinstance(value, str | bytes):
        strings = split_strings(_octets(value))
    else:
        strings = tuple(_octets(part) for part in value)
        longest = max(map(len, strings), default=-1)
        if longest < 0:
            raise MalformedRecord("an empty list of strings; expected at least one string")
        if longest > MAX_STRING_OCTETS:
            raise MalformedRecord(
                f"a string of {longest} octets; expected at most {MAX_STRING_OCTETS},"
                " or one long string, which is split for you"
            )
    size = sum(len(string) + 1 for string in strings)
    if size > MAX_RDATA_OCTETS:
        raise MalformedRecord(f"takes {size} octets; expected at most {MAX_RDATA_OCTETS}")
    return TXT(strings)


def _octets(value: str | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise MalformedRecord(f"{value!r} cannot be encoded as UTF-8; pass octets") from error
