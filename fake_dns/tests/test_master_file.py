"""Standard master files: what is read, what is refused and where, what is written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_dns.master_file import read_master_file, read_master_text, write_master_file
from fake_dns.name import Name
from fake_dns.record import TXT
from fake_dns.toml_text import write_toml
from fake_dns.zone import Zone
from fake_dns.zone_error import ZoneError

ORIGIN = Name.parse("example.com")
SOA = "@ IN SOA ns1 hostmaster 1 2h 30m 2w 5m\n"


def read(text: str) -> Zone:
    """A zone from the text of a master file, the SOA put in front."""
    return read_master_text(SOA + text, "here", ORIGIN)


def texts(zone: Zone, name: str, type: str) -> list[str]:
    """The values of one set."""
    owner = Name.parse(name, ORIGIN)
    return [
        record.text
        for one in zone.record_sets
        if (one.name.key, one.type) == (owner.key, type)
        for record in one.records
    ]


@pytest.mark.parametrize(
    ("text", "name", "type", "values"),
    [
        ("www A 127.0.0.1", "www", "A", ["127.0.0.1"]),
        ("www 300 IN A 127.0.0.1", "www", "A", ["127.0.0.1"]),
        ("www IN 300 A 127.0.0.1", "www", "A", ["127.0.0.1"]),
        ("www in a 127.0.0.1 ; why", "www", "A", ["127.0.0.1"]),
        ("www A 127.0.0.1\n    A 127.0.0.2", "www", "A", ["127.0.0.1", "127.0.0.2"]),
        ("www MX (10 ; first\n  mx1 )", "www", "MX", ["10 mx1.example.com."]),
        ("$ORIGIN sub\nwww CNAME @", "www.sub", "CNAME", ["sub.example.com."]),
        ('www.example.com. TXT a "b;c" d', "www", "TXT", ["ab;cd"]),
        ("www CNAME www.example.com", "www", "CNAME", ["www.example.com.example.com."]),
        ("www TYPE1 \\# 4 7f000001", "www", "A", ["127.0.0.1"]),
        ("www A 127.0.0.1\nWWW A 127.0.0.1", "www", "A", ["127.0.0.1"]),
        ("* A 127.0.0.1", "*", "A", ["127.0.0.1"]),
    ],
)
def test_an_entry_is_read(text: str, name: str, type: str, values: list[str]) -> None:
    """Lifetime and class in either order, blank owners, parentheses, comments, $ORIGIN."""
    assert texts(read(text), name, type) == values


def test_a_lifetime_comes_from_the_nearest_place() -> None:
    """The entry's own, $TTL, the last one given, the SOA's minimum."""
    zone = read("a A 127.0.0.1\nb 7 A 127.0.0.1\nc A 127.0.0.1\n$TTL 1h30m\nd A 127.0.0.1\n")
    lifetimes = {one.name.text.split(".")[0]: one.ttl for one in zone.record_sets}
    assert [lifetimes[name] for name in "abcd"] == [300, 7, 7, 5400]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("www A 127.0.0.300", r'here:2: "127\.0\.0\.300" does not fit A; expected an IPv4'),
        ("\nwww B 127.0.0.1", r"here:3: 'B' is no record type; expected"),
        ("www", "here:2: no record type"),
        ("www CH A 127.0.0.1", "here:2: class CH; expected IN"),
        ("www A 127.0.0.1\nwww CNAME x", "here:3: a CNAME beside A; expected it alone"),
        ("@ SOA a b 1 2 3 4 5", r"here:2: a second SOA; expected one \(also here:1\)"),
        ("www.example.net. A 127.0.0.1", "here:2: outside the zone"),
        ('www TXT "half', "here:2: .*quote that is closed"),
        ("www TXT (a", "here:2: a parenthesis opens; expected it to close"),
        ("www TXT a)", "here:2: a parenthesis closes"),
        ("www TXT " + "a" * 256, "here:2: a string of 256 octets"),
        ("www TXT \\999", r"here:2: .*bad escape; expected"),
        (f"{'a' * 64} A 127.0.0.1", "here:2: .*label of 64 octets"),
        ("$GENERATE 1-9 a$ A 127.0.0.$", r"here:2: \$GENERATE .*has to be expanded"),
        ("$TTL soon", r"here:2: \$TTL soon; expected"),
        ("$INCLUDE other.zone", r"here:2: \$INCLUDE other\.zone; expected"),
        ("www 2147483648 A 127.0.0.1", "here:2: a lifetime of 2147483648; expected at most"),
        ("www CNAME a\nwww CNAME b", "here:2: 2 records; expected one CNAME"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused_at_its_line(text: str, complaint: str) -> None:
    """Place, line and what was expected, in one line."""
    with pytest.raises(ZoneError, match=complaint) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_without_an_origin_a_relative_name_is_refused(tmp_path: Path) -> None:
    """$ORIGIN, absolute names or the argument give one."""
    path = tmp_path / "a.zone"
    path.write_text(SOA)
    with pytest.raises(ZoneError, match=r'a\.zone:1: "@" is relative to nothing'):
        read_master_file(path)
    assert read_master_file(path, "example.com").origin == ORIGIN
    path.write_text(f"$ORIGIN example.com.\n{SOA}")
    assert read_master_file(path).origin == ORIGIN
    path.write_text("example.com. SOA ns1.example.com. h.example.com. 1 2 3 4 5\n")
    assert read_master_file(path).origin == ORIGIN
    path.write_text("example.com. SOA ns1 h.example.com. 1 2 3 4 5\n")
    with pytest.raises(ZoneError, match=r'a\.zone:1: "ns1" is relative to nothing'):
        read_master_file(path)


def test_another_file_is_included(tmp_path: Path) -> None:
    """With an origin of its own; owner and origin are as before behind it."""
    (tmp_path / "inner").write_text("x A 127.0.0.2\n")
    path = tmp_path / "outer.zone"
    path.write_text(f"$ORIGIN example.com.\n{SOA}www A 127.0.0.1\n$INCLUDE inner sub\n  TXT a\n")
    zone = read_master_file(path)
    assert texts(zone, "x.sub", "A") == ["127.0.0.2"]
    assert texts(zone, "www", "TXT") == ["a"]
    (tmp_path / "inner").write_text("$INCLUDE inner\n")
    with pytest.raises(ZoneError, match="8 files deep; expected an end"):
        read_master_file(path)
    (tmp_path / "inner").write_text("@ SOA ns1 hostmaster 1 2 3 4 5\n")
    with pytest.raises(ZoneError, match="a second SOA"):
        read_master_file(path)
    path.write_text("$INCLUDE missing\n")
    with pytest.raises(ZoneError, match=r"missing: No such file.*expected a readable"):
        read_master_file(path)


def test_names_that_may_have_lost_their_dot_are_told(tmp_path: Path) -> None:
    """Read as the standard says, with a warning at the line."""
    warnings: list[str] = []
    path = tmp_path / "a.zone"
    path.write_text(f"$ORIGIN example.com.\n{SOA}@ MX 10 mx.example.net\n@ MX 20 a.b\na.b A ::\n")
    path.write_text(path.read_text().replace("A ::", "A 127.0.0.1"))
    zone = read_master_file(path, warn=warnings.append)
    assert texts(zone, "@", "MX") == ["10 mx.example.net.example.com.", "20 a.b.example.com."]
    (warning,) = warnings
    assert f'{path}:3: "mx.example.net" has no final dot' in warning


@given(st.lists(st.binary(max_size=255), min_size=1, max_size=3))
def test_every_text_survives_both_written_forms(strings: list[bytes]) -> None:
    """Any octets, in a master file and in TOML."""
    record = TXT(tuple(strings))
    (given,) = read("www TXT a").record_sets[1:2]
    zone = Zone("example.com", [type(given)(given.name, "TXT", 300, (record,))])
    assert read_master_text(write_master_file(zone), "here", ORIGIN) == zone
    assert Zone.from_table(tomllib.loads(write_toml(zone.as_table()))) == zone


def test_a_zone_that_depends_on_time_is_no_master_file() -> None:
    """There is no way to write when."""
    zone = Zone("example.com", {"@": {"A": {"values": "127.0.0.1", "from": "+5"}}})
    with pytest.raises(ZoneError, match="a master file cannot say when"):
        write_master_file(zone)
