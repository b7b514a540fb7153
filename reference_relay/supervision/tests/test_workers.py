"""A relay of several processes: they share ports and nothing else, and none is missed for long."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from reference_relay.demo_world import write_config
from reference_relay.queue.queue_id import shard_of
from reference_relay.submission.tests.client import Client
from reference_relay.tests.program import Program
from reference_relay.tests.steps import (
    ENVIRONMENT,
    WORLD,
    answer_of,
    begin,
    changed,
    encrypted,
    eventually,
    metric,
    name_server,
    port_of,
    ready_line,
    sign_in,
    submit,
    worker_pids,
)


@pytest.fixture(scope="module")
def name_server_port() -> Iterator[int]:
    with name_server() as port:
        yield port


@pytest.fixture
def source(tmp_path: Path, name_server_port: int) -> Path:
    """The configuration of a relay of two workers, whose mail bounces."""
    source = write_config(
        tmp_path, WORLD, port=0, name_server_port=name_server_port, mailbox_port=9
    )
    changed(
        source,
        "[management]",
        '[workers]\ncount = 2\n[management]\ntoken_environment = "LAB_TOKEN"',
    )
    return source


@pytest.fixture
def program(source: Path) -> Iterator[Program]:
    with Program("serve", "--config", str(source), environment=ENVIRONMENT) as program:
        yield program


def signed_in(stack: ExitStack, port: int) -> Client:
    client = encrypted(stack.enter_context(Client(port)))
    assert sign_in(client).startswith(b"235 ")
    return client


def one_for_each_worker(stack: ExitStack, port: int) -> dict[int, Client]:
    """Sign in until each of the two workers has one of the sessions; tell them by queue IDs."""
    found: dict[int, Client] = {}
    for _ in range(64):
        client = signed_in(stack, port)
        shard = shard_of(submit(client))
        assert shard is not None
        found.setdefault(shard, client)
        if len(found) == 2:
            return found
    raise AssertionError(f"all of 64 connections went to {found}")


def is_settled(ready: dict[str, Any], queue_id: str) -> bool:
    status, text = answer_of(ready, f"/lab/v1/messages/{queue_id}")
    assert status == 200, text
    return '"bounced"' in text


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def status_of(ready: dict[str, Any], queue_id: str) -> int:
    return answer_of(ready, f"/lab/v1/messages/{queue_id}")[0]


def test_workers_share_the_port_and_the_management(program: Program) -> None:
    """Both serve the one port; the status of each one's mail and the metrics come from one API."""
    ready = ready_line(program)
    assert ready["pid"] == program.pid
    with ExitStack() as stack:
        clients = one_for_each_worker(stack, port_of(ready))
        queue_ids = [submit(client) for client in clients.values()]
        assert list(map(shard_of, queue_ids)) == list(clients)
        assert [status_of(ready, queue_id) for queue_id in queue_ids] == [200, 200]
        assert status_of(ready, "0" * 13) == 404
        assert status_of(ready, "0" * 11 + "ZZ") == 404
        assert status_of(ready, "NONE") == 404
        assert metric(ready, "messages_accepted_total", worker="0") >= 2
        assert metric(ready, "messages_accepted_total", worker="1") >= 2
        assert metric(ready, "worker_up") == 2
    program.signal(signal.SIGTERM)
    assert program.status() == 0
    assert "Traceback" not in program.errors


def test_a_killed_worker_is_replaced_under_submission(program: Program) -> None:
    """After kill -9 the other worker goes on, and what was acknowledged is there again."""
    ready = ready_line(program)
    port = port_of(ready)
    with ExitStack() as stack:
        clients = one_for_each_worker(stack, port)
        queue_ids = [submit(clients[0]) for _ in range(5)]
        begin(clients[0])
        os.kill(worker_pids(program)[0], signal.SIGKILL)
        queue_ids += [submit(clients[1]) for _ in range(5)]
        with pytest.raises((EOFError, ConnectionError)):
            clients[0].read()
        # Every one of these is served: those for the dead worker wait in its socket.
        late = [signed_in(stack, port) for _ in range(12)]
        late_ids = [submit(client) for client in late]
        assert {shard_of(queue_id) for queue_id in late_ids} == {0, 1}
        eventually(lambda: metric(ready, "worker_starts_total", worker="0") == 2)
        statuses = {status_of(ready, queue_id) for queue_id in (*queue_ids, *late_ids)}
        assert statuses == {200}
        assert answer_of(ready, "/healthz") == (200, '{"status":"ok"}')
    assert "event=worker_ended worker=0 status=-9" in program.errors
    program.signal(signal.SIGTERM)
    assert program.status() == 0


