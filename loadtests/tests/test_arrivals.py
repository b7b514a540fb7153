from __future__ import annotations

from collections.abc import Sequence

import pytest

from fixtures.sink import Dialect
from fixtures.sink.delivery import Delivery
from fixtures.transcript import Transcript
from loadtests.arrivals import Arrivals
from loadtests.content import token

RUN = "run12345"
BODY = b"some text\r\n"


def delivery(
    number: int,
    body: bytes = BODY,
    *,
    worker: int = 0,
    run: str = RUN,
    at: float = 0.0,
    recipients: Sequence[str] = ("c@d",),
) -> Delivery:
    transcript = Transcript(side="sink")
    transcript.add("C", body)
    mark = token(run.encode(), worker, number) + b" %016x" % 1_000_000
    content = b"Received: from x\r\nX-Load-Token: " + mark + b"\r\n\r\n" + body
    paths = tuple(recipients)
    return Delivery(
        "127.0.0.1", "x", "a@b", paths, content, content, at, Dialect.STRICT, (), (), transcript
    )


class Kept:
    """A sink that keeps what the test puts in."""

    def __init__(self, *deliveries: Delivery) -> None:
        self.kept = list(deliveries)

    def deliveries(self) -> Sequence[Delivery]:
        return tuple(self.kept)


def test_the_books_balance_when_everything_arrived_once() -> None:
    """Accepted by two workers, arrived, mail of other runs left alone."""
    sink = Kept(delivery(0), delivery(0, run="other678"), delivery(0, worker=1))
    ledger = Arrivals(sink, RUN, BODY).ledger({0: [0], 1: [0]}, {})
    assert (ledger.accepted, ledger.arrived, ledger.missing) == (2, 2, 0)
    assert ledger.is_balanced


def test_each_kind_of_leak_is_counted() -> None:
    """Lost, doubled, changed, refused but delivered, and in doubt are told apart."""
    sink = Kept(
        delivery(0),
        delivery(0),
        delivery(1, b"other text\r\n"),
        delivery(3),
        delivery(5),
    )
    ledger = Arrivals(sink, RUN, BODY).ledger({0: [0, 1, 2]}, {0: [3, 4]}, begun=9)
    assert (ledger.arrived, ledger.missing, ledger.doubled, ledger.changed) == (2, 1, 1, 1)
    assert (ledger.in_doubt, ledger.in_doubt_arrived, ledger.unexpected) == (2, 1, 1)
    assert ledger.refused == 3
    assert not ledger.is_balanced


def test_a_message_to_many_may_arrive_in_parts() -> None:
    """It has arrived when all of its recipients have it, and one copy more is a double."""
    sink = Kept(delivery(0, recipients=["a", "b"]), delivery(1, recipients=["a"]))
    arrivals = Arrivals(sink, RUN, BODY, recipients=3)
    accepted = {0: [0, 1]}
    assert arrivals.ledger(accepted, {}).missing == 2
    sink.kept += [delivery(0, recipients=["c"]), delivery(1, recipients=["b", "c"])]
    ledger = arrivals.ledger(accepted, {})
    assert (ledger.arrived, ledger.doubled, arrivals.count) == (2, 0, 2)
    sink.kept.append(delivery(1, recipients=["a"]))
    assert arrivals.ledger(accepted, {}).doubled == 1


def test_the_delay_counts_from_the_planned_moment() -> None:
    """Planned at second 1, arrived at 1.5: half a second, once however often it arrives."""
    arrivals = Arrivals(Kept(delivery(0, at=1.5), delivery(0, at=9.0)), RUN, BODY)
    arrivals.look()
    assert arrivals.delays.count == 1
    assert arrivals.delays.percentile(50) == pytest.approx(500_000, rel=0.001)


def test_a_delivery_is_counted_once_however_often_one_looks() -> None:
    """Looking again takes only what is new, also when the sink has forgotten the oldest."""
    sink = Kept(delivery(0), delivery(1))
    arrivals = Arrivals(sink, RUN, BODY)
    arrivals.look()
    del sink.kept[0]
    sink.kept.append(delivery(2))
    arrivals.look()
    arrivals.look()
    ledger = arrivals.ledger({0: [0, 1, 2]}, {})
    assert (ledger.arrived, ledger.doubled) == (3, 0)


def test_settling_ends_when_all_are_there_or_the_time_is_over() -> None:
    """It waits for what is missing, and not for ever."""
    sink = Kept(delivery(0))
    with Arrivals(sink, RUN, BODY) as arrivals:
        assert not arrivals.settle(2, within_seconds=0.05)
        sink.kept.append(delivery(1))
        assert arrivals.settle(2, within_seconds=5.0)
        assert arrivals.count == 2


def test_a_kept_open_delivery_connection_does_not_fill_the_memory() -> None:
    """What was looked at is taken out of the sink's transcript."""
    one = delivery(0)
    Arrivals(Kept(one), RUN, BODY).look()
    assert one.transcript is not None
    assert not one.transcript.events
