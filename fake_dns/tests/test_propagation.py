"""Record sets that come and go, on the clock and per server; caches that hold on to a "no"."""

from __future__ import annotations

import time
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import pytest

from fake_dns import Clock, FakeDNS, Lame, Stale, Zone, ZoneError
from fake_dns.tests.interop.unbound import stub_zone, unbound

VERSIONS = {
    "@": {
        "A": [
            {"values": "127.0.0.1"},
            {"values": "127.0.0.2", "from": "+1m"},
            {"values": "127.0.0.3", "from": "+2m", "until": "+3m", "servers": "second"},
        ],
    },
    "new": {"TXT": {"values": "hello", "from": "+60"}},
    "gone": {"TXT": {"values": "bye", "until": "+60"}},
    "moved": {
        "CNAME": {"values": "gone", "until": "+60"},
        "A": {"values": "127.0.0.9", "from": "+60"},
    },
}


def ask(server: FakeDNS, name: str, type: str = "A", of: str = "main") -> dns.message.Message:
    """Ask one of the servers."""
    query = dns.message.make_query(name, type)
    return dns.query.udp(query, server.address, port=server.servers[of].port, timeout=5)


def texts(reply: dns.message.Message) -> list[str]:
    """The values in the answer."""
    return [rdata.to_text() for rrset in reply.answer for rdata in rrset]


def test_record_sets_come_and_go_on_the_clock() -> None:
    """Before, at and after an instant, in one step; the latest version that is visible answers."""
    clock = Clock.stopped(1000.0)
    with FakeDNS([Zone("example.com", VERSIONS)], now=clock) as server:
        assert ask(server, "new.example.com", "TXT").rcode() == dns.rcode.NXDOMAIN
        assert texts(ask(server, "gone.example.com", "TXT")) == ['"bye"']
        assert texts(ask(server, "example.com")) == ["127.0.0.1"]
        assert texts(ask(server, "moved.example.com", "CNAME")) == ["gone.example.com."]
        server.advance(59.5)
        assert texts(ask(server, "example.com")) == ["127.0.0.1"]
        server.advance(0.5)
        assert texts(ask(server, "new.example.com", "TXT")) == ['"hello"']
        assert ask(server, "gone.example.com", "TXT").rcode() == dns.rcode.NXDOMAIN
        assert texts(ask(server, "example.com")) == ["127.0.0.2"]
        assert texts(ask(server, "moved.example.com")) == ["127.0.0.9"]


def test_two_servers_of_one_zone_may_disagree() -> None:
    """A version for one server is seen there alone."""
    with FakeDNS([Zone("example.com", VERSIONS)], servers=["second"], now=Clock.stopped()) as both:
        both.advance(150)
        assert texts(ask(both, "example.com")) == ["127.0.0.2"]
        assert texts(ask(both, "example.com", of="second")) == ["127.0.0.3"]
        both.advance(60)
        assert texts(ask(both, "example.com", of="second")) == ["127.0.0.2"]
        assert [query.server for query in both.queries("example.com")] == [
            "main",
            "second",
            "second",
        ]
        assert len(both.queries(server="second")) == 2


def test_a_stale_server_answers_from_its_past() -> None:
    """Neither a replaced zone nor a new version is there before the lag is over."""
    old, new = (Zone("example.com", {"@": {"A": f"127.0.0.{n}"}}) for n in (1, 2))
    with FakeDNS([old], servers=["second"], now=Clock.stopped()) as both:
        both.advance(100)
        both.replace(new)
        both.inject(Stale(30), server="second")
        assert texts(ask(both, "example.com")) == ["127.0.0.2"]
        assert texts(ask(both, "example.com", of="second")) == ["127.0.0.1"]
        both.advance(30)
        assert texts(ask(both, "example.com", of="second")) == ["127.0.0.2"]


def test_what_is_visible_does_not_depend_on_what_was_asked_before() -> None:
    """Answers are packed once and cached; the cache ends with what it was packed from."""
    with FakeDNS([Zone("example.com", VERSIONS)], now=Clock.stopped()) as server:
        for _ in range(3):
            assert texts(ask(server, "example.com")) == ["127.0.0.1"]
        server.advance(60)
        for _ in range(3):
            assert texts(ask(server, "example.com")) == ["127.0.0.2"]


def test_a_resolver_remembers_a_no_as_long_as_the_soa_says() -> None:
    """The record is there after 60 s; who asked before hears of it when the minimum is over."""
    zone = Zone("example.com", VERSIONS, soa={"minimum": 90, "ttl": 600})
    with FakeDNS([zone], resolvers=["cache"], now=Clock.stopped()) as server:
        first = ask(server, "new.example.com", "TXT", of="cache")
        assert first.rcode() == dns.rcode.NXDOMAIN
        assert first.authority[0].ttl == 90
        server.advance(70)
        assert texts(ask(server, "new.example.com", "TXT")) == ['"hello"']
        again = ask(server, "new.example.com", "TXT", of="cache")
        assert again.rcode() == dns.rcode.NXDOMAIN
        assert again.authority[0].ttl == 20
        server.advance(20)
        assert texts(ask(server, "new.example.com", "TXT", of="cache")) == ['"hello"']


