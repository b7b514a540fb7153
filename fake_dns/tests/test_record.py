"""Record values: reading, limits, writing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_dns.name import MalformedName, Name
from fake_dns.record import (
    META_TYPES,
    TXT,
    TYPE_CODES,
    MalformedRecord,
    split_strings,
    text_record,
    type_code,
    type_name,
)
from fake_dns.record_text import parse_record

ORIGIN = Name((b"example", b"com"))


@given(st.binary(max_size=2000))
def test_splitting_loses_nothing(octets: bytes) -> None:
    """Joined again, the strings are the value; none is over 255 octets or needlessly empty."""
    strings = split_strings(octets)
    assert b"".join(strings) == octets
    assert all(len(string) <= 255 for string in strings)
    assert all(strings) or strings == (b"",)


@pytest.mark.parametrize(
    ("length", "lengths"),
    [(0, [0]), (255, [255]), (256, [255, 1]), (510, [255, 255]), (511, [255, 255, 1])],
)
def test_a_value_is_split_at_255_octets(length: int, lengths: list[int]) -> None:
    """An exact multiple of 255 has no empty string behind it."""
    assert [len(string) for string in split_strings(b"x" * length)] == lengths


def test_a_text_is_split_by_octets_not_characters() -> None:
    """A character of two octets may lie across the boundary."""
    record = text_record("x" * 254 + "é")
    assert [len(string) for string in record.strings] == [255, 1]
    assert record.text == "x" * 254 + "é"


def test_a_sequence_stays_split_as_given() -> None:
    """Who splits himself is obeyed, empty strings included."""
    assert text_record(["a", "", "b"]) == TXT((b"a", b"", b"b"))


@pytest.mark.parametrize("value", [["x" * 256], [], "x" * 65536, "\ud800"])
def test_a_text_that_no_record_can_hold_is_refused(value: str | list[str]) -> None:
    """Over-long strings, no string, over 65535 octets, and lone surrogates."""
    with pytest.raises(MalformedRecord):
        text_record(value)


@pytest.mark.parametrize(
    ("type", "text", "written"),
    [
        ("A", "127.0.0.1", "127.0.0.1"),
        ("AAAA", "2001:DB8::0:1", "2001:db8::1"),
        ("MX", "10 mx1", "10 mx1.example.com."),
        ("MX", "0 .", "0 ."),
        ("CNAME", "@", "example.com."),
        ("NS", "ns.example.net.", "ns.example.net."),
        ("PTR", "Host.Example.NET.", "Host.Example.NET."),
        ("SRV", "0 5 587 smtp", "0 5 587 smtp.example.com."),
        ("CAA", '0 issue "ca.example; account=1"', '0 issue "ca.example; account=1"'),
        ("CAA", "128 iodef mailto:a@b.example", '128 iodef "mailto:a@b.example"'),
        ("CAA", '0 issue ""', '0 issue ""'),
        ("TLSA", "3 1 1 00 FF", "3 1 1 00ff"),
        ("TYPE65280", r"\# 2 abcd", r"\# 2 abcd"),
        ("HTTPS", r"\# 3 000000", "0 ."),
        ("MX", r"\# 5 000a0161 00", "10 a."),
        ("DNAME", "old", "old.example.com."),
    ],
)
def test_a_value_is_read_and_written(type: str, text: str, written: str) -> None:
    """Every type reads its presentation form and writes it with absolute names."""
    assert parse_record(type, text, ORIGIN).text == written


@pytest.mark.parametrize(
    ("type", "text"),
    [
        ("A", "127.0.0.300"),
        ("A", "::1"),
        ("A", "127.0.0.1 127.0.0.2"),
        ("AAAA", "127.0.0.1"),
        ("AAAA", "fe80::1%eth0"),
        ("MX", "mx1"),
        ("MX", "65536 mx1"),
        ("MX", "-1 mx1"),
        ("MX", "\u0661 mx1"),
        ("CNAME", "a b"),
        ("SRV", "0 0 70000 a"),
        ("SOA", "a b 1 2 3"),
        ("CAA", "0 issue"),
        ("CAA", "256 issue a"),
        ("CAA", '0 issue "half'),
        ("CAA", "0 is_sue a"),
        ("TLSA", "3 1 1 abc"),
        ("HTTPS", r"\# 0"),
        ("MX", r"\# 1 00"),
        ("TYPE65280", "abcd"),
        ("TYPE65280", r"\# 3 abcd"),
        ("HTTPS", "0 . alpn=h2"),
    ],
)
def test_a_value_that_does_not_fit_its_type_is_refused(type: str, text: str) -> None:
    """The message names the type and what was expected."""
    with pytest.raises(MalformedRecord, match=rf"does not fit {type}; expected"):
        parse_record(type, text, ORIGIN)


# Words that the readers of some type look for.
_WORDS = st.sampled_from(
    ["0", "1", "65536", "-1", "a", ".", "@", "a.b.", '"x"', '"', "\\", "\\#", "\\# 1 00", "::1",
     "00ff", "alpn=h2", "mandatory=", "N", "20260101000000", "TYPE65280", "=", "AAAA", "é", "\x00"]
)  # fmt: skip


@given(
    st.sampled_from(sorted(TYPE_CODES.keys() - META_TYPES)),
    st.one_of(st.text(max_size=40), st.lists(_WORDS, max_size=12).map(" ".join)),
)
def test_any_text_is_a_value_or_refused(type: str, text: str) -> None:
    """Whatever the type and the text, the readers of others included; a value can be written."""
    try:
        record = parse_record(type, text, ORIGIN)
    except (MalformedName, MalformedRecord):
        return
    if type != "TXT":
        assert parse_record(type, record.text, ORIGIN) == record


@given(st.integers(0, 65535))
def test_every_type_code_has_one_name(code: int) -> None:
    """Naming and numbering are inverse, for types without a mnemonic too."""
    assert type_code(type_name(code)) == code


@pytest.mark.parametrize("name", ["NOPE", "TYPE65536", "TYPE", "a", "TYPE-1"])
def test_what_is_no_type_has_no_code(name: str) -> None:
    """Unknown mnemonics and numbers out of range are None."""
    assert type_code(name) is None
