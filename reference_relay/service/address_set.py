"""Sets of IP addresses, as sorted disjoint intervals, with exact boundaries.

Addresses of both families lie on one line of integers, IPv4 first. An IPv4-mapped IPv6 address
(RFC 4291 §2.5.5.2) is its IPv4 address, so no list can be dodged by the spelling of a dual-stack
socket (CBR-05). Membership costs a binary search however many zones were put together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Interval = tuple[int, int]

_IPV6_ORIGIN = 1 << 32
_END = _IPV6_ORIGIN + (1 << 128)
_MAPPED_FIRST = int(IPv6Address("::ffff:0:0"))
_MAPPED_LAST = int(IPv6Address("::ffff:ffff:ffff"))


def _position(address: IPv4Address | IPv6Address) -> int:
    value = int(address)
    if isinstance(address, IPv4Address):
        return value
    if _MAPPED_FIRST <= value <= _MAPPED_LAST:
        return value - _MAPPED_FIRST
    return _IPV6_ORIGIN + value


@dataclass(frozen=True, slots=True)
class AddressSet:
    """A set of addresses; `|`, `&` and `-` are union, intersection and difference.

    Attributes:
        intervals: First and last position of each run, ascending, with gaps between them.
    """

    intervals: tuple[Interval, ...] = ()
    _firsts: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_firsts", tuple(first for first, _ in self.intervals))

    @classmethod
    def parse(cls, text: str) -> AddressSet:
        """Read one address, range ("first-last", both ends belong to it) or subnet.

        Raises:
            ValueError: It is none of them; the text says what was expected.
        """
        if "%" in text:
            raise ValueError(f"{text!r}: an address with a scope has no meaning in a zone")
        if "/" in text:
            return cls((_subnet(text),))
        first_text, dash, last_text = text.partition("-")
        first = _parse(first_text, text)
        last = _parse(last_text, text) if dash else first
        _check_ends(first, last, text)
        return cls(((_position(first), _position(last)),))

    @classmethod
    def union(cls, sets: Iterable[AddressSet]) -> AddressSet:
        """Put any number of sets together, in one sort."""
        merged: list[Interval] = []
        for first, last in sorted(interval for one in sets for interval in one.intervals):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            else:
                merged.append((first, last))
        return cls(tuple(merged))

    def __contains__(self, address: str | IPv4Address | IPv6Address) -> bool:
        """Tell whether an address is in the set; text that is no address is in none.

        The scope of a link-local peer is not looked at.
        """
        position = _position_of_text(address) if isinstance(address, str) else _position(address)
        index = bisect_right(self._firsts, position) - 1
        return index >= 0 and position <= self.intervals[index][1]

    def runs(self) -> Iterator[tuple[IPv4Address | IPv6Address, IPv4Address | IPv6Address]]:
        """Yield the first and the last address of each run."""
        for first, last in self.intervals:
            # The line of integers goes on from one family to the other; an address does not.
            if first < _IPV6_ORIGIN:
                yield IPv4Address(first), IPv4Address(min(last, _IPV6_ORIGIN - 1))
            if last >= _IPV6_ORIGIN:
                yield (
                    IPv6Address(max(first, _IPV6_ORIGIN) - _IPV6_ORIGIN),
                    IPv6Address(last - _IPV6_ORIGIN),
                )

    def __bool__(self) -> bool:
        return bool(self.intervals)

    def __or__(self, other: AddressSet) -> AddressSet:
        return AddressSet.union((self, other))

    def __and__(self, other: AddressSet) -> AddressSet:
        shared: list[Interval] = []
        mine, theirs = iter(self.intervals), iter(other.intervals)
        left, right = next(mine, None), next(theirs, None)
        while left and right:
            first, last = max(left[0], right[0]), min(left[1], right[1])
            if first <= last:
                shared.append((first, last))
            if left[1] < right[1]:
                left = next(mine, None)
            else:
                right = next(theirs, None)
        return AddressSet(tuple(shared))

    def __sub__(self, other: AddressSet) -> AddressSet:
        edges = [-1, *(edge for run in other.intervals for edge in run), _END]
        # Between the runs of the other set lie the gaps that may stay.
        gaps = ((edges[i] + 1, edges[i + 1] - 1) for i in range(0, len(edges), 2))
        return self & AddressSet(tuple((first, last) for first, last in gaps if first <= last))


# The same few addresses are asked for at every MAIL: a hit costs 0.1 µs, parsing 5.
@lru_cache(maxsize=4096)
def _position_of_text(text: str) -> int:
    """Return -1, which is in no set, for what is no address."""
    try:
        return _position(ip_address(text))
    except ValueError:
        return -1


NO_ADDRESS = AddressSet()


def _parse(text: str, whole: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(text)
    except ValueError:
        raise ValueError(f"{whole!r}: expected an address, first-last or a subnet") from None


def _subnet(text: str) -> Interval:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise ValueError(f"expected a subnet like 192.0.2.0/24 or 2001:db8::/64: {error}") from None
    first, last = network.network_address, network.broadcast_address
    _check_ends(first, last, text)
    return _position(first), _position(last)


def _check_ends(
    first: IPv4Address | IPv6Address, last: IPv4Address | IPv6Address, text: str
) -> None:
    is_ipv4 = _position(first) < _IPV6_ORIGIN
    if is_ipv4 != (_position(last) < _IPV6_ORIGIN):
        raise ValueError(f"{text!r}: both ends must be of the same address family")
    if _position(first) > _position(last):
        raise ValueError(f"{text!r}: the first address must not be above the last")
