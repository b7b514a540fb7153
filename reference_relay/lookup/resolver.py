"""Name look-ups through the configured name servers only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import NamedTuple, Protocol

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver
import dns.ttl
from dns.rdata import Rdata
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rrset import RRset

from reference_relay.mail.address import domain_key

# A chain of aliases longer than this is a mistake or an attack.
_MAXIMUM_ALIASES = 8
_CACHE_ENTRIES = 10_000
_MAXIMUM_TTL = 86400
# RFC 2308 §5: one to three hours for "there is no such record".
_MAXIMUM_NEGATIVE_TTL = 3600


class MailExchange(NamedTuple):
    """One MX record; the host of a null MX (RFC 7505) is empty."""

    preference: int
    host: str


class NoSuchDomainError(Exception):
    """The name does not exist (NXDOMAIN)."""


class LookupFailedError(Exception):
    """No usable answer for now; the text says why."""


class Resolver(Protocol):
    """What routing asks. Both methods raise NoSuchDomainError or LookupFailedError."""

    async def mail_exchanges(self, domain: str) -> Sequence[MailExchange]:
        """Return the MX records of a domain in any order, none if there are none."""
        ...

    async def addresses(self, host: str) -> Sequence[str]:
        """Return the IPv6 and IPv4 addresses of a host, none if there are none."""
        ...


class _CacheEntry(NamedTuple):
    expires_at: float
    records: RRset | None


class DNSResolver:
    """A stub resolver on dnspython with a small cache."""

    def __init__(
        self,
        name_servers: Sequence[tuple[str, int]],
        now: Callable[[], float],
        timeout_seconds: float,
    ) -> None:
        """Make a resolver.

        Args:
            name_servers: addresses and ports, asked in order.
            now: the relay's clock, by which answers grow old (D-25).
            timeout_seconds: for one look-up with all its repetitions.
        """
        self._resolver = dns.asyncresolver.Resolver(configure=False)
        self._resolver.nameservers = [
            dns.nameserver.Do53Nameserver(address, port) for address, port in name_servers
        ]
        self._resolver.lifetime = timeout_seconds
        # Time for a second try of each server within the whole.
        self._resolver.timeout = timeout_seconds / (2 * max(len(name_servers), 1))
        self._now = now
        self._cache: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], _CacheEntry] = {}

    async def mail_exchanges(self, domain: str) -> Sequence[MailExchange]:
        """Return the MX records of a domain."""
        return [
            MailExchange(record.preference, record.exchange.to_text(omit_final_dot=True).lower())
            if record.exchange != dns.name.root
            else MailExchange(record.preference, "")
            for record in await self._records(domain, dns.rdatatype.MX)
            if isinstance(record, MX)
        ]

    async def addresses(self, host: str) -> Sequence[str]:
        """Return the IPv6 addresses, then the IPv4 addresses of a host."""
        found: list[str] = []
        failure: LookupFailedError | None = None
        for kind in (dns.rdatatype.AAAA, dns.rdatatype.A):
            try:
                found += [record.to_text() for record in await self._records(host, kind)]
            except LookupFailedError as error:
                failure = error
        if failure is not None and not found:
            raise failure
        return found

    async def ipv4(self, host: str) -> Sequence[str]:
        """Return the A records of a host."""
        return [one.to_text() for one in await self._records(host, dns.rdatatype.A)]

    async def ipv6(self, host: str) -> Sequence[str]:
        """Return the AAAA records of a host."""
        return [one.to_text() for one in await self._records(host, dns.rdatatype.AAAA)]

    async def texts(self, name: str) -> Sequence[bytes]:
        """Return the TXT records of a name, the strings of each joined with nothing between."""
        return [
            b"".join(record.strings)
            for record in await self._records(name, dns.rdatatype.TXT)
            if isinstance(record, TXT)
        ]

    async def reverse(self, address: str) -> Sequence[str]:
        """Return the names of the PTR records of an IP address, without a final dot."""
        name = ip_address(address).reverse_pointer
        return [
            record.target.to_text(omit_final_dot=True)
            for record in await self._records(name, dns.rdatatype.PTR)
            if isinstance(record, PTR)
        ]

    async def _records(self, name: str, kind: dns.rdatatype.RdataType) -> RRset | Sequence[Rdata]:
        try:
            asked = dns.name.from_text(domain_key(name))
        except (dns.exception.DNSException, ValueError) as error:
            raise NoSuchDomainError(f"{name} is no domain name") from error
        for _ in range(_MAXIMUM_ALIASES):
            entry = self._cache.get((asked, kind))
            if entry is not None and self._now() < entry.expires_at:
                return entry.records or ()
            answer = await self._ask(asked, kind)
            if answer.rrset is not None or answer.canonical_name == asked:
                self._remember(asked, kind, answer)
                return answer.rrset or ()
            # An authoritative server may leave the rest of the chain to us (RFC 1034 §3.6.2).
            asked = answer.canonical_name
        raise LookupFailedError(f"{name} is an alias of an alias without end")

    async def _ask(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.resolver.Answer:
        try:
            return await self._resolver.resolve(name, kind, raise_on_no_answer=False, search=False)
        except dns.resolver.NXDOMAIN as error:
            raise NoSuchDomainError(f"{name} does not exist") from error
        except dns.resolver.NoNameservers as error:
            raise LookupFailedError(f"no name server answered for {name}") from error
        except dns.exception.Timeout as error:
            raise LookupFailedError(f"the look-up of {name} timed out") from error
        except (dns.exception.DNSException, OSError) as error:
            raise LookupFailedError(f"the look-up of {name} failed") from error

    def _remember(
        self, name: dns.name.Name, kind: dns.rdatatype.RdataType, answer: dns.resolver.Answer
    ) -> None:
        ttl = answer.chaining_result.minimum_ttl
        if answer.rrset is None and ttl == dns.ttl.MAX_TTL:
            # RFC 2308 §5: a negative answer without a SOA record has no age and is not kept.
            return
        if len(self._cache) >= _CACHE_ENTRIES:
            self._cache.clear()
        ttl = min(ttl, _MAXIMUM_TTL if answer.rrset else _MAXIMUM_NEGATIVE_TTL)
        self._cache[name, kind] = _CacheEntry(self._now() + ttl, answer.rrset)
