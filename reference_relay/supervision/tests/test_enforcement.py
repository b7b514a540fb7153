"""What the management API has answered, every worker enforces: at the door, at MAIL, at AUTH."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reference_relay.config import load_config
from reference_relay.demo_world import SENDER, write_config
from reference_relay.submission.tests.client import Client
from reference_relay.supervision.supervisor import Supervisor
from reference_relay.tests.steps import (
    USER,
    WORLD,
    changed,
    encrypted,
    name_server,
    sign_in,
)

CHANGES = 200
# Nobody else's: the configuration file lets 127.0.0.0/8 in, so these tests take its rule away.
POOL = [f"127.0.12.{number}" for number in range(1, 9)]

Ask = Callable[..., tuple[int, Any, str]]


@pytest.fixture(scope="module")
def name_server_port() -> Iterator[int]:
    with name_server() as port:
        yield port


@pytest.fixture
def source(tmp_path: Path, name_server_port: int) -> Path:
    source = write_config(
        tmp_path, WORLD, port=0, name_server_port=name_server_port, mailbox_port=9
    )
    changed(source, "[management]\n", "[management]\n[workers]\ncount = 2\n")
    return source


def asking(port: int, token: str) -> Ask:
    def ask(method: str, path: str, body: object = None, tag: str = "") -> tuple[int, Any, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if tag:
            headers["If-Match"] = tag
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, json.loads(text) if text else None, response.headers["ETag"] or ""

    return ask


def with_workers(source: Path, work: Callable[[int, Ask], Awaitable[None]]) -> None:
    async def run() -> None:
        relay = Supervisor(load_config(source))
        ready = await relay.start()
        assert ready.management is not None
        assert ready.new_token is not None
        try:
            await work(ready.endpoints[0].port, asking(ready.management.port, ready.new_token))
        finally:
            await relay.stop()

    asyncio.run(run())


def greeting(port: int, address: str) -> bytes:
    """Connect from an address; return the code of the greeting."""
    with socket.create_connection(("127.0.0.1", port), 10, (address, 0)) as connection:
        return connection.recv(512)[:3]


def wrong_admissions(port: int, ask: Ask) -> list[str]:
    """Change a zone 200 times; after each, connect from inside and from outside."""
    chance = random.Random(587)  # noqa: S311 - which addresses, no secret
    _, rules, _ = ask("GET", "/v1/rules?account_id=laptop")
    (rule,) = rules["rules"]
    zone = rule["contexts"][0]["attributes"][0]["value"]
    path = f"/v1/zones/{zone}"
    tag = ask("GET", path)[2]
    wrong = []
    for number in range(CHANGES):
        admitted = chance.sample(POOL, chance.randrange(1, len(POOL)))
        body = {
            "name": "changing",
            "account_id": "laptop",
            "addresses": [{"type": "ipAddress", "value": one} for one in admitted],
        }
        status, _, tag = ask("PUT", path, body, tag)
        assert status == 200
        inside = chance.choice(admitted)
        outside = chance.choice([one for one in POOL if one not in admitted])
        found = greeting(port, inside), greeting(port, outside)
        if found != (b"220", b"554"):
            wrong.append(f"change {number}: inside {found[0]!r}, outside {found[1]!r}")
    return wrong


@pytest.mark.timeout(300)
def test_each_of_200_changes_counts_at_both_workers(source: Path) -> None:
    """Of 200 changes, each followed at once by a connect inside and outside, none is missed."""

    async def work(port: int, ask: Ask) -> None:
        assert await asyncio.to_thread(wrong_admissions, port, ask) == []

    with_workers(source, work)


def test_a_deleted_user_sends_no_further_message(source: Path) -> None:
    """Open connections, at both workers, are refused at the next MAIL."""

    def scenario(port: int, ask: Ask) -> set[bytes]:
        clients = [Client(port) for _ in range(8)]
        for client in clients:
            assert sign_in(encrypted(client)).startswith(b"235 ")
            mail = f"MAIL FROM:<{SENDER}>\r\n".encode()
            assert client.say(mail).startswith(b"250 ")
            assert client.say(b"RSET\r\n").startswith(b"250 ")
        _, found, _ = ask("GET", "/v1/rules?account_id=laptop")
        attributes = found["rules"][0]["resources"][0]["attributes"]
        instance = next(one["value"] for one in attributes if one["name"] == "serviceInstance")
        users = f"/v1/instances/{instance}/smtp/config/{WORLD.configuration_id}/users"
        _, listed, _ = ask("GET", users)
        id = next(one["id"] for one in listed["users"] if one["username"] == USER.username)
        assert ask("DELETE", f"{users}/{id}")[0] == 204
        replies = {client.say(mail)[:9] for client in clients}
        for client in clients:
            client.__exit__(None, None, None)
        return replies

    async def work(port: int, ask: Ask) -> None:
        assert await asyncio.to_thread(scenario, port, ask) == {b"550 5.7.1"}

    with_workers(source, work)


def test_what_was_deleted_stays_deleted(source: Path) -> None:
    """A user of the file who was deleted does not come back with the next start."""

    def delete(port: int, ask: Ask) -> None:
        _, found, _ = ask("GET", "/v1/rules?account_id=laptop")
        attributes = found["rules"][0]["resources"][0]["attributes"]
        instance = next(one["value"] for one in attributes if one["name"] == "serviceInstance")
        users = f"/v1/instances/{instance}/smtp/config/{WORLD.configuration_id}/users"
        _, listed, _ = ask("GET", users)
        id = next(one["id"] for one in listed["users"] if one["username"] == USER.username)
        assert ask("DELETE", f"{users}/{id}")[0] == 204

    async def first(port: int, ask: Ask) -> None:
        await asyncio.to_thread(delete, port, ask)

    async def second(port: int, ask: Ask) -> None:
        def reply() -> bytes:
            with Client(port) as client:
                return sign_in(encrypted(client))[:3]

        assert await asyncio.to_thread(reply) == b"535"

    with_workers(source, first)
    with_workers(source, second)
