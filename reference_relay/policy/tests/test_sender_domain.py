"""The sender rule, envelope and header (SND rows of the catalogue)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_relay.mail.address import Mailbox
from reference_relay.mail.content import fields, split
from reference_relay.policy.sender_domain import judge_header, judge_reverse_path
from reference_relay.smtp.reply import Reply

DOMAIN = "example.com"
IN = b"From: a@example.com\r\n"


def header_verdict(
    header: bytes, *, domain: str = DOMAIN, subdomains: bool = False
) -> Reply | None:
    found = fields(split(header + b"\r\ntext\r\n")[0])
    return judge_header(found, domain, subdomains=subdomains)


def code_of(verdict: Reply | None) -> str:
    return "none" if verdict is None else f"{verdict.code} {verdict.enhanced}"


@pytest.mark.parametrize(
    "mailbox",
    [
        Mailbox("a", "example.com"),
        Mailbox("A", "EXAMPLE.Com"),
        Mailbox("a+tag", "example.com"),
        Mailbox('"quoted part"', "example.com"),
        Mailbox("a%other.example", "example.com"),
    ],
)
def test_a_reverse_path_in_the_domain_is_accepted(mailbox: Mailbox) -> None:
    """SND-01: any local part, any case."""
    assert judge_reverse_path(mailbox, DOMAIN) is None


@pytest.mark.parametrize(
    "domain",
    [
        "other.example",
        "evilexample.com",
        "example.com.evil.net",
        "example.co",
        "example.comm",
        "examp1e.com",
        "mail.example.com",
        "com",
        "xn--exmple-cua.com",
        "exämple.com",
        "example.com.",
        "\uff45xample.com",
        "example\u3002com",
        "[192.0.2.1]",
        "",
    ],
)
def test_a_reverse_path_elsewhere_is_foreign(domain: str) -> None:
    """SND-02, SND-04, SND-05, SND-06: only the exact domain belongs to the configuration."""
    assert code_of(judge_reverse_path(Mailbox("a", domain), DOMAIN)) == "550 5.7.1"


def test_the_null_reverse_path_is_accepted() -> None:
    """D-12: the header rule judges who sends a report."""
    assert judge_reverse_path(None, DOMAIN) is None


@pytest.mark.parametrize("configured", ["münchen.example", "xn--mnchen-3ya.example"])
@pytest.mark.parametrize(
    "claimed", ["münchen.example", "MÜNCHEN.example", "xn--mnchen-3ya.EXAMPLE"]
)
def test_a_labels_and_u_labels_are_one_domain(configured: str, claimed: str) -> None:
    """SND-06: equivalent spellings are judged alike, in envelope and header."""
    assert judge_reverse_path(Mailbox("a", claimed), configured) is None
    assert header_verdict(f"From: a@{claimed}\r\n".encode(), domain=configured) is None


def test_subdomains_are_a_switch() -> None:
    """SND-05: with the switch names below belong, the parent and siblings never do."""
    below = Mailbox("a", "Mail.Example.com")
    assert judge_reverse_path(below, DOMAIN, subdomains=True) is None
    assert header_verdict(b"From: a@mail.example.com\r\n", subdomains=True) is None
    for foreign in ("com", "evilexample.com", ".example.com.evil.net"):
        assert judge_reverse_path(Mailbox("a", foreign), DOMAIN, subdomains=True) is not None
    assert judge_reverse_path(Mailbox("a", DOMAIN), "mail.example.com", subdomains=True) is not None


@pytest.mark.parametrize(
    "value",
    [
        b"a@example.com",
        b"Mailer <mailer@example.com>",
        b"<a@example.com>",
        b'"ceo@bank" <a@example.com>',
        b'"x@evil.example" <a@example.com>',
        b'"Doe, John \\"J\\"" <a@EXAMPLE.com>',
        b"John Q. Public <a@example.com>",
        b"=?utf-8?q?=3Cx=40evil=2Eexample=3E?= <a@example.com>",
        b"a@example.com (x@evil.example)",
        b"(a (nested) comment) Name <a@example.com> (b)",
        "Jürgen Müller <a@example.com>".encode(),
        b"Name\r\n <a@example.com>",
        b"\r\n\ta@example.com",
        b'"odd.local"@example.com',
    ],
)
def test_a_from_in_the_domain_is_accepted(value: bytes) -> None:
    """SND-14: display names, comments and folding do not lead to a false refusal."""
    assert header_verdict(b"From: " + value + b"\r\n") is None


@pytest.mark.parametrize(
    "value",
    [
        b"x@other.example",
        b"a@example.com.evil.net",
        b'"a@example.com" <x@evil.example>',
        b"=?utf-8?q?a=40example=2Ecom?= <x@evil.example>",
        b"a@example.com, x@evil.example",
        b"x@evil.example, a@example.com",
        b"(a@example.com) x@evil.example",
        b"x@[192.0.2.1]",
        "a@\uff45xample.com".encode(),
        "a@example\u3002com".encode(),
    ],
)
def test_a_foreign_from_is_refused(value: bytes) -> None:
    """SND-09, SND-10, SND-14: the true addr-spec of every mailbox counts."""
    assert code_of(header_verdict(b"From: " + value + b"\r\n")) == "550 5.7.1"


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"<>",
        b"Name only",
        b"postmaster",
        b"Team: a@example.com;",
        b"undisclosed:;",
        b"a@example.com <x@evil.example>",
        b"<x@evil.example> <a@example.com>",
        b"<a@example.com> x@evil.example",
        b"<a@example.com>x@evil.example",
        b"a@example.com x@evil.example",
        b"a@example.com,",
        b",a@example.com",
        b"a@example.com,,b@example.com",
        b"a@example.com;x@evil.example",
        b"<@evil.example:a@example.com>",
        b"x@evil.example@example.com",
        b'"x@evil.example"@example.com',
        b'"x evil"@example.com',
        b"=?utf-8?q?x=40evil?=@example.com",
        b"x@evil.example)a@example.com",
        b"a@example.com (x@evil.example",
        b"a@example.com (a (b (c (d))))",
        b'"unclosed <a@example.com>',
        b"a @example.com",
        b"a@ example.com",
        b"a(c)@example.com",
        b"a.@example.com",
        b"a@example.com.",
        b"a@example..com",
        b"J\xfcrgen <a@example.com>",
        b"Name\x01 <a@example.com>",
        b"\x1b$B <a@example.com>",
        b"Doe, John <a@example.com>",
    ],
)
def test_a_from_with_two_readings_is_refused(value: bytes) -> None:
    """SND-07, SND-13, SND-14: malformed lists, groups and empty From are no senders."""
    assert code_of(header_verdict(b"From: " + value + b"\r\n")) == "554 5.6.0"


def test_a_missing_from_is_refused() -> None:
    """SUB-06: no From is invented."""
    assert code_of(header_verdict(b"Subject: x\r\n")) == "554 5.6.0"


@pytest.mark.parametrize(
    "header",
    [
        IN + IN,
        IN + b"From: x@evil.example\r\n",
        b"From: x@evil.example\r\n" + IN,
        IN + b"FROM:\r\n b@example.com\r\n",
    ],
)
def test_a_repeated_from_is_refused(header: bytes) -> None:
    """SND-11: never two, whoever they name."""
    assert code_of(header_verdict(header)) == "554 5.6.0"


def test_several_authors_need_a_sender() -> None:
    """SND-10: all in the domain, and a Sender in the domain with them (RFC 5322 §3.6.2)."""
    several = b"From: a@example.com, B <b@example.com>\r\n"
    assert code_of(header_verdict(several)) == "554 5.6.0"
    assert header_verdict(several + b"Sender: a@example.com\r\n") is None
    assert code_of(header_verdict(several + b"Sender: x@evil.example\r\n")) == "550 5.7.1"


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"Sender: b@example.com\r\n", "none"),
        (b"Sender: x@evil.example\r\n", "550 5.7.1"),
        (b"Sender: b@example.com, c@example.com\r\n", "554 5.6.0"),
        (b"Sender: b@example.com\r\nsender: b@example.com\r\n", "554 5.6.0"),
        (b"Sender: nobody\r\n", "554 5.6.0"),
        (b"Resent-From: b@example.com\r\n", "none"),
        (b"Resent-From: x@evil.example\r\n", "550 5.7.1"),
        (b"Resent-From: b@example.com\r\nResent-From: x@evil.example\r\n", "550 5.7.1"),
        (b"Resent-Sender: x@evil.example\r\n", "550 5.7.1"),
        (b"Resent-Sender: b@example.com, c@example.com\r\n", "554 5.6.0"),
        (b"Reply-To: x@evil.example\r\n", "none"),
        (b"X-From: x@evil.example\r\n", "none"),
        (b"Received: one\r\nReceived: two\r\n", "none"),
    ],
)
def test_the_other_sender_fields_have_their_rule(field: bytes, expected: str) -> None:
    """SND-12: Sender and Resent-* follow the rule, Reply-To is free."""
    assert code_of(header_verdict(IN + field)) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"From : x@evil.example",
        b"From\t: x@evil.example",
        b"\xef\xbb\xbfFrom: x@evil.example",
        b"F\0rom: x@evil.example",
        b"Fr\xf6m: x@evil.example",
        b"Subject: x\rFrom: x@evil.example",
        b"Subject: x\nFrom: x@evil.example",
        b"Subject: x\r\n \r\nFrom: x@evil.example",
    ],
)
@pytest.mark.parametrize("order", ["before", "behind"])
def test_an_obfuscated_field_is_refused(line: bytes, order: str) -> None:
    """SND-15: what hides a From from one reader and shows it to another never passes."""
    header = line + b"\r\n" + IN if order == "before" else IN + line + b"\r\n"
    assert code_of(header_verdict(header)) == "554 5.6.0"


@pytest.mark.parametrize("line", [b"\tFrom: x@evil.example", b" ", b" Subject: x"])
def test_a_header_that_begins_with_a_blank_is_refused(line: bytes) -> None:
    """SND-15: some readers drop such a line, some end the header section there."""
    assert code_of(header_verdict(line + b"\r\n" + IN)) == "554 5.6.0"


_PIECES = (
    b'a@example.com|x@evil.example|<|>|,|"|(|)|\\| |\r\n |:|;|@|.|=?utf-8?q?x?=|\xc3\xa4|From:'
).split(b"|")
_TEXT = st.lists(
    st.one_of(
        st.sampled_from(_PIECES),
        st.binary(max_size=3),
    ),
    max_size=12,
).map(b"".join)


@settings(derandomize=True, max_examples=500)
@given(_TEXT)
def test_no_octets_make_the_rule_raise(value: bytes) -> None:
    """A From is a client's; it may be anything."""
    header_verdict(b"From: " + value + b"\r\n")
    header_verdict(value)
