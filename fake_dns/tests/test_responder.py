"""What is kept of answers, and what becomes of packets that are no questions."""

import struct

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_dns import wire
from fake_dns.message import Request, Transport
from fake_dns.query_log import QueryLog
from fake_dns.tests.packets import (
    CLIENT,
    OPT,
    QUESTION,
    octets_of,
    packet,
    responder,
    texts,
)
from fake_dns.zone import Zone
from fake_dns.zone_set import ZoneSet


@pytest.mark.parametrize("octets", [b"", b"x" * 11, packet(QUESTION, flags=0x8000)])
def test_what_deserves_no_reply_is_dropped(octets: bytes) -> None:
    """Less than a header, and responses: answering those makes loops."""
    assert wire.decode(octets) is None


def test_any_octets_may_stand_in_a_label() -> None:
    """Labels are octets, not text (RFC 2181 §11)."""
    request = wire.decode(packet(b"\x03\xff\x00.\x07example\x03com\x00\x00\x01\x00\x01"))
    assert isinstance(request, Request)
    assert request.name.text == r"\255\000\..example.com"
    response = responder().respond(
        packet(b"\x03\xff\x00.\x07example\x03com\x00\x00\x01\x00\x01"), Transport.UDP, CLIENT
    )
    assert dns.message.from_wire(octets_of(response)).rcode() == dns.rcode.NXDOMAIN


MUTATED = st.builds(
    lambda base, cuts: b"".join(
        base[: at % len(base)] + junk + base[at % len(base) :] if i == 0 else junk
        for i, (at, junk) in enumerate(cuts)
    ),
    st.sampled_from([packet(QUESTION), packet(QUESTION + OPT, counts=(1, 0, 0, 1))]),
    st.lists(st.tuples(st.integers(0, 60), st.binary(max_size=8)), min_size=1, max_size=3),
)


@given(st.one_of(st.binary(max_size=600), MUTATED), st.sampled_from(Transport))
def test_no_packet_raises(octets: bytes, transport: Transport) -> None:
    """Any octets get a reply with their id, or none; never an exception."""
    response = responder().respond(octets, transport, CLIENT)
    if response is not None:
        assert octets_of(response)[:2] == octets[:2]
        assert octets_of(response)[2] & 0x80
        dns.message.from_wire(octets_of(response))


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3), st.integers(0, 65535))
def test_every_question_is_answered_as_asked(labels: list[bytes], code: int) -> None:
    """Whatever name and type: the reply repeats the question octet by octet."""
    name = b"".join(bytes([len(label)]) + label for label in labels)
    question = name + b"\x07example\x03com\x00" + struct.pack("!2H", code, 1)
    response = responder().respond(packet(question), Transport.UDP, CLIENT)
    assert octets_of(response)[12 : 12 + len(question)] == question


def test_a_cached_answer_has_the_new_id_and_is_logged() -> None:
    """The same question twice: the second differs in its id alone."""
    log = QueryLog()
    serving = responder(log=log)
    first = serving.respond(b"\x00\x01" + packet(QUESTION)[2:], Transport.UDP, CLIENT)
    second = serving.respond(b"\x00\x02" + packet(QUESTION)[2:], Transport.UDP, CLIENT)
    assert (octets_of(first)[:2], octets_of(second)[:2]) == (b"\x00\x01", b"\x00\x02")
    assert octets_of(first)[2:] == octets_of(second)[2:]
    assert [query.name for query in log.queries()] == ["example.com"] * 2


@pytest.mark.parametrize("flags", [0, dns.flags.RD, dns.flags.CD, dns.flags.RD | dns.flags.CD])
def test_a_cached_answer_has_the_new_flags(flags: int) -> None:
    """RD and CD are those of each query; AA stays."""
    serving = responder()
    for asked in (dns.flags.RD, flags, 0):
        octets = octets_of(serving.respond(packet(QUESTION, flags=asked), Transport.UDP, CLIENT))
        expected = dns.flags.QR | dns.flags.AA | asked
        assert dns.message.from_wire(octets).flags == expected
    assert serving._views[""].packed.count == 1


def test_a_replaced_zone_leaves_no_cached_answer() -> None:
    """The answer after the swap is that of the new zone."""
    serving = responder()
    octets = packet(QUESTION)
    serving.respond(octets, Transport.UDP, CLIENT)
    newer = Zone("example.com", {"@": {"A": "127.0.0.77"}})
    serving.publication = serving.publication.changed(ZoneSet([newer]), 0.0)
    response = serving.respond(octets, Transport.UDP, CLIENT)
    assert texts(dns.message.from_wire(octets_of(response))) == {"127.0.0.77"}


def test_a_flood_of_different_questions_does_not_fill_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cache starts anew when it is full."""
    monkeypatch.setattr("fake_dns.packed_answers.MAX_KEPT", 8)
    serving = responder()
    for number in range(50):
        query = dns.message.make_query(f"a.n{number}.example.com", "A")
        serving.respond(query.to_wire(), Transport.UDP, CLIENT)
    assert serving._views[""].packed.count <= 9
