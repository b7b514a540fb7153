"""The management API over real HTTP on loopback."""

from __future__ import annotations

import asyncio
import http.client
import json
import queue
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest

from reference_relay.clock import Clock
from reference_relay.mail.address import Mailbox
from reference_relay.management.app import ManagementContext
from reference_relay.management.metrics_text import Family, Sample
from reference_relay.management.server import ManagementServer
from reference_relay.management.tests.served import Domains
from reference_relay.queue.queue import QueueError
from reference_relay.queue.queued_message import (
    MessageState,
    MessageStatus,
    Obeyed,
    Order,
    RecipientState,
    RecipientStatus,
    StatusEvent,
)
from reference_relay.queue.spool_reader import Selection
from reference_relay.service.directory import Directory
from reference_relay.service.service import Service
from reference_relay.service.store import Store

TOKEN = "t0ken"
KNOWN = MessageStatus(
    "KNOWN",
    1.5,
    (
        RecipientStatus(
            Mailbox("rcpt", "sink.example"),
            (
                StatusEvent(1.5, RecipientState.SUBMITTED),
                StatusEvent(
                    2.0, RecipientState.DELIVERED, "mx.sink.example: 250 rcpt@sink.example"
                ),
            ),
        ),
    ),
    "cfg",
    Mailbox("mailer", "example.com"),
    1000,
    next_attempt=3.0,
)


class ScriptedRelay:
    """Knows one message, and two that bring trouble; its workers come and go."""

    workers_up = (1, 1)
    clock = Clock(is_virtual=True)
    selected: Selection

    async def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @property
    def directory(self) -> Directory:
        return Directory(PROFILE["name"], [])

    async def metrics(self) -> list[Family]:
        return [Family("mail_total", "counter", "Mail.", (Sample({"from": 'a "b"'}, 3),))]

    async def status(self, queue_id: str) -> MessageStatus | None:
        if queue_id == "TROUBLE":
            raise QueueError("disk on fire at /secret/path")
        if queue_id == "BUG":
            raise ZeroDivisionError("inner detail")
        return KNOWN if queue_id == "KNOWN" else None

    async def select(self, selection: Selection) -> list[MessageStatus]:
        self.selected = selection
        return [KNOWN]

    async def obey(self, what: Order, queue_ids: Collection[str] | None) -> Obeyed:
        if queue_ids is None:
            raise QueueError("worker 1 is gone")
        return Obeyed(1, busy=(what.value,), unknown=tuple(queue_ids))

    async def places(self) -> dict[str, int]:
        return {"waiting": 1, "reading": 0, "claimed": 2, "held": 3, "damaged": 0}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: Any = field(repr=False)


def service() -> Service:
    return Service(Store("sqlite://"), "seed-2025", time.time)


PROFILE = {"name": "seed-2025"}
RELAY = ScriptedRelay()


@pytest.fixture(scope="module", autouse=True)
def port() -> Iterator[int]:
    """The port of a server in a thread of its own."""
    traces = count(1)
    context = ManagementContext(RELAY, service(), Domains(), lambda: f"trace-{next(traces)}")
    listening: queue.Queue[int] = queue.Queue()
    ended = threading.Event()

    async def serve() -> None:
        server = ManagementServer(context, TOKEN)
        listening.put(await server.start("127.0.0.1", 0))
        await asyncio.to_thread(ended.wait)
        await server.stop()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    yield listening.get(timeout=10)
    ended.set()
    thread.join(10)


def ask(
    port: int,
    path: str,
    *,
    token: str | None = f"Bearer {TOKEN}",
    method: str = "GET",
    body: Any = None,
) -> Answer:
    """Make one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {} if token is None else {"Authorization": token}
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, headers=headers)
        response = connection.getresponse()
        headers, text = dict(response.getheaders()), response.read().decode()
        is_json = headers["content-type"] == "application/json"
        return Answer(response.status, headers, json.loads(text) if is_json else text)
    finally:
        connection.close()


def code_of(answer: Answer) -> str:
    """Check the envelope and return the code of its first error."""
    body = answer.body
    assert set(body) == {"status_code", "trace", "errors"}
    assert body["status_code"] == answer.status
    assert body["trace"] == answer.headers["x-global-transaction-id"]
    assert all(set(one) == {"code", "message", "more_info"} for one in body["errors"])
    return str(body["errors"][0]["code"])


@pytest.mark.parametrize("path", ["/lab/v1/messages/KNOWN", "/nowhere", "/openapi.json"])
@pytest.mark.parametrize(
    "token", [None, "", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN]
)
def test_without_the_token_there_is_nothing_but_401(
    port: int, path: str, token: str | None
) -> None:
    """Whatever is asked for, and whether it exists or not (D-26)."""
    answer = ask(port, path, token=token)
    assert answer.status == 401
    assert code_of(answer) == "unauthenticated"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_health_needs_no_token(port: int) -> None:
    """A watchdog may ask whether the relay lives."""
    assert ask(port, "/healthz", token=None).body == {"status": "ok"}


def test_a_message_is_found_by_its_queue_id(port: int) -> None:
    """The answer has every recipient's state and history; addresses are masked, quoted ones too."""
    assert ask(port, "/lab/v1/messages/KNOWN").body == {
        "queue_id": "KNOWN",
        "accepted_at": "1970-01-01T00:00:01.500Z",
        "state": "queued",
        "configuration_id": "cfg",
        "sender": "m*i*e*@example.com",
        "octets": 1000,
        "attempts": 0,
        "next_attempt": "1970-01-01T00:00:03.000Z",
        "recipients": [
            {
                "address": "r*p*@sink.example",
                "state": "delivered",
                "history": [
                    {"at": "1970-01-01T00:00:01.500Z", "state": "submitted", "text": ""},
                    {
                        "at": "1970-01-01T00:00:02.000Z",
                        "state": "delivered",
                        "text": "mx.sink.example: 250 r*p*@sink.example",
                    },
                ],
            }
        ],
    }


