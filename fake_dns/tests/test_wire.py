"""The wire: what dnspython reads of what we write, and what we make of anything at all."""

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdatatype
import pytest

from fake_dns import wire
from fake_dns.fault import Garbled
from fake_dns.fault_book import FaultBook
from fake_dns.message import Rcode, Transport
from fake_dns.query_log import QueryLog
from fake_dns.responder import Responder
from fake_dns.tests.packets import (
    CLIENT,
    KEY,
    OPT,
    QUESTION,
    ask,
    octets_of,
    packet,
    responder,
    texts,
)
from fake_dns.wire import Rejected
from fake_dns.zone import Zone
from fake_dns.zone_set import Publication, ZoneSet


@pytest.mark.parametrize(
    ("name", "type", "expected"),
    [
        ("example.com", "A", {"127.0.0.1", "127.0.0.2"}),
        ("example.com", "AAAA", {"2001:db8::1"}),
        ("example.com", "MX", {"10 mx1.example.com.", "20 mx2.example.com."}),
        ("example.com", "NS", {"fake-dns.invalid."}),
        (
            "example.com",
            "SOA",
            {"fake-dns.invalid. hostmaster.invalid. 1 3600 600 86400 300"},
        ),
        ("example.com", "TXT", {'"v=spf1 -all"', f'"{KEY[:255]}" "{KEY[255:]}"'}),
        ("example.com", "CAA", {'0 issue "ca.example"'}),
        ("nomail.example.com", "MX", {"0 ."}),
        ("_submission._tcp.example.com", "SRV", {"0 5 587 smtp.example.com."}),
        ("_25._tcp.example.com", "TLSA", {"3 0 0 00ff"}),
        ("odd.example.com", "TYPE65280", {r"\# 2 abcd"}),
        ("ptr.example.com", "PTR", {"Host.Example.NET."}),
        ("www.example.com", "A", {"example.com.", "127.0.0.1", "127.0.0.2"}),
    ],
)
def test_every_type_is_read_by_another_library(name: str, type: str, expected: set[str]) -> None:
    """What dnspython finds in the reply is what the zone says."""
    reply = ask(dns.message.make_query(name, type, use_edns=True))
    assert texts(reply) == expected
    assert all(rrset.ttl == 300 for rrset in reply.answer)
    assert reply.flags & dns.flags.AA


def test_the_question_comes_back_in_its_case() -> None:
    """0x20: question and owner name are as they were asked; values keep the zone's case."""
    reply = ask(dns.message.make_query("eXaMpLe.CoM", "MX"))
    assert reply.question[0].name.to_text() == "eXaMpLe.CoM."
    assert reply.answer[0].name.to_text() == "eXaMpLe.CoM."
    assert "10 mx1.example.com." in texts(reply)


def test_flags_and_edns_are_answered_in_kind() -> None:
    """RD and CD are repeated, RA is not claimed, DO comes back, OPT only to whom speaks EDNS."""
    query = dns.message.make_query("example.com", "A", use_edns=0, payload=4096, want_dnssec=True)
    query.flags |= dns.flags.RD | dns.flags.CD
    reply = ask(query)
    assert reply.flags == dns.flags.QR | dns.flags.AA | dns.flags.RD | dns.flags.CD
    assert (reply.edns, reply.payload) == (0, 1232)
    assert reply.ednsflags & dns.flags.DO
    assert ask(dns.message.make_query("example.com", "A", use_edns=False)).edns == -1


@pytest.mark.parametrize(
    ("flags", "wants_dnssec", "is_set"),
    [(0, False, False), (dns.flags.AD, False, True), (0, True, True)],
)
def test_ad_is_for_those_who_ask(flags: int, wants_dnssec: bool, is_set: bool) -> None:
    """RFC 6840 §5.7: AD or DO in the query, and a zone that says it is authentic; a "no" too."""
    query = dns.message.make_query("a.example", "A", use_edns=0, want_dnssec=wants_dnssec)
    query.flags |= flags
    for authentic, name in ((True, "a.example"), (True, "no.a.example"), (False, "a.example")):
        zone = Zone("a.example", {"@": {"A": "127.0.0.1"}}, authentic=authentic)
        serving = Responder(Publication(ZoneSet([zone])), FaultBook(), QueryLog())
        query.question[0].name = dns.name.from_text(name)
        for _ in range(2):  # packed, then cached
            octets = octets_of(serving.respond(query.to_wire(), Transport.UDP, CLIENT))
            reply = dns.message.from_wire(octets)
            assert bool(reply.flags & dns.flags.AD) is (is_set and authentic)


def test_ad_speaks_of_the_whole_chain() -> None:
    """An alias into a zone that is not authentic is not authentic."""
    zones = ZoneSet(
        [
            Zone("a.example", {"w": {"CNAME": "b.example."}}, authentic=True),
            Zone("b.example", {"@": {"A": "127.0.0.1"}}),
        ]
    )
    query = dns.message.make_query("w.a.example", "A", want_dnssec=True)
    response = Responder(Publication(zones), FaultBook(), QueryLog()).respond(
        query.to_wire(), Transport.UDP, CLIENT
    )
    reply = dns.message.from_wire(octets_of(response))
    assert len(reply.answer) == 2
    assert not reply.flags & dns.flags.AD


def test_an_edns_version_above_0_is_badvers() -> None:
    """RFC 6891 §6.1.3: extended code 16, our own version in the OPT, no answer."""
    reply = ask(dns.message.make_query("example.com", "A", use_edns=1))
    assert reply.rcode() == dns.rcode.BADVERS
    assert reply.edns == 0
    assert not reply.answer


