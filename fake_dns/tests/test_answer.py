"""Answers: sections and codes, without a wire."""

from dataclasses import replace

import pytest

from fake_dns.answer import MAX_RESTARTS, answer
from fake_dns.fault import (
    Code,
    Delay,
    Fault,
    Flags,
    Garbled,
    HalfAnswer,
    NoEDNS,
    Refused,
    Reset,
    Rotating,
    ServerFailure,
    Silence,
    Stale,
    Truncated,
    WrongId,
    WrongQuestion,
)
from fake_dns.message import EDNS, Delivery, Header, Rcode, Reply, Request, Spoil, Transport
from fake_dns.misbehaviour import misbehave
from fake_dns.name import Name
from fake_dns.zone import Zone
from fake_dns.zone_set import ZoneSet

ZONES = ZoneSet(
    [
        Zone(
            "example.com",
            {
                "@": {"A": "127.0.0.1", "TXT": "v=spf1 -all"},
                "www": {"CNAME": "@"},
                "far": {"CNAME": "host.example.net."},
                "away": {"CNAME": "nobody.example.org."},
                "lost": {"CNAME": "missing"},
                "empty": {"CNAME": "www"},
                "self": {"CNAME": "self"},
                "ping": {"CNAME": "pong"},
                "pong": {"CNAME": "ping"},
                "cut": {"NS": "ns.cut"},
                "ns.cut": {"A": "127.0.0.9"},
                "to-cut": {"CNAME": "host.cut"},
                **{f"c{i}": {"CNAME": f"c{i + 1}"} for i in range(20)},
            },
        ),
        Zone("example.net", {"host": {"A": "127.0.0.2"}}, soa={"minimum": 9}),
    ]
)


def request(name: str, type: str = "A", **changes: object) -> Request:
    """A plain query for a name and type."""
    facts: dict[str, object] = {"record_class": 1, "edns": None, **changes}
    return Request(Header(1, 0, False, False), Name.parse(name), type, **facts)  # type: ignore[arg-type]  # the few facts a test changes


def reply(name: str, type: str = "A", **changes: object) -> Reply:
    """The true reply to that query."""
    return answer(request(name, type, **changes), ZONES)


def owners(given: Reply) -> list[str]:
    """The first labels of the answer section."""
    return [record_set.name.text.split(".")[0] for record_set in given.answer]


@pytest.mark.parametrize(
    ("name", "type", "rcode", "answered", "has_soa"),
    [
        ("example.com", "A", Rcode.NOERROR, ["example"], False),
        ("example.com", "MX", Rcode.NOERROR, [], True),
        ("no.example.com", "A", Rcode.NXDOMAIN, [], True),
        ("www.example.com", "A", Rcode.NOERROR, ["www", "example"], False),
        ("www.example.com", "MX", Rcode.NOERROR, ["www"], True),
        ("www.example.com", "CNAME", Rcode.NOERROR, ["www"], False),
        ("empty.example.com", "A", Rcode.NOERROR, ["empty", "www", "example"], False),
        ("far.example.com", "A", Rcode.NOERROR, ["far", "host"], False),
        ("away.example.com", "A", Rcode.NOERROR, ["away"], False),
        ("lost.example.com", "A", Rcode.NXDOMAIN, ["lost"], True),
        ("self.example.com", "A", Rcode.SERVFAIL, ["self"], False),
        ("ping.example.com", "A", Rcode.SERVFAIL, ["ping", "pong"], False),
        ("example.org", "A", Rcode.REFUSED, [], False),
    ],
)
def test_sections_and_code_follow_from_the_zones(
    name: str, type: str, rcode: Rcode, answered: list[str], has_soa: bool
) -> None:
    """NODATA and NXDOMAIN carry the SOA; a chain ends in the code of its last name (RFC 6604)."""
    given = reply(name, type)
    assert given.rcode is rcode
    assert owners(given) == answered
    assert [record_set.type for record_set in given.authority] == (["SOA"] if has_soa else [])
    assert given.is_authoritative is (rcode is not Rcode.REFUSED)


def test_a_long_chain_is_cut() -> None:
    """Twenty aliases end at the bound, in an error and not in an endless search."""
    given = reply("c0.example.com")
    assert len(given.answer) == MAX_RESTARTS + 1
    assert given.rcode is Rcode.SERVFAIL


def test_the_soa_is_that_of_the_zone_where_the_search_ended() -> None:
    """A chain into another zone ends with that zone's negative lifetime."""
    (soa,) = reply("far.example.com", "TXT").authority
    assert soa.name.text == "example.net"
    assert soa.ttl == 9


