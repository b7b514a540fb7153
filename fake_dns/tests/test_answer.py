"""Answers: sections and codes, without a wire."""

from dataclasses import replace

import pytest

from fake_dns.answer import MAX_ALIASES, answer
from fake_dns.fault import (
    Delay,
    Fault,
    FaultBook,
    FaultRule,
    Garbled,
    Refused,
    ServerFailure,
    Silence,
    Truncated,
)
from fake_dns.message import EDNS, Header, Rcode, Reply, Request, Transport
from fake_dns.name import Name
from fake_dns.zone import Zone, ZoneSet

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
    given = answer(request(name, type, **changes), ZONES)
    assert given is not None
    return given


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
        ("self.example.com", "A", Rcode.NOERROR, ["self"], False),
        ("ping.example.com", "A", Rcode.NOERROR, ["ping", "pong"], False),
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
    """Twenty aliases end at the bound, not in an endless search."""
    assert len(reply("c0.example.com").answer) == MAX_ALIASES


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
    ],
)
def test_a_fault_takes_the_place_of_the_answer(fault: Fault, expected: Reply | None) -> None:
    """Silence is None; the codes come without any section."""
    assert answer(request("example.com"), ZONES, fault=fault) == expected


def test_a_fault_may_spoil_the_true_answer() -> None:
    """Delayed, garbled or truncated, the records are still those of the zone."""
    asked = request("example.com")
    true = answer(asked, ZONES)
    assert true is not None
    assert answer(asked, ZONES, fault=Delay(0.5)) == replace(true, delay_seconds=0.5)
    assert answer(asked, ZONES, fault=Garbled()) == replace(true, is_garbled=True)
    assert answer(asked, ZONES, fault=Truncated()) == replace(true, is_truncated=True)
    assert answer(asked, ZONES, Transport.TCP, Truncated()) == true


def test_the_first_fault_that_matches_is_taken_as_often_as_planned() -> None:
    """Name in any case, type and transport decide; a counted rule ends."""
    book = FaultBook(
        [
            FaultRule(ServerFailure(), Name.parse("Example.COM"), "A", times=2),
            FaultRule(Refused(), transport=Transport.TCP),
        ]
    )
    asked = request("example.com")
    assert book.take(asked, Transport.UDP) == ServerFailure()
    assert book.take(request("example.com", "MX"), Transport.UDP) is None
    assert book.take(asked, Transport.TCP) == ServerFailure()
    assert book.take(asked, Transport.UDP) is None
    assert book.take(asked, Transport.TCP) == Refused()
