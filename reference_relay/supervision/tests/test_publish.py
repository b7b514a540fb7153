"""A changed directory is enforced everywhere once `publish` has returned (D-27)."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reference_relay.config import load_config
from reference_relay.demo_world import write_config
from reference_relay.relay import Ready, Relay
from reference_relay.service.directory import Directory
from reference_relay.submission.tests.client import Client
from reference_relay.supervision import worker_process
from reference_relay.supervision.supervisor import Supervisor
from reference_relay.tests.steps import WORLD, changed, encrypted, name_server, sign_in, submit

CONNECTIONS = 12

Work = Callable[[Relay | Supervisor, int], Awaitable[None]]


@pytest.fixture(scope="module")
def name_server_port() -> Iterator[int]:
    with name_server() as port:
        yield port


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
def source(tmp_path: Path, name_server_port: int, request: pytest.FixtureRequest) -> Path:
    source = write_config(
        tmp_path, WORLD, port=0, name_server_port=name_server_port, mailbox_port=9
    )
    changed(source, "[management]\n", f"[workers]\ncount = {request.param}\n")
    return source


def with_relay(source: Path, work: Work) -> None:
    """Run a relay inside this process, or its supervisor, and something beside it."""

    async def run() -> None:
        config = load_config(source)
        relay = Relay(config) if config.workers.count == 1 else Supervisor(config)
        ready: Ready = await relay.start()
        try:
            await work(relay, ready.endpoints[0].port)
        finally:
            await relay.stop()

    asyncio.run(run())


def codes(port: int) -> set[bytes]:
    """Sign in on many connections; return the reply codes."""
    found = set()
    for _ in range(CONNECTIONS):
        with Client(port) as client:
            found.add(sign_in(encrypted(client))[:3])
    return found


def submitted(port: int) -> list[str]:
    """Submit on a few connections; return the queue IDs."""
    found = []
    for _ in range(CONNECTIONS // 2):
        with Client(port) as client:
            assert sign_in(encrypted(client)).startswith(b"235 ")
            found.append(submit(client))
    return found


def without_users(directory: Directory) -> Directory:
    instances = [
        replace(
            instance,
            configurations=tuple(replace(one, users=()) for one in instance.configurations),
        )
        for instance in directory.instances
    ]
    return Directory(directory.profile, instances)


def test_a_deleted_user_is_gone_at_every_worker(source: Path) -> None:
    """No connection is served by the old snapshot, and the old one can come back."""

    async def work(relay: Relay | Supervisor, port: int) -> None:
        before = relay.directory
        assert await asyncio.to_thread(codes, port) == {b"235"}
        await relay.publish(without_users(before))
        assert await asyncio.to_thread(codes, port) == {b"535"}
        assert relay.directory.configurations[0].users == ()
        await relay.publish(before)
        assert await asyncio.to_thread(codes, port) == {b"235"}

    with_relay(source, work)


@pytest.mark.parametrize("source", [2], indirect=True)
def test_a_worker_that_died_begins_with_the_published_directory(source: Path) -> None:
    """Not with that of the file."""

    async def work(relay: Relay | Supervisor, port: int) -> None:
        assert isinstance(relay, Supervisor)
        await relay.publish(without_users(relay.directory))
        relay.kill()
        assert await asyncio.to_thread(codes, port) == {b"535"}

    with_relay(source, work)


@pytest.mark.parametrize("source", [2], indirect=True)
def test_a_worker_that_does_not_answer_is_replaced(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When `publish` returns, nobody serves the old snapshot, not even when he wakes up."""
    monkeypatch.setattr(worker_process, "_ANSWER_SECONDS", 0.5)

    async def work(relay: Relay | Supervisor, port: int) -> None:
        assert isinstance(relay, Supervisor)
        hung = relay.pids[0]
        assert hung is not None
        os.kill(hung, signal.SIGSTOP)
        await asyncio.wait_for(relay.publish(without_users(relay.directory)), 20)
        with pytest.raises(ProcessLookupError):
            os.kill(hung, 0)
        assert await asyncio.to_thread(codes, port) == {b"535"}

    with_relay(source, work)


def test_a_moved_clock_is_moved_at_every_worker(source: Path) -> None:
    """When `advance` returns, every worker stamps what it accepts with the new time (D-25)."""
    changed(source, "profile =", 'clock = "virtual"\nprofile =')

    async def work(relay: Relay | Supervisor, port: int) -> None:
        await relay.advance(72 * 3600)
        queue_ids = await asyncio.to_thread(submitted, port)
        statuses = [await relay.status(queue_id) for queue_id in queue_ids]
        assert all(one and abs(one.accepted_at - relay.clock()) < 60 for one in statuses)
        assert relay.clock() - time.time() == pytest.approx(72 * 3600, abs=1)

    with_relay(source, work)


@pytest.mark.parametrize("source", [2], indirect=True)
def test_a_worker_that_died_begins_with_the_moved_clock(source: Path) -> None:
    """Its successor does not fall back to the system's time."""
    changed(source, "profile =", 'clock = "virtual"\nprofile =')

    async def work(relay: Relay | Supervisor, port: int) -> None:
        await relay.advance(72 * 3600)
        relay.kill()
        queue_ids = await asyncio.to_thread(submitted, port)
        statuses = [await relay.status(queue_id) for queue_id in queue_ids]
        assert all(one and abs(one.accepted_at - relay.clock()) < 60 for one in statuses)

    with_relay(source, work)
