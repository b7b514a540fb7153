"""SVCB and HTTPS: parameters read, refused, written."""

from __future__ import annotations

import dns.rdata
import pytest

from fake_dns.name import Name
from fake_dns.record import MalformedRecord
from fake_dns.record_text import parse_record
from fake_dns.service_binding import ServiceBinding

ORIGIN = Name.parse("example.com")


@pytest.mark.parametrize(
    "text",
    [
        "1 .",
        "0 svc.example.net.",
        "16 foo.example.net. port=53",
        "1 . alpn=h2,h3-19 no-default-alpn port=8443",
        "1 . mandatory=alpn,ipv4hint alpn=h2 ipv4hint=192.0.2.1,192.0.2.2",
        "1 . ipv6hint=2001:db8::1,2001:db8::53:1",
        "1 . dohpath=/dns-query{?dns}",
        '1 . key667="hello\\210qoo"',
        "1 . key667=hello",
        r'16 foo.example.org. alpn="f\\\\oo\\,bar,h2"',
        "1 foo.example.com. ipv6hint=2001:db8:ffff:ffff:ffff:ffff:198.51.100.100",
    ],
)
def test_octets_are_those_of_another_library(text: str) -> None:
    """RFC 9460 appendix D, and what our own writing reads back into."""
    record = parse_record("SVCB", text, ORIGIN)
    assert isinstance(record, ServiceBinding)
    theirs = dns.rdata.from_text("IN", "SVCB", text).to_wire()
    octets = b"".join(
        key.to_bytes(2, "big") + len(value).to_bytes(2, "big") + value
        for key, value in record.parameters
    )
    assert theirs is not None
    assert theirs.endswith(octets)
    assert len(theirs) == 2 + record.target.size_octets + len(octets)
    assert parse_record("SVCB", record.text, ORIGIN) == record


def test_ech_is_octets() -> None:
    """Base64 in the text, whatever it holds."""
    record = parse_record("HTTPS", "1 . ech=AEP+DQA/", ORIGIN)
    assert isinstance(record, ServiceBinding)
    assert record.parameters == ((5, bytes.fromhex("0043fe0d003f")),)
    assert record.text == "1 . ech=AEP+DQA/"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1", 'expected "<priority> <target>'),
        ("65536 .", 'expected "<priority> <target>'),
        ("0 . port=1", "no parameters at 0"),
        ("1 . nonsense=1", "expected one of mandatory, alpn"),
        ("1 . key65535=1", "expected one of mandatory"),
        ("1 . key01=1", "expected one of mandatory"),
        ("1 . port=1 port=2", "port is given twice"),
        ("1 . port=65536", "expected a port"),
        ("1 . port", "expected a port"),
        ("1 . alpn=", "expected protocols"),
        ("1 . alpn=a,,b", "expected protocols"),
        ("1 . ipv4hint=::1", "expected IPv4"),
        ("1 . ipv6hint=127.0.0.1", "expected IPv6"),
        ("1 . ech=***", "expected base64"),
        ("1 . no-default-alpn", "without alpn"),
        ("1 . alpn=h2 no-default-alpn=x", "takes no value"),
        ("1 . mandatory=alpn", "not given"),
        ("1 . mandatory=mandatory", "expected keys"),
        ("1 . mandatory=port,port port=1", "expected keys"),
        ('1 . key667="half', "quotes"),
    ],
)
def test_parameters_that_break_a_rule_are_refused(text: str, complaint: str) -> None:
    """The message names the key and what was expected."""
    with pytest.raises(MalformedRecord, match=complaint):
        parse_record("HTTPS", text, ORIGIN)