def test_messages_are_listed_page_by_page(port: int) -> None:
    """The selection reaches the queue as asked; a full page says where the next one begins."""
    answer = ask(
        port,
        "/lab/v1/messages?configuration_id=cfg&unsettled=true&before=Z&limit=1"
        "&accepted_from=1970-01-01T00:00:01Z&accepted_before=1970-01-01T00:00:02Z",
    )
    assert RELAY.selected == Selection("cfg", 1.0, 2.0, True, "Z", 1)
    assert [one["queue_id"] for one in answer.body["messages"]] == ["KNOWN"]
    assert answer.body["next"] == "KNOWN"
    assert ask(port, "/lab/v1/messages").body["next"] is None


@pytest.mark.parametrize("until", ["settled", "delivered"])
def test_a_wait_ends_with_what_is_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch, until: str
) -> None:
    """Whoever waits for a state has the answer when it has come, long before the limit."""
    (recipient,) = KNOWN.recipients
    young = replace(recipient, history=recipient.history[:1])
    states = [
        replace(KNOWN, recipients=(young,)),
        replace(KNOWN, recipients=(recipient, young)),
        replace(KNOWN, state=MessageState.SETTLED),
    ]

    async def status(_: str) -> MessageStatus:
        return states.pop(0)

    monkeypatch.setattr(RELAY, "status", status)
    answer = ask(port, f"/lab/v1/messages/KNOWN?until={until}&wait=9")
    assert states == []
    assert answer.body["state"] == "settled"


