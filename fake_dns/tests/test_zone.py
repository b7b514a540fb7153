"""Zones: what they hold, refuse and say about a name."""

from pathlib import Path

import pytest

from fake_dns.name import Name
from fake_dns.record import SOA
from fake_dns.zone import Records, Zone
from fake_dns.zone_error import ZoneError
from fake_dns.zone_set import ZoneSet
from fake_dns.zone_tree import Alias, Delegated, Found, NoSuchName, NoSuchType

ZONE = Zone(
    "example.com",
    {
        "@": {"A": "127.0.0.1", "MX": ["10 mx1", "20 mx2.example.net."]},
        "www": {"CNAME": "@"},
        "deep.below.here": {"TXT": "x"},
        "*.wild": {"A": "127.0.0.2"},
        "known.wild": {"TXT": "x"},
        "sub": {"NS": ["ns.sub", "ns.example.net."]},
        "ns.sub": {"A": "127.0.0.3", "AAAA": "::1"},
    },
)


def name(text: str) -> Name:
    """An absolute name."""
    return Name.parse(text)


@pytest.mark.parametrize(
    ("asked", "type", "kind"),
    [
        ("example.com", "A", Found),
        ("EXAMPLE.com", "MX", Found),
        ("example.com", "NS", Found),
        ("example.com", "SOA", Found),
        ("example.com", "TXT", NoSuchType),
        ("www.example.com", "A", Alias),
        ("www.example.com", "CNAME", Found),
        ("www.example.com", "ANY", Found),
        ("nothing.example.com", "A", NoSuchName),
        ("below.here.example.com", "A", NoSuchType),
        ("here.example.com", "ANY", NoSuchType),
        ("x.here.example.com", "A", NoSuchName),
        ("any.wild.example.com", "A", Found),
        ("two.levels.wild.example.com", "A", Found),
        ("any.wild.example.com", "TXT", NoSuchType),
        ("known.wild.example.com", "A", NoSuchType),
        ("below.known.wild.example.com", "A", NoSuchName),
        ("wild.example.com", "A", NoSuchType),
        ("*.wild.example.com", "A", Found),
        ("sub.example.com", "A", Delegated),
        ("host.sub.example.com", "TXT", Delegated),
        ("ns.sub.example.com", "A", Delegated),
    ],
)
def test_a_name_is_looked_up(asked: str, type: str, kind: type[object]) -> None:
    """RFC 1034 §4.3.2, RFC 4592 and RFC 8020 decide between six answers."""
    assert isinstance(ZONE.lookup(name(asked), type), kind)


def test_what_a_wildcard_gives_is_owned_by_the_name_asked_for() -> None:
    """RFC 4592 §3.3.3: the owner in the reply is the query name, in its case."""
    match ZONE.lookup(name("ANY.wild.example.com"), "A"):
        case Found(sets=(record_set,)):
            assert record_set.name.text == "ANY.wild.example.com"
        case other:
            pytest.fail(f"{other}")


def test_a_delegation_carries_the_addresses_this_zone_knows() -> None:
    """Glue for the server below the cut, none for the one elsewhere."""
    match ZONE.lookup(name("sub.example.com"), "A"):
        case Delegated(name_servers=name_servers, glue=glue):
            assert len(name_servers.records) == 2
            assert [record_set.type for record_set in glue] == ["A", "AAAA"]
        case other:
            pytest.fail(f"{other}")


def test_a_zone_has_an_soa_and_an_ns_without_being_told() -> None:
    """The defaults are visibly made up; the negative lifetime is that of the zone."""
    (soa,) = (record_set for record_set in ZONE.record_sets if record_set.type == "SOA")
    record = soa.records[0]
    assert isinstance(record, SOA)
    assert record.primary.text.endswith(".invalid")
    assert record.minimum == ZONE.ttl == soa.ttl


def test_negative_answers_live_as_long_as_the_lesser_of_ttl_and_minimum() -> None:
    """RFC 2308 §5."""
    assert Zone("a.example", {}, soa={"minimum": 7, "ttl": 90}).negative_soa.ttl == 7
    assert Zone("a.example", {}, soa={"minimum": 90, "ttl": 7}).negative_soa.ttl == 7


