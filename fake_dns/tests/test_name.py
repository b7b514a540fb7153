"""Names: reading, limits, comparing, writing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_dns.name import ROOT, MalformedName, Name

ORIGIN = Name((b"example", b"com"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("@", "example.com"),
        ("www", "www.example.com"),
        ("a.b", "a.b.example.com"),
        ("host.example.net.", "host.example.net"),
        (".", "."),
        (r"a\.b", r"a\.b.example.com"),
        (r"\000", r"\000.example.com"),
    ],
)
def test_a_name_is_read_relative_to_the_origin(text: str, expected: str) -> None:
    """`@` is the origin, a final dot is absolute, the rest is below the origin."""
    assert Name.parse(text, ORIGIN).text == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty name"),
        ("a..b", "empty label"),
        (".a", "empty label"),
        ("a" * 64, "64 octets"),
        (".".join(["a" * 50] * 6), "octets; expected at most 255"),
        ("bücher", "A-label"),
        ("a b", "space"),
        (r"\999", "escape"),
        ("a\\", "escape"),
    ],
)
def test_a_malformed_name_is_refused_with_what_was_expected(text: str, complaint: str) -> None:
    """Each way of being no name has its own message."""
    with pytest.raises(MalformedName, match=complaint):
        Name.parse(text, ORIGIN)


def test_a_forgotten_final_dot_is_seen_where_people_write() -> None:
    """A relative name that ends in the origin is refused when reading carefully."""
    with pytest.raises(MalformedName, match="final dot"):
        Name.parse_carefully("www.Example.com", ORIGIN)
    assert Name.parse("www.example.com", ORIGIN).text == "www.example.com.example.com"
    assert Name.parse_carefully("www.example.com.", ORIGIN).text == "www.example.com"
    assert Name.parse_carefully("@", ORIGIN) == ORIGIN


def test_255_octets_are_a_name_and_256_are_none() -> None:
    """The limit counts length octets and the root (RFC 1035 §2.3.4)."""
    longest = ".".join(["a" * 63] * 3 + ["a" * 61]) + "."
    assert Name.parse(longest).size_octets == 255
    with pytest.raises(MalformedName, match="256 octets"):
        Name.parse(".".join(["a" * 63] * 3 + ["a" * 62]) + ".")


def test_case_is_kept_and_ignored_in_comparing() -> None:
    """The key folds ASCII case; the labels do not (RFC 4343)."""
    name = Name.parse("wWw.ExAmple.COM")
    assert name.text == "wWw.ExAmple.COM"
    assert name.key == Name.parse("www.example.com").key
    assert name.is_within(ORIGIN)
    assert name.is_within(ROOT)
    assert not Name.parse("badexample.com").is_within(ORIGIN)


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=3))
def test_every_name_reads_back_from_its_text(labels: list[bytes]) -> None:
    """Escapes make the presentation form lossless for any octets."""
    name = Name(tuple(labels))
    assert Name.parse(name.absolute_text) == name
