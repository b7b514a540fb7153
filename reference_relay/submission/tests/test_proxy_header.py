"""Reading PROXY headers: whole, in pieces, with anything behind them, and what is none."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_relay.submission.proxy_header import MalformedHeader, ProxyHeader, read_header

SIGNATURE = b"\x0d\x0a\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a"
PORTS = st.integers(0, 65535)
V4 = st.integers(0, 2**32 - 1).map(IPv4Address)
V6 = st.integers(2**96, 2**128 - 1).map(IPv6Address).filter(lambda one: not one.ipv4_mapped)
Pair = tuple[IPv4Address, IPv4Address] | tuple[IPv6Address, IPv6Address]
PAIRS: st.SearchStrategy[Pair] = st.tuples(V4, V4) | st.tuples(V6, V6)


def line(pair: Pair, ports: tuple[int, int]) -> bytes:
    """A header of version 1."""
    return f"PROXY TCP{pair[0].version} {pair[0]} {pair[1]} {ports[0]} {ports[1]}\r\n".encode()


def block(head: int, family: int, content: bytes) -> bytes:
    """A header of version 2."""
    return SIGNATURE + bytes([head, family]) + len(content).to_bytes(2, "big") + content


def addressed(pair: Pair, ports: tuple[int, int], more: bytes = b"") -> bytes:
    """A header of version 2 that names a client, with more fields behind the addresses."""
    content = b"".join(one.packed for one in pair)
    content += b"".join(port.to_bytes(2, "big") for port in ports)
    return block(0x21, 0x11 if pair[0].version == 4 else 0x21, content + more)


HEADERS = st.one_of(
    st.builds(line, PAIRS, st.tuples(PORTS, PORTS)),
    st.builds(addressed, PAIRS, st.tuples(PORTS, PORTS), st.binary(max_size=300)),
    st.builds(block, st.just(0x20), st.integers(0, 255), st.binary(max_size=300)),
    st.builds(block, st.just(0x21), st.just(0), st.binary(max_size=300)),
    st.just(b"PROXY UNKNOWN\r\n"),
)


@given(PAIRS, st.tuples(PORTS, PORTS), st.booleans(), st.binary(max_size=200), st.binary())
def test_the_client_is_named(
    pair: Pair, ports: tuple[int, int], is_block: bool, more: bytes, behind: bytes
) -> None:
    """Both versions name the source, skip fields they do not know, and end before the client's."""
    header = addressed(pair, ports, more) if is_block else line(pair, ports)
    assert read_header(header + behind) == ProxyHeader(len(header), str(pair[0]))


@given(HEADERS, st.binary(max_size=100))
def test_octet_by_octet_is_the_same(header: bytes, behind: bytes) -> None:
    """A header is unfinished until its last octet, and then the same as in one piece."""
    assert all(read_header(header[:length]) is None for length in range(len(header)))
    whole = read_header(header)
    assert whole is not None
    assert whole.octets == len(header)
    assert read_header(header + behind) == whole


@given(st.binary(max_size=300) | st.binary(max_size=60).map(lambda more: SIGNATURE + more))
def test_no_octets_surprise(received: bytes) -> None:
    """Whatever arrives is a header, the beginning of one, or malformed; nothing else is raised."""
    try:
        header = read_header(received)
    except MalformedHeader:
        return
    assert header is None or header.octets <= len(received)


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff:f...f:ffff whatever it says 65535\r\n",
        block(0x20, 0x11, bytes(12)),
        block(0x20, 0, b""),
        block(0x21, 0, b"\x03\x00\x04abcd"),
        block(0x21, 0x31, bytes(216)),
    ],
)
def test_headers_without_a_client(header: bytes) -> None:
    """UNKNOWN, LOCAL, UNSPEC and a socket of UNIX leave the connection's own peer as the client."""
    assert read_header(header + b"EHLO a\r\n") == ProxyHeader(len(header), None)


def test_an_ipv4_client_on_a_dual_socket() -> None:
    """Zones name such a client by its IPv4 address."""
    mapped = IPv6Address("::ffff:192.0.2.7")
    for header in (line((mapped, mapped), (1, 2)), addressed((mapped, mapped), (1, 2))):
        assert read_header(header) == ProxyHeader(len(header), "192.0.2.7")


@pytest.mark.parametrize(
    "received",
    [
        b"EHLO client.example\r\n",
        b"\x16\x03\x01",
        b"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY\r\n",
        b"PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
        b"PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1 \xb2\r\n",
        b"PROXY UNKNOWN " + b"x" * 93,
        SIGNATURE + b"\x11",
        SIGNATURE + b"\x22",
        block(0x21, 0x11, bytes(11)),
        block(0x21, 0x21, bytes(35)),
        block(0x21, 0x12, bytes(12)),
        block(0x21, 0x41, bytes(36)),
        (SIGNATURE + b"\x21\x11\xff\xff"),
    ],
)
def test_what_is_no_header(received: bytes) -> None:
    """Malformed, foreign and overlong headers are refused as soon as that is certain."""
    with pytest.raises(MalformedHeader):
        read_header(received)