def test_a_resolver_remembers_an_answer_for_its_lifetime() -> None:
    """Lifetimes run down; the case is that of the question; AA is gone and RA is there."""
    zone = Zone("example.com", {"@": {"A": {"values": "127.0.0.1", "ttl": 50}}})
    with FakeDNS([zone], resolvers=["cache"], now=Clock.stopped()) as server:
        ask(server, "example.com", of="cache")
        server.replace(Zone("example.com", {"@": {"A": "127.0.0.2"}}))
        server.advance(49)
        kept = ask(server, "eXample.com", of="cache")
        assert texts(kept) == ["127.0.0.1"]
        assert kept.answer[0].ttl == 1
        assert kept.answer[0].name.to_text() == "eXample.com."
        assert dns.flags.to_text(kept.flags) == "QR RD RA"
        server.advance(1)
        assert texts(ask(server, "example.com", of="cache")) == ["127.0.0.2"]


def test_a_real_resolver_holds_on_to_a_no(tmp_path: Path) -> None:
    """Unbound in front, in real time: NXDOMAIN until the SOA's minimum of 2 s is over."""
    zone = Zone("example.com", {}, soa={"minimum": 2})
    with (
        FakeDNS([zone]) as server,
        unbound(tmp_path, stub_zone("example.com", server.port)) as port,
    ):

        def rcode() -> dns.rcode.Rcode:
            query = dns.message.make_query("new.example.com", "A")
            return dns.query.udp(query, "127.0.0.1", port=port, timeout=5).rcode()

        assert rcode() == dns.rcode.NXDOMAIN
        asked = time.monotonic()
        server.replace(Zone("example.com", {"new": {"A": "127.0.0.1"}}))
        while (found := rcode()) == dns.rcode.NXDOMAIN and time.monotonic() < asked + 15:
            time.sleep(0.05)
        assert found == dns.rcode.NOERROR
        # Whole seconds are counted on both sides.
        assert time.monotonic() - asked >= 0.9


def test_time_that_is_no_time_is_refused() -> None:
    """Each says its place and what was expected."""
    for version, complaint in (
        ({"values": "127.0.0.1", "from": "soon"}, r"A\.from: 'soon'; expected seconds"),
        ({"values": "127.0.0.1", "until": True}, r"A\.until: True; expected seconds"),
        ({"values": "127.0.0.1", "from": "2026-01-01T00:00:00"}, r"A\.from: .*offset"),
        ({"values": "127.0.0.1", "servers": [1]}, r"A\.servers: \[1\]; expected the name"),
        ({"values": "127.0.0.1", "server": "x"}, r"A\.server: unknown key"),
    ):
        with pytest.raises(ZoneError, match=complaint):
            Zone("example.com", {"@": {"A": version}})


def test_a_cname_may_be_beside_other_data_only_at_another_time() -> None:
    """Where both can be seen, the zone is refused."""
    alias = {"values": "x", "until": "+61"}
    overlap = {"moved": {"CNAME": alias, "A": {"values": "127.0.0.1", "from": "+60"}}}
    with pytest.raises(ZoneError, match=r'"moved"\.A: a CNAME beside A'):
        Zone("example.com", overlap)


def test_versions_are_written_and_read_again() -> None:
    """The table of a timed zone makes the same zone."""
    dated = {"values": ["127.0.0.5"], "from": "2026-01-01T00:00:00+00:00", "servers": ["a", "b"]}
    zone = Zone("example.com", {**VERSIONS, "dated": {"A": dated}})
    assert Zone.from_table(zone.as_table()) == zone


def test_a_clock_goes_forward_only() -> None:
    """A step back, or an immeasurable one, is an error; without one the clock is real."""
    clock = Clock.stopped(5.0)
    with pytest.raises(ValueError, match="expected a number from 0"):
        clock.advance(-1)
    clock.advance(2)
    assert clock() == 7.0
    assert abs(Clock()() - time.time()) < 60


def test_servers_have_names_of_their_own() -> None:
    """Twice one name is an error, and so is a fault for nobody."""
    with pytest.raises(ValueError, match="each name once"):
        FakeDNS(servers=["a"], resolvers=["a"])
    with pytest.raises(ValueError, match="'b' is no server; expected main, a"):
        FakeDNS(servers=["a"]).inject(Lame(), server="b")