@pytest.mark.parametrize(
    ("records", "complaint"),
    [
        ({"www": {"CNAME": "@", "A": "127.0.0.1"}}, r'"www".*CNAME beside A.*alone'),
        ({"www": {"A": "127.0.0.1", "CNAME": "@"}}, r'"www".*CNAME beside A.*alone'),
        ({"@": {"CNAME": "www"}}, r'"@".*CNAME beside SOA'),
        ({"www": {"CNAME": ["a", "b"]}}, r'"www"\.CNAME: 2 records; expected one'),
        ({"www": {"A": "1.1.1.1"}, "WWW": {"A": "1.1.1.2"}}, r"given twice"),
        ({"www": {"TXT": "a", "TYPE16": r"\# 2 0161"}}, r"TYPE16: given twice"),
        ({"www": {"DNAME": ["a", "b"]}}, r'"www"\.DNAME: 2 records; expected one'),
        ({"www": {"TYPE1": "1.1.1.1"}}, r'"www"\.TYPE1: "1\.1\.1\.1" does not fit A'),
        ({"www": {"A": [{"values": "1.1.1.1"}, "1.1.1.2"]}}, r'"www"\.A: .*expected a string'),
        ({"www": {"MX": "10 mx.example.net"}}, r'MX: "mx\.example\.net" has no final dot'),
        ({"www": {"CNAME": "www.example.com"}}, r'CNAME: "www\.example\.com" has no final dot'),
        ({"www": {"SRV": "0 0 5 a.b"}}, r'SRV: "a\.b" has no final dot .* "a\.b\.example\.com\."'),
        ({"www": {"HTTPS": "1 cdn.example.net"}}, r'HTTPS: "cdn\.example\.net" has no final dot'),
        ({"@": {"SOA": ["a b 1 2 3 4 5", "a b 2 2 3 4 5"]}}, r'"@"\.SOA: 2 records; expected one'),
        ({"www": {"SOA": "a b 1 2 3 4 5"}}, r'"www"\.SOA: a SOA below the origin'),
        ({"www.example.net.": {"A": "1.1.1.1"}}, r"outside the zone"),
        ({"a" * 64: {"A": "1.1.1.1"}}, r"label of 64 octets"),
        ({"www.example.com": {"A": "1.1.1.1"}}, r"final dot"),
        ({"www": {"A": ["1.1.1.1", "1.1.1.1"]}}, r'"www"\.A: .* twice'),
        ({"www": {"A": []}}, r'"www"\.A: an empty list'),
        ({"www": {"A": 5}}, r'"www"\.A: 5; expected a string'),
        ({"www": {"A": [["1.1.1.1"]]}}, r'"www"\.A: .*expected a string'),
        ({"www": {"TXT": [["a", 1]]}}, r'"www"\.TXT: .*expected strings'),
        ({"www": {"TTX": "a"}}, r'"www"\.TTX: unknown record type.*did you mean "TXT"'),
        ({"www": {"a": "1.1.1.1"}}, r'"www"\.a: unknown record type.*did you mean "A"'),
        ({"_25": {"_tcp": {"A": "1.1.1.1"}}}, r'dots stands in quotes: "_25\._tcp"'),
        ({"www": {"ANY": "1.1.1.1"}}, r'"www"\.ANY: unknown'),
        ({"www": {"ttl": -1}}, r'"www"\.ttl: -1; expected a whole number'),
        ({"www": {"ttl": True}}, r'"www"\.ttl: True; expected a whole number'),
        ({"www": {"A": {"values": "1.1.1.1", "til": 5}}}, r'"www"\.A\.til: unknown key'),
        ({"www": {"A": {"ttl": 5}}}, r'"www"\.A\.values: missing'),
        ({"www": {"TXT": "x" * 65536}}, r'"www"\.TXT: takes 65794 octets'),
        ({"www": "127.0.0.1"}, r'"www".*expected a table'),
    ],
)
def test_a_zone_that_breaks_a_rule_is_refused_at_its_place(
    records: Records, complaint: str
) -> None:
    """The message names the key and what was expected."""
    with pytest.raises(ZoneError, match=complaint):
        Zone("example.com", records)


@pytest.mark.parametrize(
    "records",
    [
        {"@": {"MX": "10 mx"}},
        {"@": {"MX": "10 mx.example.net."}},
        {"@": {"MX": "10 a.mx"}, "a.mx": {"A": "127.0.0.1"}},
        {"@": {"MX": "10 b.mx"}, "*.mx": {"A": "127.0.0.1"}},
        {"@": {"MX": "10 ns.sub"}, "sub": {"NS": "ns.sub"}},
        {"y": {"CNAME": "deep.x"}, "a.deep.x": {"TXT": ""}},
    ],
)
def test_a_relative_name_with_dots_is_one_of_the_zone(records: Records) -> None:
    """Relative without dots, absolute, or known: below a cut, by a wildcard, between names."""
    assert Zone("example.com", records).record_sets


def test_octets_that_are_no_text_are_kept() -> None:
    """A table holds them in the form of RFC 3597."""
    zone = Zone("example.com", {"@": {"TXT": [b"\xff\x00", "plain"]}})
    assert zone.as_table()["records"]["@"]["TYPE16"]["values"][0] == r"\# 3 02ff00"  # type: ignore[index]  # a table of tables
    assert Zone.from_table(zone.as_table()) == zone


def test_a_known_type_may_be_written_as_octets() -> None:
    """TYPE15 is MX, and is found as such (RFC 3597 §4)."""
    zone = Zone("example.com", {"@": {"TYPE15": r"\# 8 000a 046d61696c 00"}})
    assert isinstance(zone.lookup(name("example.com"), "MX"), Found)