def test_a_delegation_is_a_referral() -> None:
    """Name servers in authority, glue in additional, no AA; after an alias AA is of the alias."""
    given = reply("host.cut.example.com")
    assert not given.is_authoritative
    assert [record_set.type for record_set in given.authority] == ["NS"]
    assert [record_set.type for record_set in given.additional] == ["A"]
    assert reply("to-cut.example.com").is_authoritative


@pytest.mark.parametrize(
    ("changes", "rcode"),
    [
        ({"record_class": 3}, Rcode.REFUSED),
        ({"record_class": 255}, Rcode.NOERROR),
        ({"type": "AXFR"}, Rcode.REFUSED),
        ({"type": "OPT"}, Rcode.FORMERR),
        ({"edns": EDNS(1232, 1, False)}, Rcode.BADVERS),
        ({"edns": EDNS(1232, 0, True)}, Rcode.NOERROR),
    ],
)
def test_questions_of_another_kind_have_their_code(
    changes: dict[str, object], rcode: Rcode
) -> None:
    """Other classes and transfers are refused, EDNS versions above 0 are not spoken."""
    type = str(changes.pop("type", "A"))
    assert reply("example.com", type, **changes).rcode is rcode


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Silence(), None),
        (ServerFailure(), Reply(Rcode.SERVFAIL)),
        (Refused(), Reply(Rcode.REFUSED)),
        (Code(Rcode.NXDOMAIN), Reply(Rcode.NXDOMAIN)),
        (Delay(1, then=Silence()), None),
        (Delay(1, then=Refused()), Reply(Rcode.REFUSED, delay_seconds=1)),
    ],
)
def test_a_fault_takes_the_place_of_the_answer(fault: Fault, expected: Reply | None) -> None:
    """Silence is None; the codes come without any section."""
    true = reply("example.com")
    assert misbehave(request("example.com"), true, Transport.UDP, fault) == expected


@pytest.mark.parametrize(
    ("fault", "changes"),
    [
        (None, {}),
        (Stale(60), {}),
        (NoEDNS(), {}),
        (Delay(0.5), {"delay_seconds": 0.5}),
        (Garbled(), {"spoil": Spoil.GARBLED}),
        (WrongId(), {"spoil": Spoil.WRONG_ID}),
        (WrongQuestion(), {"spoil": Spoil.WRONG_QUESTION}),
        (Truncated(), {"is_truncated": True}),
        (HalfAnswer(), {"delivery": Delivery.HALF}),
        (Reset(), {}),
        (
            Flags(authentic=True, authoritative=False),
            {"is_authentic": True, "is_authoritative": False},
        ),
    ],
)
def test_a_fault_may_spoil_the_true_answer(fault: Fault | None, changes: dict[str, object]) -> None:
    """The records are those of the zone, and something else is not."""
    asked, true = request("example.com"), reply("example.com")
    expected = replace(true, **changes)  # type: ignore[arg-type]  # the one fact that changes
    assert misbehave(asked, true, Transport.UDP, fault) == expected


def test_what_a_transport_cannot_do_is_left_undone() -> None:
    """No truncation over TCP, no reset over UDP."""
    asked, true = request("example.com"), reply("example.com")
    assert misbehave(asked, true, Transport.TCP, Truncated()) == true
    assert misbehave(asked, true, Transport.UDP, Reset()) == true
    reset = misbehave(asked, true, Transport.TLS, Reset())
    assert reset == replace(true, delivery=Delivery.RESET)


def test_who_speaks_edns_may_be_turned_away() -> None:
    """FORMERR without OPT for EDNS, the truth without it (RFC 6891 §7)."""
    true = reply("example.com")
    spoken = request("example.com", edns=EDNS(1232, 0, False))
    refused = misbehave(spoken, true, Transport.UDP, NoEDNS())
    assert refused == Reply(Rcode.FORMERR, speaks_edns=False)


def test_records_may_rotate() -> None:
    """Each place further is another record first; all of them stay."""
    zones = ZoneSet([Zone("a.example", {"@": {"A": ["127.0.0.1", "127.0.0.2", "127.0.0.3"]}})])
    asked = request("a.example")
    true = answer(asked, zones)
    texts = []
    for by in range(4):
        given = misbehave(asked, true, Transport.UDP, Rotating(by))
        assert given is not None
        texts.append([record.text[-1] for record in given.answer[0].records])
    assert texts == [["1", "2", "3"], ["2", "3", "1"], ["3", "1", "2"], ["1", "2", "3"]]
