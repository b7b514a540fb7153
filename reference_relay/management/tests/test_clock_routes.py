"""The lab's hand on the clock, over HTTP."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from reference_relay.clock import Clock
from reference_relay.management.app import ManagementContext
from reference_relay.management.server import ManagementServer
from reference_relay.management.tests.served import Domains
from reference_relay.management.tests.test_management import ScriptedRelay, service

Ask = Callable[..., tuple[int, Any]]


@contextmanager
def lab(clock: Clock) -> Iterator[Ask]:
    """Serve the routes of a relay with that clock; gives `ask(path, body)`."""
    relay = ScriptedRelay()
    relay.clock = clock
    loop = asyncio.new_event_loop()
    server = ManagementServer(ManagementContext(relay, service(), Domains(), lambda: "t"), "secret")
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def wait_for(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    port = wait_for(server.start("127.0.0.1", 0))

    def ask(path: str, body: object = None) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            content = None if body is None else json.dumps(body)
            headers = {"Authorization": "Bearer secret", "Content-Type": "application/json"}
            method = "GET" if body is None else "POST"
            connection.request(method, f"/lab/v1/clock{path}", content, headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    try:
        yield ask
    finally:
        wait_for(server.stop())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_an_advance_is_seen_at_once() -> None:
    """The answer and every later reading tell the new time."""
    with lab(Clock(lambda: 1000.0, is_virtual=True)) as ask:
        moved = ask("/advance", {"seconds": 259200})
        assert moved == (
            200,
            {
                "now": "1970-01-04T00:16:40.000Z",
                "seconds": 260200.0,
                "ahead": 259200.0,
                "is_virtual": True,
            },
        )
        assert ask("") == moved
        assert ask("/set", {"seconds": 300000})[1]["seconds"] == 300000


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/set", {"seconds": 999}),
        ("/advance", {"seconds": -1}),
        ("/advance", {"seconds": 1e300}),
        ("/advance", {"seconds": "soon"}),
        ("/advance", {"seconds": "1"}),
        ("/advance", {"seconds": False}),
        ("/set", {"seconds": True}),
        ("/advance", {}),
        ("/advance", {"seconds": 1, "hours": 1}),
    ],
)
def test_a_step_that_cannot_be_is_a_bad_request(path: str, body: object) -> None:
    """Back, too far, no number, nothing, too much: 400 in the envelope, and the clock stays."""
    with lab(Clock(lambda: 1000.0, is_virtual=True)) as ask:
        status, answer = ask(path, body)
        assert status == 400
        assert answer["errors"][0]["code"] == "bad_request"
        assert ask("")[1]["seconds"] == 1000.0


def test_the_systems_clock_is_refused() -> None:
    """A relay on the system's clock answers 409 and says what to write in its file."""
    with lab(Clock()) as ask:
        status, answer = ask("/advance", {"seconds": 1})
    assert status == 409
    assert 'clock = "virtual"' in answer["errors"][0]["message"]


def test_a_wait_ends_at_its_limit() -> None:
    """Waiting for a moment that does not come answers with the time it is."""
    with lab(Clock(lambda: 1000.0, is_virtual=True)) as ask:
        assert ask("?until=2000&wait=0.01")[1]["seconds"] == 1000.0