def test_a_dname_speaks_for_what_is_below_it() -> None:
    """RFC 6672: a CNAME is made, its own name answers itself, what gets too long is told."""
    zone = Zone(
        "example.com", {"old": {"DNAME": "new", "TXT": "x"}, "host.new": {"A": "127.0.0.1"}}
    )
    match zone.lookup(name("a.b.old.example.com"), "A"):
        case Alias(sets=(dname, made), target=target):
            assert (dname.type, made.type) == ("DNAME", "CNAME")
            assert target is not None
            assert target.text == "a.b.new.example.com"
        case other:
            pytest.fail(f"{other}")
    assert isinstance(zone.lookup(name("old.example.com"), "TXT"), Found)
    assert isinstance(zone.lookup(name("x.old.example.com"), "CNAME"), Found)
    long = Zone("example.com", {"old": {"DNAME": "a" * 60 + "." + "b" * 60 + ".example.net."}})
    below = ".".join(["c" * 60] * 3)
    match long.lookup(name(f"{below}.old.example.com"), "A"):
        case Alias(target=None):
            pass
        case other:
            pytest.fail(f"{other}")


def test_ds_is_held_by_the_parent() -> None:
    """RFC 4035 §3.1.4.1: at the cut it is the parent that answers, even when both are here."""
    parent = Zone("example.com", {"sub": {"NS": "ns.sub", "DS": r"\# 4 00010d02"}})
    child = Zone("sub.example.com", {})
    zones = ZoneSet([parent, child])
    assert zones.enclosing(name("sub.example.com"), "DS") is parent
    assert zones.enclosing(name("sub.example.com"), "A") is child
    assert zones.enclosing(name("example.com"), "DS") is parent
    assert isinstance(parent.lookup(name("sub.example.com"), "DS"), Found)
    assert isinstance(parent.lookup(name("x.sub.example.com"), "DS"), Delegated)


def test_two_soas_in_two_places_are_refused() -> None:
    """One in the table and one among the records are two."""
    with pytest.raises(ZoneError, match="soa: also given"):
        Zone("a.example", {"@": {"SOA": "a b 1 2 3 4 5"}}, soa={})


def test_every_lifetime_may_be_set() -> None:
    """The set's own, else the name's, else the zone's."""
    zone = Zone(
        "a.example",
        {
            "@": {"ttl": 5, "A": "127.0.0.1", "TXT": {"values": ["x"], "ttl": 0}},
            "b": {"A": "127.0.0.2"},
        },
        ttl=60,
    )
    lifetimes = {(s.name.text, s.type): s.ttl for s in zone.record_sets}
    assert lifetimes["a.example", "A"] == 5
    assert lifetimes["a.example", "TXT"] == 0
    assert lifetimes["b.a.example", "A"] == 60


def test_a_zone_reads_back_from_its_table() -> None:
    """Also when a text is split by hand."""
    zone = Zone(
        "example.com",
        {"@": {"TXT": ["one", ["two", "parts"]], "MX": "0 ."}, "outside": {"CNAME": "a.example."}},
    )
    assert Zone.from_table(zone.as_table()) == zone


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('origin = "a.example"', "records: missing"),
        ("[records]", "origin: missing"),
        ('origin = "a.example"\nrecord = {}\n[records]', "record: unknown key; expected one of"),
        ("origin = 5\n[records]", "origin: 5; expected the name of the zone"),
        ('origin = "a..b"\n[records]', "origin: .*empty label"),
        ('origin = "a.example"\nttl = "5"\n[records]', "ttl: '5'; expected a whole number"),
        ('origin = "a.example"\n[soa]\nserail = 1\n[records]', r"soa\.serail: unknown key"),
        (
            'origin = "a.example"\n[soa]\nprimary = 1\n[records]',
            r"soa\.primary: 1; expected a name",
        ),
        ('origin = "a.example"\n[soa]\nserial = -1\n[records]', r"soa\.serial: -1"),
        ("origin = = 1", "not TOML: .*line 1"),
        ("records = 5\norigin='a'", "records: 5; expected a table"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_path(
    tmp_path: Path, text: str, complaint: str
) -> None:
    """Path, key and what was expected, in one line."""
    path = tmp_path / "zone.toml"
    path.write_text(text)
    with pytest.raises(ZoneError, match=complaint) as caught:
        Zone.from_toml(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Missing, a directory, and not UTF-8."""
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"\xff")
    for path in (tmp_path / "missing.toml", tmp_path, latin):
        with pytest.raises(ZoneError, match=r"expected a (readable zone|text) file"):
            Zone.from_toml(path)


def test_the_zone_with_the_longest_origin_answers() -> None:
    """A zone below another is asked first; outside all there is none."""
    upper, lower = Zone("example.com", {}), Zone("Sub.example.com", {})
    zones = ZoneSet([upper, lower])
    assert zones.enclosing(name("a.sub.example.com")) is lower
    assert zones.enclosing(name("a.example.com")) is upper
    assert zones.enclosing(name("com")) is None
    with pytest.raises(ZoneError, match="twice"):
        zones.added(Zone("SUB.example.com", {}))
