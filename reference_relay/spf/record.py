"""An SPF record as a value: found among TXT records, checked as a whole (RFC 7208 §4.5, §4.6).

A mistake anywhere makes the whole record a permanent error, before any term is looked at (§4.6).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from reference_relay.spf.macro import MacroString, domain_spec, macro_string
from reference_relay.spf.outcome import PermanentError, Result

_VERSION = b"v=spf1"
_QUALIFIERS = {
    "+": Result.PASS,
    "-": Result.FAIL,
    "~": Result.SOFTFAIL,
    "?": Result.NEUTRAL,
}
_MODIFIER = re.compile(r"([a-z][a-z0-9\-_.]*)=(.*)", re.IGNORECASE | re.DOTALL)
_DIRECTIVE = re.compile(r"([+\-~?]?)([a-z][a-z0-9\-_.]*)([:/].*)?", re.IGNORECASE | re.DOTALL)
# §5.6: no sign, no leading zero
_LENGTH = r"(0|[1-9][0-9]{0,2})"
_DUAL_LENGTH = re.compile(rf"(?:/{_LENGTH})?(?://{_LENGTH})?", re.ASCII)
_LENGTHS_AT_THE_END = re.compile(r"(.*?)((?:/[0-9]*)?(?://[0-9]*)?)", re.DOTALL | re.ASCII)
_IPV4_BITS, _IPV6_BITS = 32, 128


@dataclass(frozen=True, slots=True)
class All:
    """Matches always (§5.1)."""


@dataclass(frozen=True, slots=True)
class Include:
    """Matches when the record of another domain says pass (§5.2)."""

    domain: MacroString


@dataclass(frozen=True, slots=True)
class Addresses:
    """Matches an address of a name (`a`, §5.3) or of its mail hosts (`mx`, §5.4)."""

    of_mail_hosts: bool
    domain: MacroString | None
    ipv4_length: int
    ipv6_length: int


@dataclass(frozen=True, slots=True)
class Reverse:
    """Matches a validated name of the address (`ptr`, §5.5)."""

    domain: MacroString | None


@dataclass(frozen=True, slots=True)
class Network:
    """Matches the addresses of a network (`ip4`, `ip6`, §5.6)."""

    network: IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Exists:
    """Matches when a name has an address (§5.7)."""

    domain: MacroString


Mechanism = All | Include | Addresses | Reverse | Network | Exists


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism, and the result when it matches; `text` is how the record says it."""

    result: Result
    mechanism: Mechanism
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """A whole record."""

    directives: tuple[Directive, ...]
    redirect: MacroString | None
    explanation: MacroString | None


def select(texts: Sequence[bytes]) -> bytes | None:
    """Find the SPF record among the TXT records of a name (§4.5).

    Returns:
        The record, None when there is none.

    Raises:
        PermanentError: There are several.
    """
    found = [text for text in texts if text.partition(b" ")[0].lower() == _VERSION]
    if len(found) > 1:
        raise PermanentError(f"{len(found)} SPF records; there may be one")
    return found[0] if found else None


def parse(text: bytes) -> Record:
    """Read a record that `select` found.

    Raises:
        PermanentError: It is not as §4.6.1 and §12 demand.
    """
    try:
        terms = text[len(_VERSION) :].decode("ascii").split(" ")
    except UnicodeDecodeError:
        raise PermanentError("the record holds octets beyond ASCII") from None
    directives: list[Directive] = []
    modifiers: dict[str, MacroString] = {}
    for term in filter(None, terms):
        modifier = _MODIFIER.fullmatch(term)
        if modifier is None:
            directives.append(_directive(term))
            continue
        name, value = modifier[1].lower(), modifier[2]
        if name in ("redirect", "exp"):
            if name in modifiers:
                raise PermanentError(f"{name}= stands there twice")
            modifiers[name] = domain_spec(value)
        else:
            # §6: unknown modifiers are ignored, once they are well formed.
            macro_string(value)
    return Record(tuple(directives), modifiers.get("redirect"), modifiers.get("exp"))


def _directive(term: str) -> Directive:
    found = _DIRECTIVE.fullmatch(term)
    if found is None:
        raise PermanentError(f"{term!r} is no term of an SPF record")
    result = _QUALIFIERS[found[1] or "+"]
    return Directive(result, _mechanism(found[2].lower(), found[3] or "", term), term)


def _mechanism(name: str, rest: str, term: str) -> Mechanism:
    match name:
        case "all" if not rest:
            return All()
        case "include" if rest.startswith(":"):
            return Include(domain_spec(rest[1:]))
        case "exists" if rest.startswith(":"):
            return Exists(domain_spec(rest[1:]))
        case "a" | "mx":
            return _addresses(name == "mx", rest, term)
        case "ptr" if not rest:
            return Reverse(None)
        case "ptr" if rest.startswith(":"):
            return Reverse(domain_spec(rest[1:]))
        case "ip4" | "ip6" if rest.startswith(":"):
            return Network(_network(name, rest[1:], term))
        case _:
            raise PermanentError(f"{term!r} is no mechanism")


def _addresses(of_mail_hosts: bool, rest: str, term: str) -> Addresses:
    split = _LENGTHS_AT_THE_END.fullmatch(rest)
    domain, lengths = split.groups() if split else (rest, "")
    dual = _DUAL_LENGTH.fullmatch(lengths)
    if dual is None or (domain and not domain.startswith(":")):
        raise PermanentError(f"{term!r} is no mechanism")
    ipv4 = int(dual[1]) if dual[1] else _IPV4_BITS
    ipv6 = int(dual[2]) if dual[2] else _IPV6_BITS
    if ipv4 > _IPV4_BITS or ipv6 > _IPV6_BITS:
        raise PermanentError(f"{term!r} has a prefix that is too long")
    return Addresses(of_mail_hosts, domain_spec(domain[1:]) if domain else None, ipv4, ipv6)


def _network(name: str, text: str, term: str) -> IPv4Network | IPv6Network:
    address, slash, length = text.partition("/")
    if "%" in address or (slash and not re.fullmatch(_LENGTH, length, re.ASCII)):
        raise PermanentError(f"{term!r} is no mechanism")
    kind = IPv4Network if name == "ip4" else IPv6Network
    try:
        return kind(text, strict=False)
    except ValueError:
        raise PermanentError(f"{term!r} holds no network") from None
