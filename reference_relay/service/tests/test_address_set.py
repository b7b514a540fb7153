"""Boundaries and algebra of address sets, against the standard library's own arithmetic."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_relay.service.address_set import AddressSet

V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
V6 = st.integers(2**64, 2**128 - 1).map(IPv6Address)


@st.composite
def subnets(draw: st.DrawFn) -> IPv4Network | IPv6Network:
    address = draw(st.one_of(V4, V6))
    prefix = draw(st.integers(0, address.max_prefixlen))
    return ip_network(f"{address}/{prefix}", strict=False)


@given(subnets(), st.one_of(V4, V6))
def test_a_subnet_holds_what_the_standard_library_says(
    subnet: IPv4Network | IPv6Network, address: IPv4Address | IPv6Address
) -> None:
    """Membership in any subnet equals ipaddress's verdict, its ends and their neighbours too."""
    members = AddressSet.parse(str(subnet))
    first, last = int(subnet.network_address), int(subnet.broadcast_address)
    kind = type(subnet.network_address)
    near = [n for n in (first - 1, first, last, last + 1) if 0 <= n < 2**subnet.max_prefixlen]
    for candidate in [address, *(kind(n) for n in near)]:
        is_mapped = isinstance(candidate, IPv6Address) and candidate.ipv4_mapped is not None
        assert (candidate in members) == (candidate in subnet and not is_mapped)


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("192.0.2.7", ["192.0.2.7"], ["192.0.2.6", "192.0.2.8"]),
        ("192.0.2.7/32", ["192.0.2.7"], ["192.0.2.6", "192.0.2.8"]),
        ("192.0.2.6/31", ["192.0.2.6", "192.0.2.7"], ["192.0.2.5", "192.0.2.8"]),
        ("192.0.2.8/29", ["192.0.2.8", "192.0.2.15"], ["192.0.2.7", "192.0.2.16"]),
        ("0.0.0.0/0", ["0.0.0.1", "255.255.255.255"], ["::", "::1"]),
        ("::/0", ["::", "::1", "2001:db8::1"], ["0.0.0.1", "192.0.2.7", "::ffff:192.0.2.7"]),
        ("10.0.0.9-10.0.0.9", ["10.0.0.9"], ["10.0.0.8", "10.0.0.10"]),
        ("10.0.0.9-10.0.1.2", ["10.0.0.9", "10.0.1.2"], ["10.0.0.8", "10.0.1.3"]),
        ("2001:db8::/64", ["2001:DB8::", "2001:db8:0:0:ffff::"], ["2001:db8:0:1::"]),
        ("2001:db8::1/128", ["2001:0DB8:0000::0:1"], ["2001:db8::", "2001:db8::2"]),
        ("fe80::1", ["fe80::1%eth0"], ["fe80::2%eth0"]),
        ("64:ff9b::192.0.2.7", ["64:ff9b::c000:207"], ["192.0.2.7"]),
    ],
)
def test_boundaries_are_exact(text: str, inside: list[str], outside: list[str]) -> None:
    """Both ends belong to it and both neighbours do not, in every spelling (CBR-03, CBR-04)."""
    members = AddressSet.parse(text)
    assert [address in members for address in inside] == [True] * len(inside)
    assert [address in members for address in outside] == [False] * len(outside)


@pytest.mark.parametrize(
    "text", ["192.0.2.7", "::ffff:192.0.2.7", "::FFFF:c000:207", "192.0.2.7-::ffff:192.0.2.7"]
)
def test_a_mapped_address_is_its_ipv4_address(text: str) -> None:
    """The IPv4-mapped spelling equals the IPv4 one, in lists and of peers (CBR-05)."""
    members = AddressSet.parse(text)
    assert "192.0.2.7" in members
    assert "::ffff:192.0.2.7" in members
    assert "192.0.2.8" not in members
    assert AddressSet.parse("::ffff:192.0.2.0/124") == AddressSet.parse("192.0.2.0/28")


@pytest.mark.parametrize(
    "text",
    [
        "", "10.0.0.300", "10.0.0.0/33", "10.0.0.1/24", "10.0.0.9-10.0.0.8", "10.0.0.1-::1",
        "::ffff:0:0/95", "10.0.0.1 - 10.0.0.2", "010.0.0.1", "fe80::1%eth0", "localhost", "-", "/",
    ],
)  # fmt: skip
def test_malformed_text_is_refused(text: str) -> None:
    """What is neither an address nor a range nor a subnet is an error, never an empty set."""
    with pytest.raises(ValueError, match=r"expected|address"):
        AddressSet.parse(text)


def test_text_that_is_no_address_is_in_no_set() -> None:
    """A peer name that is no address is never admitted."""
    assert "" not in AddressSet.parse("0.0.0.0/0")
    assert "localhost" not in AddressSet.parse("0.0.0.0/0")


SMALL = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 6)), max_size=5)


@given(SMALL, SMALL)
def test_union_intersection_and_difference_are_those_of_sets(
    left: list[tuple[int, int]], right: list[tuple[int, int]]
) -> None:
    """The three operations agree with Python's sets, and equal sets are equal values."""

    def make(runs: list[tuple[int, int]]) -> tuple[AddressSet, set[int]]:
        texts = [f"{IPv4Address(first)}-{IPv4Address(first + size)}" for first, size in runs]
        plain = {first + n for first, size in runs for n in range(size + 1)}
        return AddressSet.union(map(AddressSet.parse, texts)), plain

    (a, plain_a), (b, plain_b) = make(left), make(right)
    for mine, plain in (
        (a | b, plain_a | plain_b),
        (a & b, plain_a & plain_b),
        (a - b, plain_a - plain_b),
    ):
        assert {n for n in range(40) if ip_address(n) in mine} == plain
        assert bool(mine) == bool(plain)
    assert a | b == b | a
    assert (a - b) | (a & b) == a
