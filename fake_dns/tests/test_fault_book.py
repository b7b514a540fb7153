"""Which query meets which fault."""

from __future__ import annotations

import pytest

from fake_dns.fault import Delay, Fault, Refused, Reset, Rotating, ServerFailure, Silence, Truncated
from fake_dns.fault_book import FaultBook, Origin, plan
from fake_dns.message import Header, Request, Transport
from fake_dns.name import Name

UDP = Origin(Transport.UDP, ("127.0.0.1", 5300), "main")
TCP = Origin(Transport.TCP, ("127.0.0.9", 5300), "second")


def query(name: str = "example.com", type: str = "A") -> Request:
    """A plain query."""
    return Request(Header(1, 0, False, False), Name.parse(name), type, 1, None)


def taken(book: FaultBook, count: int, origin: Origin = UDP) -> list[Fault | None]:
    """What so many queries meet."""
    return [book.take(query(), origin) for _ in range(count)]


def test_the_first_rule_that_matches_is_taken_as_often_as_planned() -> None:
    """Name in any case, type and transport decide; a counted rule ends."""
    book = FaultBook(
        [
            plan([ServerFailure()], name="Example.COM", type="a", times=2),
            plan([Refused()], transport="tcp"),
        ]
    )
    assert book.take(query(), UDP) == ServerFailure()
    assert book.take(query(type="MX"), UDP) is None
    assert book.take(query(), TCP) == ServerFailure()
    assert book.take(query(), UDP) is None
    assert book.take(query(), TCP) == Refused()
    assert [one.met for one in book.rules] == [1]


def test_several_faults_come_in_turn() -> None:
    """Once through, None in their midst is the truth; repeated, they start over."""
    book = FaultBook([plan([ServerFailure(), None, Silence()])])
    assert taken(book, 5) == [ServerFailure(), None, Silence(), None, None]
    assert not book
    again = FaultBook([plan([ServerFailure(), None], repeat=True)])
    assert taken(again, 4) == [ServerFailure(), None] * 2
    counted = FaultBook([plan([ServerFailure(), None], times=3)])
    assert taken(counted, 4) == [ServerFailure(), None, ServerFailure(), None]


def test_client_and_server_decide_too() -> None:
    """An address, a network, the name of a server."""
    assert taken(FaultBook([plan([Silence()], client="127.0.0.9")]), 1, TCP) == [Silence()]
    assert taken(FaultBook([plan([Silence()], client="127.0.0.8/29")]), 1, UDP) == [None]
    assert taken(FaultBook([plan([Silence()], client="127.0.0.8/29")]), 1, TCP) == [Silence()]
    assert taken(FaultBook([plan([Silence()], client="::1")]), 1, TCP) == [None]
    assert taken(FaultBook([plan([Silence()], server="second")]), 1, UDP) == [None]


def test_a_fault_waits_for_a_query_it_can_spoil() -> None:
    """A counted reset is not used up by UDP, nor a truncation by TCP; later rules go on."""
    book = FaultBook([plan([Reset()], times=1), plan([Refused()])])
    assert taken(book, 2, UDP) == [Refused()] * 2
    assert taken(book, 2, TCP) == [Reset(), Refused()]
    assert taken(FaultBook([plan([Truncated()], times=1)]), 1, TCP) == [None]


def test_one_seed_is_one_sequence() -> None:
    """Chances and jitter are the same again for the same seed, and others for another."""

    def drawn(seed: int) -> list[Fault | None]:
        rule = plan([Delay(1.0, jitter_seconds=0.5)], chance=0.5, seed=seed)
        return taken(FaultBook([rule]), 200)

    first = drawn(1)
    assert first == drawn(1)
    assert first != drawn(2)
    met = [fault for fault in first if isinstance(fault, Delay)]
    assert 60 < len(met) < 140
    assert all(1.0 <= fault.seconds <= 1.5 for fault in met)
    assert len({fault.seconds for fault in met}) > 50


def test_what_a_chance_misses_meets_the_next_rule() -> None:
    """Two rules share the queries."""
    book = FaultBook([plan([Silence()], chance=0.5, seed=3), plan([Refused()])])
    met = taken(book, 50)
    assert None not in met
    assert {Silence(), Refused()} == set(met)


def test_an_earlier_state_can_be_put_back() -> None:
    """Counts and chances go on from there as they did the first time."""
    book = FaultBook([plan([ServerFailure(), Rotating(2)], chance=0.5, repeat=True, seed=5)])
    taken(book, 7)
    state = book.rules
    first = taken(book, 20)
    book.rules = state
    assert taken(book, 20) == first


def test_rules_have_numbers() -> None:
    """A rule is withdrawn by its number, which is not given again."""
    book = FaultBook()
    first, second = book.add(plan([Silence()])), book.add(plan([Refused()]))
    assert book.remove(first)
    assert not book.remove(first)
    assert taken(book, 1) == [Refused()]
    assert book.add(plan([Silence()])) > second


@pytest.mark.parametrize(
    ("faults", "arguments", "complaint"),
    [
        ([], {}, "no fault"),
        ([Silence()], {"type": "NOPE"}, "NOPE"),
        ([Silence()], {"transport": "quic"}, "quic"),
        ([Silence()], {"times": 0}, "at least 1"),
        ([Silence()], {"chance": 0.0}, "more than 0"),
        ([Silence()], {"chance": 1.5}, "at most 1"),
        ([Silence()], {"client": "here"}, "here"),
        ([Silence()], {"name": "a..b"}, "empty label"),
    ],
)
def test_a_rule_that_cannot_match_is_refused(
    faults: list[Fault], arguments: dict[str, object], complaint: str
) -> None:
    """Mistakes of the test, told where they are made."""
    with pytest.raises(ValueError, match=complaint):
        plan(faults, **arguments)  # type: ignore[arg-type]  # that is the test
