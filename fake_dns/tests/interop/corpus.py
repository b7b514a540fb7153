"""One corpus of questions, with the sections that every client should find in the replies."""

from __future__ import annotations

from dataclasses import dataclass

from fake_dns import Zone

KEY = "v=DKIM1; k=rsa; p=" + "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A" * 60
_KEY_TEXT = " ".join(f'"{KEY[at : at + 255]}"' for at in range(0, len(KEY), 255))
SOA = "ns1.example.com. hostmaster.example.com. 7 3600 600 86400 60"

ZONE = Zone(
    "example.com",
    {
        "@": {
            "A": ["127.0.0.1", "127.0.0.2"],
            "AAAA": "2001:db8::1",
            "MX": ["10 mx1", "20 mx2.example.net."],
            "TXT": ["v=spf1 -all", 'a "quoted" \\ one'],
            "NS": ["ns1", "ns2.example.net."],
            "CAA": '0 issue "ca.example; account=1"',
            "HTTPS": "1 . alpn=h2,h3 port=8443 ipv4hint=127.0.0.1",
        },
        "ns1": {"A": "127.0.0.3"},
        "mx1": {"A": "127.0.0.4"},
        "nomail": {"MX": "0 ."},
        "www": {"CNAME": "@"},
        "one": {"CNAME": "two"},
        "two": {"CNAME": "three"},
        "three": {"CNAME": "mx1"},
        "dangling": {"CNAME": "nowhere"},
        "*.wild": {"A": "127.0.0.5", "MX": "5 mx1"},
        "s._domainkey": {"TXT": KEY},
        "_submission._tcp": {"SRV": "0 5 587 mx1"},
        "_25._tcp.mx1": {"TLSA": "3 1 1 " + "ab" * 32},
        "_dns": {"SVCB": "1 ns1 alpn=dot port=853"},
        "4.3.2.1": {"PTR": "Host.Example.NET."},
        "naptr": {"NAPTR": '100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .'},
        "old": {"DNAME": "new"},
        "host.new": {"A": "127.0.0.6"},
        "odd": {"TYPE65280": r"\# 2 abcd"},
        "below.empty": {"TXT": "x"},
    },
    soa={"primary": "ns1", "contact": "hostmaster", "serial": 7, "minimum": 60},
)


@dataclass(frozen=True)
class Case:
    """A question; the status, and `owner type value` of every record in answer and authority."""

    name: str
    type: str
    answer: tuple[str, ...] = ()
    status: str = "NOERROR"

    @property
    def authority(self) -> tuple[str, ...]:
        """The SOA when the answer ends in nothing (RFC 2308)."""
        if self.status == "NOERROR" and any(f" {self.type} " in record for record in self.answer):
            return ()
        return (f"example.com. SOA {SOA}",)

    def __str__(self) -> str:
        return f"{self.name}-{self.type}"


_CHAIN = (
    "one.example.com. CNAME two.example.com.",
    "two.example.com. CNAME three.example.com.",
    "three.example.com. CNAME mx1.example.com.",
)

CASES = [
    Case("example.com", "A", ("example.com. A 127.0.0.1", "example.com. A 127.0.0.2")),
    Case("example.com", "AAAA", ("example.com. AAAA 2001:db8::1",)),
    Case(
        "example.com",
        "MX",
        ("example.com. MX 10 mx1.example.com.", "example.com. MX 20 mx2.example.net."),
    ),
    Case(
        "example.com",
        "TXT",
        ('example.com. TXT "v=spf1 -all"', r'example.com. TXT "a \"quoted\" \\ one"'),
    ),
    Case(
        "example.com",
        "NS",
        ("example.com. NS ns1.example.com.", "example.com. NS ns2.example.net."),
    ),
    Case("example.com", "SOA", (f"example.com. SOA {SOA}",)),
    Case("example.com", "CAA", ('example.com. CAA 0 issue "ca.example; account=1"',)),
    Case(
        "example.com",
        "HTTPS",
        ('example.com. HTTPS 1 . alpn="h2,h3" port="8443" ipv4hint="127.0.0.1"',),
    ),
    Case("example.com", "SRV"),
    Case("nomail.example.com", "MX", ("nomail.example.com. MX 0 .",)),
    Case("www.example.com", "CNAME", ("www.example.com. CNAME example.com.",)),
    Case("one.example.com", "A", (*_CHAIN, "mx1.example.com. A 127.0.0.4")),
    Case("one.example.com", "AAAA", _CHAIN),
    Case(
        "dangling.example.com",
        "A",
        ("dangling.example.com. CNAME nowhere.example.com.",),
        "NXDOMAIN",
    ),
    Case("any.wild.example.com", "A", ("any.wild.example.com. A 127.0.0.5",)),
    Case(
        "two.levels.wild.example.com", "MX", ("two.levels.wild.example.com. MX 5 mx1.example.com.",)
    ),
    Case("any.wild.example.com", "TXT"),
    Case("missing.example.com", "A", status="NXDOMAIN"),
    Case("empty.example.com", "TXT"),
    Case("x.empty.example.com", "TXT", status="NXDOMAIN"),
    Case("s._domainkey.example.com", "TXT", (f"s._domainkey.example.com. TXT {_KEY_TEXT}",)),
    Case(
        "_submission._tcp.example.com",
        "SRV",
        ("_submission._tcp.example.com. SRV 0 5 587 mx1.example.com.",),
    ),
    Case(
        "_25._tcp.mx1.example.com",
        "TLSA",
        (f"_25._tcp.mx1.example.com. TLSA 3 1 1 {'ab' * 32}",),
    ),
    Case(
        "_dns.example.com",
        "SVCB",
        ('_dns.example.com. SVCB 1 ns1.example.com. alpn="dot" port="853"',),
    ),
    Case("4.3.2.1.example.com", "PTR", ("4.3.2.1.example.com. PTR Host.Example.NET.",)),
    Case(
        "naptr.example.com",
        "NAPTR",
        ('naptr.example.com. NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@example.com!" .',),
    ),
    Case(
        "host.old.example.com",
        "A",
        (
            "old.example.com. DNAME new.example.com.",
            "host.old.example.com. CNAME host.new.example.com.",
            "host.new.example.com. A 127.0.0.6",
        ),
    ),
    Case("odd.example.com", "TYPE65280", (r"odd.example.com. TYPE65280 \# 2 abcd",)),
]