@pytest.mark.parametrize(
    ("name", "payload", "is_truncated"),
    [
        ("example.com", None, True),  # some 530 octets
        ("example.com", 100, True),  # RFC 6891 §6.2.3: less than 512 means 512
        ("example.com", 700, False),
        ("big.example.com", 1232, True),
        ("big.example.com", 65535, True),  # the server's own bound
    ],
)
def test_what_does_not_fit_is_truncated(name: str, payload: int | None, is_truncated: bool) -> None:
    """TC=1 keeps the question and OPT, so that resolvers take it and come back over TCP."""
    query = dns.message.make_query(name, "TXT", use_edns=payload is not None, payload=payload or 0)
    reply = ask(query)
    assert bool(reply.flags & dns.flags.TC) is is_truncated
    assert reply.question == query.question
    assert bool(reply.answer) is not is_truncated
    assert reply.edns == (0 if payload is not None else -1)
    over_tcp = ask(query, Transport.TCP)
    assert over_tcp.answer
    assert not over_tcp.flags & dns.flags.TC


@pytest.mark.parametrize("name", ["huge.example.com", "many.example.com"])
def test_what_exceeds_even_tcp_is_truncated_there(name: str) -> None:
    """65535 octets are the end; nothing raises."""
    type = "A" if name.startswith("many") else "TXT"
    reply = ask(dns.message.make_query(name, type), Transport.TCP)
    assert reply.flags & dns.flags.TC


def test_names_far_into_a_message_are_not_pointed_at() -> None:
    """A compression pointer holds 14 bit; beyond 16 KiB names are written out."""
    query = dns.message.make_query("far.example.com", "MX")
    response = responder().respond(query.to_wire(), Transport.TCP, CLIENT)
    assert len(octets_of(response)) > 0x4000
    reply = dns.message.from_wire(octets_of(response))
    assert len(texts(reply)) == 900


def test_a_garbled_reply_keeps_its_head() -> None:
    """Id and question are right, the rest is unreadable."""
    query = dns.message.make_query("example.com", "A")
    response = responder(Garbled()).respond(query.to_wire(), Transport.UDP, CLIENT)
    assert octets_of(response)[:2] == query.to_wire()[:2]
    with pytest.raises(dns.exception.FormError):
        dns.message.from_wire(octets_of(response))


@pytest.mark.parametrize(
    ("octets", "rcode"),
    [
        (packet(b""), Rcode.FORMERR),
        (packet(b"", counts=(0, 0, 0, 0)), Rcode.FORMERR),
        (packet(QUESTION * 2, counts=(2, 0, 0, 0)), Rcode.FORMERR),
        (packet(QUESTION[:-1]), Rcode.FORMERR),
        (packet(QUESTION + b"x"), Rcode.FORMERR),
        (packet(b"\xc0\x0c\x00\x01\x00\x01"), Rcode.FORMERR),
        (packet(b"\x40" + b"a" * 64 + b"\x00\x00\x01\x00\x01"), Rcode.FORMERR),
        (packet((b"\x3f" + b"a" * 63) * 4 + b"\x00\x00\x01\x00\x01"), Rcode.FORMERR),
        (packet(QUESTION + OPT * 2, counts=(1, 0, 0, 2)), Rcode.FORMERR),
        (packet(QUESTION + b"\x01a" + OPT, counts=(1, 0, 0, 1)), Rcode.FORMERR),
        (packet(QUESTION + OPT, counts=(1, 1, 0, 0)), Rcode.FORMERR),
        (packet(QUESTION + OPT[:-1], counts=(1, 0, 0, 1)), Rcode.FORMERR),
        (packet(QUESTION, counts=(1, 0, 0, 1)), Rcode.FORMERR),
        (packet(QUESTION + b"\xc0" * 60000, counts=(1, 0, 0, 9)), Rcode.FORMERR),
        (packet(QUESTION, flags=4 << 11), Rcode.NOTIMP),
        (packet(QUESTION, flags=5 << 11), Rcode.NOTIMP),
        (packet(b"", flags=15 << 11), Rcode.NOTIMP),
    ],
)
def test_what_is_no_question_is_rejected(octets: bytes, rcode: Rcode) -> None:
    """FORMERR or NOTIMP, as a bare header with the id."""
    rejected = wire.decode(octets)
    assert isinstance(rejected, Rejected)
    assert rejected.rcode is rcode
    reply = dns.message.from_wire(wire.encode_rejection(rejected))
    assert reply.id == 0xABCD
    assert reply.rcode() == int(rcode)
    assert reply.opcode() == int.from_bytes(octets[2:4], "big") >> 11 & 0xF


@pytest.mark.parametrize("name", ["ns1.example.com", "xyz.example.com", "XYZ.Example.COM", "a.b"])
def test_what_is_remembered_of_a_negative_reply_points_nowhere_else(name: str) -> None:
    """Names of one length share their packed SOA, whether or not the SOA names one of them."""
    zone = Zone(
        "example.com", {}, soa={"primary": "ns1.example.com.", "contact": "xyz.example.com."}
    )
    answering = Responder(Publication(ZoneSet([zone])), FaultBook(), QueryLog())
    for asked in ("xyz.example.com", "ns1.example.com", name):
        query = dns.message.make_query(asked, "A")
        octets = octets_of(answering.respond(query.to_wire(), Transport.UDP, CLIENT))
        reply = dns.message.from_wire(octets)
        if asked == "a.b":
            assert reply.rcode() == dns.rcode.REFUSED
            continue
        assert reply.question[0].name.to_text() == f"{asked}."
        (soa,) = reply.authority
        assert soa.name == dns.name.from_text("example.com")
        assert soa[0].to_text().split()[:2] == ["ns1.example.com.", "xyz.example.com."]
