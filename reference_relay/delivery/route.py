"""Where a domain's mail goes: MX hosts in order, and the addresses that may be reached.

RFC 5321 §5.1, RFC 7505. PATH-12: no address inside this network is reached unless it is listed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from itertools import groupby
from operator import attrgetter

from reference_relay.lookup.resolver import (
    LookupFailedError,
    MailExchange,
    NoSuchDomainError,
    Resolver,
)
from reference_relay.mail.address import domain_key
from reference_relay.queue.queued_message import Deferred, Failed

_JUDGED_AT_MOST = 4096
# RFC 6052 §2.1: IPv4 addresses hide behind this prefix.
_NAT64 = IPv6Network("64:ff9b::/96")

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Problem = Deferred | Failed


@dataclass(frozen=True, slots=True)
class Route:
    """The hosts to try, best first: names, or one address literal."""

    hosts: tuple[str, ...]


class Router:
    """Finds routes and judges addresses."""

    def __init__(
        self,
        resolver: Resolver,
        hostname: str,
        reachable_networks: Sequence[Network],
        shuffle: Callable[[list[MailExchange]], None],
        smarthost: str | None = None,
    ) -> None:
        """Make a router.

        Args:
            resolver: answers look-ups.
            hostname: our own name; as an MX host it means a loop.
            reachable_networks: what may be reached besides the public Internet.
            shuffle: spreads MX hosts of equal preference (RFC 5321 §5.1).
            smarthost: the one host of all routes, a name or an address literal. Whoever names it
                means it: it may be reached wherever it is.
        """
        self._smarthost = smarthost
        self._resolver = resolver
        self._hostname = domain_key(hostname)
        self._reachable = tuple(reachable_networks)
        self._shuffle = shuffle
        self._judged: dict[Address, bool] = {}

    async def route(self, domain: str) -> Route | Problem:
        """Return the hosts that take mail for a domain, or why there are none."""
        if self._smarthost is not None:
            return Route((self._smarthost,))
        if domain.startswith("["):
            return Route((domain,))
        if not domain:
            return Failed("5.1.2 The address has no domain")
        try:
            exchanges = await self._resolver.mail_exchanges(domain)
        except NoSuchDomainError as error:
            return Failed(f"5.1.2 {error}")
        except LookupFailedError as error:
            return Deferred(f"4.4.3 {error}")
        if not exchanges:
            # The implicit MX is for domains without any MX record, and for no others.
            return Route((domain,))
        if any(not exchange.host for exchange in exchanges):
            # RFC 7505 §3: a null MX beside others is a mistake; taken at its word all the same
            # only when it stands alone.
            exchanges = [exchange for exchange in exchanges if exchange.host]
            if not exchanges:
                return Failed(f"5.1.10 {domain} does not accept mail (null MX)")
        hosts = self._in_order(exchanges)
        if not hosts:
            return Failed(f"5.4.6 The best mail host of {domain} is this one")
        return Route(hosts)

    async def addresses(self, host: str) -> tuple[Address, ...] | Problem:
        """Return the addresses of a host that may be reached, or why there are none."""
        if host.startswith("["):
            literal = address_of_literal(host)
            if literal is None:
                return Failed(f"5.1.3 {host} is no address")
            found: tuple[Address, ...] = (literal,)
        else:
            try:
                found = tuple(map(parsed, await self._resolver.addresses(host)))
            except NoSuchDomainError as error:
                return Failed(f"5.4.4 {error}")
            except LookupFailedError as error:
                return Deferred(f"4.4.3 {error}")
            if not found:
                return Failed(f"5.4.4 {host} has no address")
        if host == self._smarthost:
            return found
        reachable = tuple(address for address in found if self._may_reach(address))
        return reachable or Failed(f"5.4.4 {host} has no address that may be reached from here")

    def _in_order(self, exchanges: Sequence[MailExchange]) -> tuple[str, ...]:
        hosts: list[str] = []
        by_preference = attrgetter("preference")
        for _, equal in groupby(sorted(exchanges, key=by_preference), by_preference):
            group = list(equal)
            # RFC 5321 §5.1: if we are in the list, hosts no better than ourselves are left out.
            if any(exchange.host == self._hostname for exchange in group):
                break
            self._shuffle(group)
            hosts.extend(exchange.host for exchange in group)
        return tuple(hosts)

    def _may_reach(self, address: Address) -> bool:
        known = self._judged.get(address)
        if known is None:
            if len(self._judged) >= _JUDGED_AT_MOST:
                self._judged.clear()
            known = self._judged[address] = self._judge(embedded(address))
        return known

    def _judge(self, address: Address) -> bool:
        if any(address in network for network in self._reachable):
            return True
        return address.is_global and not address.is_multicast


@lru_cache(maxsize=4096)
def parsed(text: str) -> Address:
    """Return an address from its text; the same few are met with every message.

    Raises:
        ValueError: the text is no IP address.
    """
    return ip_address(text)


@lru_cache(maxsize=4096)
def written(address: Address) -> str:
    """Return an address as text."""
    return str(address)


def embedded(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, or the address itself."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


@lru_cache(maxsize=4096)
def address_of_literal(literal: str) -> Address | None:
    """Return the address in a literal, None if it holds none (RFC 5321 §4.1.3)."""
    text = literal.removeprefix("[").removesuffix("]")
    is_ipv6 = text[:5].lower() == "ipv6:"
    try:
        return IPv6Address(text[5:]) if is_ipv6 else IPv4Address(text)
    except ValueError:
        return None
