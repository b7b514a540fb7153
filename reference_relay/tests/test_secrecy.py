"""Passwords at rest, and what the answers to AUTH give away (D-10, USR-04, USR-05)."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import re
import statistics
import time
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reference_relay.demo_world import write_config
from reference_relay.service.passwords import PasswordVerifier, hash_password
from reference_relay.submission.tests.client import Client
from reference_relay.tests.program import Program
from reference_relay.tests.steps import (
    ENVIRONMENT,
    TOKEN,
    USER,
    WORLD,
    changed,
    encrypted,
    name_server,
    port_of,
    ready_line,
)

TRIES = 400
# Cliff's delta: the chance that a try of one kind takes longer than one of the others, minus the
# chance of the reverse. By chance alone it strays by 0.067 with 100 tries against 300, so that
# 0.25 is 3.7 times that: no false alarm, and a user who is looked up first, or not hashed for,
# has a delta near 1.
NOTICEABLE = 0.25


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, Any], Path]]:
    folder = tmp_path_factory.mktemp("secrecy")
    with name_server() as port:
        source = write_config(folder, WORLD, port=0, name_server_port=port, mailbox_port=9)
        changed(source, "[management]\n", '[management]\ntoken_environment = "LAB_TOKEN"\n')
        # Two endpoints, and an instance of each kind that must not get in here.
        text = source.read_text()
        table = text[text.index("[[endpoint]]") : text.index("[[zone]]")]
        abroad = table.replace("us-south", "eu-de")
        text = text.replace(table, table + abroad)
        text += "\n[limits]\n" + "".join(
            f"{name} = 100000\n"
            for name in (
                "sign_in_failures",
                "sign_in_failures_per_address",
                "sign_in_failures_per_user",
                "errors",
            )
        )
        source.write_text(text)
        with Program("serve", "--config", str(source), environment=ENVIRONMENT) as program:
            yield ready_line(program), folder


def ask(ready: dict[str, Any], method: str, path: str, body: object) -> Any:
    where = ready["management"]
    connection = http.client.HTTPConnection(where["address"], where["port"], timeout=30)
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body), headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    assert response.status in (200, 201), text
    return json.loads(text)


def made_user(ready: dict[str, Any], region: str) -> dict[str, Any]:
    """Make an instance without a rule, in a region, with a user."""
    instance = f"instance-{region}-{time.monotonic_ns()}"
    ask(ready, "PUT", f"/lab/v1/instances/{instance}", {"region": region})
    path = f"/v1/instances/{instance}/smtp/config"
    made = ask(ready, "POST", path, {"name": "n", "domain": "outside.example"})
    user: dict[str, Any] = ask(ready, "POST", f"{path}/{made['id']}/users", {})
    return user


def cliffs_delta(one: list[float], other: list[float]) -> float:
    above = sum(a > b for a in one for b in other)
    below = sum(a < b for a in one for b in other)
    return (above - below) / (len(one) * len(other))


@pytest.mark.timeout(240)
def test_four_refusals_are_one(relay: tuple[dict[str, Any], Path]) -> None:
    """Unknown user, wrong password, wrong zone, wrong endpoint: same octets, same time.

    400 tries, 100 of each in random order on one connection each. Method: Cliff's delta of the
    times of each kind against those of the others; effect size below NOTICEABLE.
    """
    ready, _ = relay
    port = port_of(ready, region="us-south")
    no_rule, abroad = made_user(ready, "us-south"), made_user(ready, "eu-de")
    tried = {
        "unknown user": ("nobody-of-this-name00", "x" * 32),
        "wrong password": (USER.username, "x" * 32),
        "wrong zone": (no_rule["username"], no_rule["password"]),
        "wrong endpoint": (abroad["username"], abroad["password"]),
    }
    order = [kind for kind in tried for _ in range(TRIES // len(tried))]
    random.Random(4616).shuffle(order)  # noqa: S311 - the order of tries
    times: dict[str, list[float]] = {kind: [] for kind in tried}
    replies = set()
    with Client(port) as client:
        encrypted(client)
        for kind in order:
            name, password = tried[kind]
            line = b"AUTH PLAIN " + b64encode(f"\0{name}\0{password}".encode()) + b"\r\n"
            began = time.perf_counter()
            replies.add(client.say(line))
            times[kind].append(time.perf_counter() - began)
    assert replies == {b"535 5.7.8 Authentication credentials invalid\r\n"}
    deltas = {
        kind: cliffs_delta(own, [one for k in times if k != kind for one in times[k]])
        for kind, own in times.items()
    }
    medians = {kind: f"{statistics.median(own) * 1000:.2f} ms" for kind, own in times.items()}
    print(deltas, medians)  # noqa: T201 - the figures, for whoever reads the run
    assert max(map(abs, deltas.values())) < NOTICEABLE, (deltas, medians)


def test_the_store_holds_no_password(relay: tuple[dict[str, Any], Path]) -> None:
    """Nothing in the file is a password, in clear or in base64; equal ones would differ."""
    ready, folder = relay
    users = [made_user(ready, "us-south") for _ in range(2)]
    octets = (folder / "state" / "service.sqlite").read_bytes()
    for user in (*users, {"password": USER.password}):
        password = user["password"].encode()
        assert password not in octets
        assert b64encode(password)[:-4] not in octets
    hashes = re.findall(rb"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$", octets)
    assert len(hashes) >= 4


def test_equal_passwords_have_different_hashes() -> None:
    """Each hash has a salt of its own."""
    assert hash_password("the same") != hash_password("the same")


def test_the_first_72_octets_are_not_the_password() -> None:
    """Two passwords of 100 octets that differ behind the 72nd are different passwords."""
    first, second = "a" * 72 + "b" * 28, "a" * 72 + "c" * 28
    stored = hash_password(first)

    async def fits(password: str) -> bool:
        verifier = PasswordVerifier([stored])
        try:
            return await verifier.verify(stored, b"user", password.encode())
        finally:
            verifier.close()

    assert asyncio.run(fits(first))
    assert not asyncio.run(fits(second))
