"""Two relays as nodes of one service, on one real PostgreSQL."""

from __future__ import annotations

import http.client
import json
import signal
import uuid
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reference_relay.demo_world import write_config
from reference_relay.submission.tests.client import Client
from reference_relay.tests.postgresql import Postgres, postgres, wait_until
from reference_relay.tests.program import Program
from reference_relay.tests.steps import (
    ENVIRONMENT,
    TOKEN,
    WORLD,
    changed,
    encrypted,
    name_server,
    port_of,
    ready_line,
    sign_in,
)

USERS = f"/v1/instances/{{}}/smtp/config/{WORLD.configuration_id}/users"


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture
def sources(tmp_path: Path, database: Postgres) -> Iterator[list[Path]]:
    """The same configuration file for each node, but for its folder."""
    with name_server() as port:
        found = []
        instance = str(uuid.uuid4())
        for name in ("first", "second"):
            folder = tmp_path / name
            folder.mkdir()
            source = write_config(folder, WORLD, port=0, name_server_port=port, mailbox_port=9)
            text = source.read_text()
            before = text.split("[[instance]]\nid = ")[1].split("\n")[0]
            source.write_text(text.replace(before, json.dumps(instance)))
            store = f'[store]\nurl = "{database.url}"\n'
            changed(
                source, "[management]\n", f'[management]\ntoken_environment = "LAB_TOKEN"\n{store}'
            )
            found.append(source)
        yield found


def node(source: Path) -> Program:
    return Program("serve", "--config", str(source), environment=ENVIRONMENT)


def asked(ready: dict[str, Any], method: str, path: str, body: object = None) -> tuple[int, Any]:
    where = ready["management"]
    connection = http.client.HTTPConnection(where["address"], where["port"], timeout=30)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request(method, path, None if body is None else json.dumps(body), headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text) if text else None


def instance_of(ready: dict[str, Any]) -> str:
    rules = asked(ready, "GET", "/v1/rules?account_id=laptop")[1]["rules"]
    attributes = rules[0]["resources"][0]["attributes"]
    return str(next(one["value"] for one in attributes if one["name"] == "serviceInstance"))


def gets_in(ready: dict[str, Any], user: dict[str, Any]) -> bool:
    response = b64encode(f"\0{user['username']}\0{user['password']}".encode())
    with Client(port_of(ready)) as client:
        return encrypted(client).say(b"AUTH PLAIN " + response + b"\r\n").startswith(b"235 ")


@pytest.mark.timeout(240)
def test_nodes_share_what_is_changed(sources: list[Path], database: Postgres) -> None:
    """A user made on one is let in by the other within a second, also after the first is killed.

    When the database goes, management says 503 and mail goes on; when it is back, so is all.
    """
    with node(sources[0]) as first, node(sources[1]) as second:
        here, there = ready_line(first), ready_line(second)
        users = USERS.format(instance_of(here))
        status, user = asked(here, "POST", users, {})
        assert status == 201
        assert wait_until(lambda: gets_in(there, user)) < 1.0
        status, other = asked(there, "POST", users, {})
        assert status == 201
        # Nothing that was answered is lost with the node that answered.
        first.signal(signal.SIGKILL)
        assert gets_in(there, user)
        assert {one["id"] for one in asked(there, "GET", users)[1]["users"]} >= {
            user["id"],
            other["id"],
        }
        database.stop()
        status, answer = asked(there, "POST", users, {})
        assert (status, answer["errors"][0]["code"]) == (503, "store_unavailable")
        assert gets_in(there, other)
        with Client(port_of(there)) as client:
            assert sign_in(encrypted(client)).startswith(b"235 ")
        assert asked(there, "GET", "/healthz")[1] == {"status": "degraded"}
        assert "event=store_unavailable" in second.errors
        database.start()
        wait_until(lambda: asked(there, "GET", "/healthz")[1] == {"status": "ok"})
        assert asked(there, "POST", users, {})[0] == 201
    with node(sources[0]) as again:
        assert gets_in(ready_line(again), other)