def test_workers_end_with_their_supervisor(program: Program) -> None:
    """When the supervisor is killed, its workers say 421 and end; none is left behind."""
    ready = ready_line(program)
    with ExitStack() as stack:
        clients = one_for_each_worker(stack, port_of(ready))
        pids = worker_pids(program)
        program.signal(signal.SIGKILL)
        for client in clients.values():
            assert client.read().startswith(b"421 4.3.2 ")
        for pid in pids.values():
            eventually(partial(is_gone, pid))
        assert program.status() == -signal.SIGKILL


def test_a_second_signal_ends_all_processes_at_once(program: Program) -> None:
    """An open transaction delays the stop; a second signal does not wait for it."""
    ready = ready_line(program)
    with ExitStack() as stack:
        clients = one_for_each_worker(stack, port_of(ready))
        begin(clients[0])
        program.signal(signal.SIGTERM)
        assert clients[1].read().startswith(b"421 4.3.2 ")
        program.signal(signal.SIGINT)
        assert program.status() == 128 + signal.SIGINT
        for pid in worker_pids(program).values():
            eventually(partial(is_gone, pid))


def test_a_smaller_relay_takes_over_what_was_left(source: Path, name_server_port: int) -> None:
    """With fewer workers, the unsettled mail of those that are gone is still delivered."""
    known = f"127.0.0.1:{name_server_port}"
    changed(source, known, "127.0.0.1:9")
    with Program("serve", "--config", str(source), environment=ENVIRONMENT) as program:
        ready = ready_line(program)
        with ExitStack() as stack:
            clients = one_for_each_worker(stack, port_of(ready))
            queue_ids = [submit(client) for client in clients.values()]
            program.signal(signal.SIGTERM)
            assert clients[0].read().startswith(b"421 ")
            program.signal(signal.SIGTERM)
        assert program.status() == 128 + signal.SIGTERM
    changed(source, "127.0.0.1:9", known)
    changed(source, "count = 2", "count = 1")
    with Program("serve", "--config", str(source), environment=ENVIRONMENT) as program:
        ready = ready_line(program)
        for queue_id in queue_ids:
            eventually(partial(is_settled, ready, queue_id))
        program.signal(signal.SIGTERM)
        assert program.status() == 0


@pytest.mark.parametrize("count", [1, 2])
def test_uvloop_serves_as_well(source: Path, count: int) -> None:
    """The extra loop starts, takes mail, and stops with a 421 like the other."""
    pytest.importorskip("uvloop", reason="uvloop is an extra")
    changed(source, "count = 2", f'count = {count}\nloop = "uvloop"')
    with Program("serve", "--config", str(source), environment=ENVIRONMENT) as program:
        with ExitStack() as stack:
            client = signed_in(stack, port_of(ready_line(program)))
            assert submit(client)
            program.signal(signal.SIGTERM)
            assert client.read().startswith(b"421 4.3.2 ")
        assert program.status() == 0
    assert "Traceback" not in program.errors


def test_several_workers_refuse_a_port_in_use(source: Path) -> None:
    """A fixed port that another relay shares among its workers is not joined in silence."""
    with Program("serve", "--config", str(source), environment=ENVIRONMENT) as first:
        port = port_of(ready_line(first))
        other = source.parent / "other"
        other.mkdir()
        second_source = write_config(other, WORLD, port=port, name_server_port=9, mailbox_port=9)
        changed(second_source, "[management]", "[workers]\ncount = 2\n[management]")
        with Program("serve", "--config", str(second_source)) as second:
            assert second.status() == 2
        assert f"127.0.0.1 port {port}: Address already in use" in second.errors
        assert len(second.errors.splitlines()) == 1
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            assert client.recv(4) == b"220 "


def test_a_worker_that_cannot_serve_is_told_like_any_other_mistake(source: Path) -> None:
    """What only a worker finds out ends the program with one message and exit 2."""
    state = source.parent / "state"
    state.mkdir()
    (state / "shard-1").write_text("in the way")
    with Program("serve", "--config", str(source), environment=ENVIRONMENT) as program:
        assert program.status() == 2
    problems = [line for line in program.errors.splitlines() if line.startswith("reference-relay:")]
    assert len(problems) == 1
    assert "state_directory: expected a folder for the queue" in problems[0]
    assert "shard-1" in problems[0]
    assert "Traceback" not in program.errors
