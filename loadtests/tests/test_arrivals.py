from __future__ import annotations

from collections.abc import Sequence

from fixtures.sink import Dialect
from fixtures.sink.delivery import Delivery
from fixtures.transcript import Transcript
from loadtests.arrivals import Arrivals

BODY = b"some text\r\n"


def delivery(token: bytes, body: bytes = BODY) -> Delivery:
    transcript = Transcript(side="sink")
    transcript.add("C", body)
    content = b"Received: from x\r\nX-Load-Token: " + token + b"\r\n\r\n" + body
    return Delivery(
        "127.0.0.1", "x", "a@b", ("c@d",), content, content, 0.0, Dialect.STRICT, (), (), transcript
    )


class Kept:
    """A sink that keeps what the test puts in."""

    def __init__(self, *deliveries: Delivery) -> None:
        self.kept = list(deliveries)

    def deliveries(self) -> Sequence[Delivery]:
        return tuple(self.kept)


def test_the_books_balance_when_everything_arrived_once() -> None:
    """Two accepted, two arrived, mail of other runs left alone."""
    sink = Kept(delivery(b"run1-a"), delivery(b"other-b"), delivery(b"run1-c"))
    accepted = {b"run1-a", b"run1-c"}
    arrivals = Arrivals(sink, "run1", BODY)
    ledger = arrivals.ledger(accepted, set())
    assert (ledger.accepted, ledger.arrived, ledger.missing) == (2, 2, 0)
    assert ledger.is_balanced


def test_each_kind_of_leak_is_counted() -> None:
    """Lost, doubled, changed, refused but delivered, and in doubt are told apart."""
    sink = Kept(
        delivery(b"run1-twice"),
        delivery(b"run1-twice"),
        delivery(b"run1-changed", b"other text\r\n"),
        delivery(b"run1-doubt"),
        delivery(b"run1-refused"),
    )
    accepted = {b"run1-twice", b"run1-changed", b"run1-lost"}
    ledger = Arrivals(sink, "run1", BODY).ledger(accepted, {b"run1-doubt", b"run1-doubt2"})
    assert (ledger.arrived, ledger.missing, ledger.doubled, ledger.changed) == (2, 1, 1, 1)
    assert (ledger.in_doubt, ledger.in_doubt_arrived, ledger.unexpected) == (2, 1, 1)
    assert not ledger.is_balanced


def test_a_delivery_is_counted_once_however_often_one_looks() -> None:
    """Looking again takes only what is new, also when the sink has forgotten the oldest."""
    sink = Kept(delivery(b"run1-a"), delivery(b"run1-b"))
    arrivals = Arrivals(sink, "run1", BODY)
    arrivals.look()
    del sink.kept[0]
    sink.kept.append(delivery(b"run1-c"))
    arrivals.look()
    arrivals.look()
    ledger = arrivals.ledger({b"run1-a", b"run1-b", b"run1-c"}, set())
    assert (ledger.arrived, ledger.doubled) == (3, 0)


def test_settling_ends_when_all_are_there_or_the_time_is_over() -> None:
    """It waits for what is missing, and not for ever."""
    sink = Kept(delivery(b"run1-a"))
    with Arrivals(sink, "run1", BODY) as arrivals:
        assert not arrivals.settle({b"run1-a", b"run1-b"}, within_seconds=0.05)
        sink.kept.append(delivery(b"run1-b"))
        assert arrivals.settle({b"run1-a", b"run1-b"}, within_seconds=5.0)
        assert arrivals.count == 2


def test_a_kept_open_delivery_connection_does_not_fill_the_memory() -> None:
    """What was looked at is taken out of the sink's transcript."""
    one = delivery(b"run1-a")
    Arrivals(Kept(one), "run1", BODY).look()
    assert one.transcript is not None
    assert not one.transcript.events
