"""From the counters of the rooms to the metrics of the relay.

A worker gives rows of plain values, which travel to the supervisor; there they get the worker's
number as a label, so that a worker that starts again from zero is seen as just that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any

from reference_relay.delivery.counters import DeliveryCounters
from reference_relay.management.metrics_text import Family, Sample
from reference_relay.queue.counters import Histogram
from reference_relay.queue.queue import Queue
from reference_relay.queue.schedule import Place
from reference_relay.submission.counters import SubmissionCounters

# Family without the prefix, suffix, labels, value: what JSON can carry.
Row = Sequence[Any]

_PREFIX = "reference_relay_"
_FAMILIES = {
    "connections_total": ("counter", "Connections accepted."),
    "connections_open": ("gauge", "Connections that have a place now."),
    "sessions_refused_total": ("counter", "Connections that were not served, by reason."),
    "handshakes_total": ("counter", "TLS handshakes, by result."),
    "sign_ins_total": ("counter", "Sign-ins, by result; all but ok were refused."),
    "messages_accepted_total": ("counter", "Messages accepted, each with a queue ID."),
    "recipients_accepted_total": ("counter", "Recipients of accepted messages."),
    "content_octets_total": ("counter", "Octets of accepted messages, as they are spooled."),
    "refusals_total": ("counter", "Refusals inside sessions, by stage and reply."),
    "queue_depth": ("gauge", "Messages that are not settled."),
    "queue_messages": ("gauge", "Messages that are not settled, by where they are."),
    "queue_full": ("gauge", "Whether mail is refused because there is no room."),
    "deliveries_total": ("counter", "Recipients of delivery attempts, by outcome."),
    "commit_batch_messages": ("histogram", "Messages that became durable with one sync."),
    "commit_seconds": ("histogram", "Duration of such a transaction, sync included."),
    "worker_up": ("gauge", "Whether the worker serves."),
    "worker_starts_total": ("counter", "How often the worker was started."),
}


def submission_rows(counters: SubmissionCounters, connections: int) -> Iterator[Row]:
    """Read the counters of the inbound edge."""
    yield "connections_total", "", {}, counters.connections
    yield "connections_open", "", {}, connections
    for reason, count in counters.refused_sessions.items():
        yield "sessions_refused_total", "", {"reason": reason}, count
    yield "handshakes_total", "", {"result": "ok"}, counters.handshakes
    yield "handshakes_total", "", {"result": "failed"}, counters.failed_handshakes
    yield "sign_ins_total", "", {"result": "ok"}, counters.sign_ins
    for reason, count in counters.refused_sign_ins.items():
        yield "sign_ins_total", "", {"result": reason}, count
    yield "messages_accepted_total", "", {}, counters.messages
    yield "recipients_accepted_total", "", {}, counters.recipients
    yield "content_octets_total", "", {}, counters.octets
    for (stage, reply), count in counters.refusals.items():
        yield "refusals_total", "", {"stage": stage, "reply": reply}, count


def queue_rows(queues: Sequence[Queue]) -> Iterator[Row]:
    """Read the counters of the queues of one worker, the first of which takes its commits."""
    yield "queue_depth", "", {}, sum(queue.depth for queue in queues)
    places = [queue.places() for queue in queues]
    for place in Place:
        count = sum(own[place] for own in places)
        yield "queue_messages", "", {"place": place.value}, count
    if queues:
        yield "queue_full", "", {}, int(queues[0].is_full)
        counters = queues[0].counters
        yield from _histogram("commit_batch_messages", counters.batch_messages)
        yield from _histogram("commit_seconds", counters.commit_seconds)


def delivery_rows(agents: Sequence[DeliveryCounters]) -> Iterator[Row]:
    """Read the counters of the delivery agents of one worker."""
    outcomes = {
        "delivered": sum(one.delivered for one in agents),
        "deferred": sum(one.deferred for one in agents),
        "failed": sum(one.failed for one in agents),
    }
    for outcome, count in outcomes.items():
        yield "deliveries_total", "", {"outcome": outcome}, count


def families(rows_by_worker: Mapping[int, Iterable[Row]]) -> list[Family]:
    """Put the rows of all workers together."""
    samples: dict[str, list[Sample]] = {name: [] for name in _FAMILIES}
    for worker, rows in rows_by_worker.items():
        for name, suffix, labels, value in rows:
            samples[name].append(Sample({"worker": str(worker), **labels}, value, suffix))
    return [
        Family(_PREFIX + name, kind, help, tuple(samples[name]))
        for name, (kind, help) in _FAMILIES.items()
        if samples[name]
    ]


def _histogram(name: str, histogram: Histogram) -> Iterator[Row]:
    counts = list(accumulate(histogram.counts))
    bounds = [*(f"{bound:g}" for bound in histogram.bounds), "+Inf"]
    for bound, count in zip(bounds, counts, strict=True):
        yield name, "_bucket", {"le": bound}, count
    yield name, "_sum", {}, histogram.total
    yield name, "_count", {}, counts[-1]