def test_a_wait_for_mail_ends_with_the_first(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is waited for comes with its first message, or empty at the limit."""
    pages: list[list[MessageStatus]] = [[], [], [KNOWN]]

    async def select(_: Selection) -> list[MessageStatus]:
        return pages.pop(0) if pages else []

    monkeypatch.setattr(RELAY, "select", select)
    assert len(ask(port, "/lab/v1/messages?wait=9").body["messages"]) == 1
    assert ask(port, "/lab/v1/messages?wait=0.05").body["messages"] == []
    assert ask(port, "/lab/v1/messages/KNOWN?until=settled&wait=0.05").body["state"] == "queued"


def test_the_queue_is_counted(port: int) -> None:
    """Every place is named, and the sum."""
    assert ask(port, "/lab/v1/queue").body == {
        "messages": 6, "waiting": 1, "reading": 0, "claimed": 2, "held": 3, "damaged": 0,
    }  # fmt: skip


def test_an_order_reaches_the_queue(port: int) -> None:
    """The answer tells what was done and what was not."""
    body = {"order": "hold", "queue_ids": ["A1"]}
    answer = ask(port, "/lab/v1/queue", method="POST", body=body)
    assert answer.body == {"done": 1, "busy": ["hold"], "unknown": ["A1"]}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"order": "hold"}, 400),
        ({"order": "hold", "all": "yes"}, 400),
        ({"order": "hold", "all": True, "queue_ids": ["A1"]}, 400),
        ({"order": "burn", "all": True}, 400),
        ({"order": "hold", "queue_ids": ["A1"] * 1001}, 400),
        ({"order": "hold", "all": True}, 503),
    ],
)
def test_an_order_that_cannot_be(port: int, body: Any, status: int) -> None:
    """An order about nothing, or unknown, is refused; one that a worker misses is said to be."""
    answer = ask(port, "/lab/v1/queue", method="POST", body=body)
    assert answer.status == status
    code_of(answer)


@pytest.mark.parametrize(
    ("path", "method", "status", "code"),
    [
        ("/lab/v1/messages/NOPE", "GET", 404, "message_not_found"),
        ("/lab/v1/messages?limit=101", "GET", 400, "bad_request"),
        ("/lab/v1/messages?accepted_from=2026-01-01", "GET", 400, "bad_request"),
        ("/lab/v1/messages?accepted_from=0.5", "GET", 400, "bad_request"),
        ("/lab/v1/messages?wait=61", "GET", 400, "bad_request"),
        ("/lab/v1/messages/KNOWN?until=submitted", "GET", 400, "bad_request"),
        ("/lab/v1/messages/NOPE?until=settled&wait=9", "GET", 404, "message_not_found"),
        ("/lab/v1/regions/us-west/endpoints", "GET", 404, "region_not_found"),
        ("/lab/v1/regions/US-South/endpoints", "GET", 404, "region_not_found"),
        ("/nowhere", "GET", 404, "not_found"),
        ("/healthz", "POST", 405, "method_not_allowed"),
        ("/lab/v1/messages/TROUBLE", "GET", 503, "queue_unavailable"),
    ],
)
def test_every_error_is_in_the_envelope(
    port: int, path: str, method: str, status: int, code: str
) -> None:
    """Errors have one shape, and none of them tells of our insides."""
    answer = ask(port, path, method=method)
    assert (answer.status, code_of(answer)) == (status, code)
    assert "secret" not in json.dumps(answer.body)


def test_a_fault_of_ours_is_an_envelope_too(port: int, caplog: pytest.LogCaptureFixture) -> None:
    """An unforeseen exception is a 500 with a trace that the log knows, and no inner detail."""
    answer = ask(port, "/lab/v1/messages/BUG")
    assert (answer.status, code_of(answer)) == (500, "internal_error")
    assert "inner detail" not in json.dumps(answer.body)
    assert f"trace={answer.body['trace']}" in caplog.text


@pytest.mark.parametrize(
    ("region", "profile", "own"),
    [("eu-gb", "seed-2025", "us-south"), ("eu-es", "seed-2025", "eu-de"),
     ("in-mum", "vendor-2026", "us-south")],
)  # fmt: skip
def test_the_endpoints_of_a_region(
    port: int, monkeypatch: pytest.MonkeyPatch, region: str, profile: str, own: str
) -> None:
    """Both names carry the region of the endpoint (EPT-01, EPT-02)."""
    monkeypatch.setitem(PROFILE, "name", profile)
    public = f"smtp.{own}.event-notifications.cloud.ibm.com"
    answer = ask(port, f"/lab/v1/regions/{region}/endpoints")
    assert answer.body == {"public": public, "private": f"private.{public}"}


@pytest.mark.parametrize(
    ("workers_up", "status", "word"),
    [((2, 2), 200, "ok"), ((1, 2), 200, "degraded"), ((0, 2), 503, "down")],
)
def test_health_follows_the_workers(
    port: int,
    monkeypatch: pytest.MonkeyPatch,
    workers_up: tuple[int, int],
    status: int,
    word: str,
) -> None:
    """A relay without any worker is down; with some it goes on. No token is needed."""
    monkeypatch.setattr(RELAY, "workers_up", workers_up)
    answer = ask(port, "/healthz", token=None)
    assert (answer.status, answer.body) == (status, {"status": word})


def test_metrics_are_text_behind_the_token(port: int) -> None:
    """The metrics are in the text format, labels escaped, and not for everybody."""
    assert ask(port, "/metrics", token=None).status == 401
    answer = ask(port, "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.body.splitlines() == [
        "# HELP mail_total Mail.",
        "# TYPE mail_total counter",
        'mail_total{from="a \\"b\\""} 3',
    ]


def test_open_metrics_need_no_token() -> None:
    """With open_metrics a scraper needs nothing; everything else is as before."""

    async def statuses() -> list[int]:
        server = ManagementServer(
            ManagementContext(RELAY, service(), Domains(), lambda: "", open_metrics=True), TOKEN
        )
        port = await server.start("127.0.0.1", 0)
        paths = ("/metrics", "/lab/v1/messages/KNOWN")
        asked = [await asyncio.to_thread(ask, port, path, token=None) for path in paths]
        await server.stop()
        return [answer.status for answer in asked]

    assert asyncio.run(statuses()) == [200, 401]


def test_a_taken_port_is_an_oserror(port: int) -> None:
    """The relay can say that the port is in use."""
    context = ManagementContext(RELAY, service(), Domains(), lambda: "")

    async def start() -> None:
        with pytest.raises(OSError, match="in use"):
            await ManagementServer(context, TOKEN).start("127.0.0.1", port)

    asyncio.run(start())
