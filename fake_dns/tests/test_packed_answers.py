"""What is served from packed answers is what a server says that was never asked before."""

from __future__ import annotations

import struct

from hypothesis import given, settings
from hypothesis import strategies as st

from fake_dns.fault_book import FaultBook
from fake_dns.message import Transport
from fake_dns.query_log import QueryLog
from fake_dns.responder import Responder
from fake_dns.zone import Zone
from fake_dns.zone_set import Publication, ZoneSet

CLIENT = ("127.0.0.1", 4321)
ZONES = ZoneSet(
    [
        Zone(
            "example.com",
            {
                "@": {"A": "192.0.2.1"},
                "a": {"A": "192.0.2.2"},
                "deep.b": {"A": "192.0.2.3"},
                "*.w": {"A": "192.0.2.4"},
                "cut": {"NS": "ns.cut"},
                "ns.cut": {"A": "192.0.2.5"},
                "moved": {"DNAME": "a.example.com."},
                "alias": {"CNAME": "missing.example.com."},
            },
        ),
        # Of one name with a label that its parent zone does not know.
        Zone("own.example.com", {"@": {"A": "192.0.2.6"}}),
    ]
)
# Of each length some that exist, one way or another, and some that do not.
LABELS = (
    *(b"a", b"A", b"b", b"c", b"d", b"w", b"*"),
    *(b"cut", b"own", b"Own", b"new"),
    *(b"moved", b"alias", b"other", b"deep", b"high"),
)
ABOVE = ((), (b"b",), (b"w",), (b"cut",), (b"moved",), (b"Own",), (b"new",), (b"new", b"b"))
NAMES = st.builds(
    lambda label, above: (label, *above, b"example", b"com"),
    st.sampled_from(LABELS),
    st.sampled_from(ABOVE),
)
# Few enough of each that what is asked later resembles what was asked before.
QUESTIONS = st.tuples(
    NAMES, st.sampled_from([1, 1, 1, 43]), st.sampled_from([0, 0x0110, 0x0020]), st.booleans()
)


def responder() -> tuple[Responder, QueryLog]:
    log = QueryLog()
    return Responder(Publication(ZONES), FaultBook(), log, now=lambda: 0.0), log


def packet(question: tuple[tuple[bytes, ...], int, int, bool]) -> bytes:
    labels, code, flags, has_edns = question
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    opt = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0) if has_edns else b""
    head = struct.pack("!6H", 7, flags, 1, 0, 0, int(has_edns))
    return head + name + struct.pack("!2H", code, 1) + opt


@settings(derandomize=True, max_examples=60)
@given(st.lists(QUESTIONS, min_size=20, max_size=80))
def test_what_was_asked_before_changes_no_answer(
    questions: list[tuple[tuple[bytes, ...], int, int, bool]],
) -> None:
    """Wildcards, cuts, aliases, zones inside a zone and names of any case: octet for octet."""
    warm, warm_log = responder()
    for question in questions:
        fresh, fresh_log = responder()
        asked = packet(question)
        said = warm.respond(asked, Transport.UDP, CLIENT)
        assert said == fresh.respond(asked, Transport.UDP, CLIENT)
        logged, expected = warm_log.queries()[-1], fresh_log.queries()[-1]
        assert (logged.name, logged.type, logged.rcode) == (
            expected.name,
            expected.type,
            expected.rcode,
        )
        assert (logged.edns_octets, logged.is_in_zone) == (
            expected.edns_octets,
            expected.is_in_zone,
        )


def test_names_that_are_not_there_share_one_answer() -> None:
    """A thousand new names cost a thousand look-ups and no memory."""
    serving, log = responder()
    for number in range(1000):
        name = (b"n%03d" % number, b"example", b"com")
        reply = serving.respond(packet((name, 1, 0, False)), Transport.UDP, CLIENT)
        assert isinstance(reply, bytes)
        assert reply[3] & 0xF == 3
        assert b"n%03d" % number in reply
    assert log.queries()[-1].name == "n999.example.com"
    assert serving._views[""].packed.count == 2
