"""`reference-relay queue` against a running relay of two workers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from reference_relay.demo_world import write_config
from reference_relay.submission.tests.client import Client
from reference_relay.tests.program import Program
from reference_relay.tests.steps import (
    ENVIRONMENT,
    WORLD,
    changed,
    encrypted,
    name_server,
    port_of,
    ready_line,
    sign_in,
    submit,
)


class Command:
    """Runs the command against one relay."""

    def __init__(self, port: int) -> None:
        self._where = f"127.0.0.1:{port}"

    def __call__(self, *arguments: str, token: str | None = None) -> tuple[int, list[str]]:
        """Return the exit status and the lines of both outputs."""
        environment = {**os.environ, **ENVIRONMENT}
        if token is not None:
            environment["LAB_TOKEN"] = token
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "reference_relay", "queue", "--management", self._where),
                *("--token-environment", "LAB_TOKEN", *arguments),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        return ended.returncode, ended.stdout.splitlines()


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Command, list[str]]]:
    """A relay that delivers nothing, with four messages."""
    with name_server() as dns_port:
        source = write_config(
            tmp_path_factory.mktemp("queue"), WORLD,
            port=0, name_server_port=dns_port, mailbox_port=9,
        )  # fmt: skip
        changed(
            source,
            "[management]",
            '[workers]\ncount = 2\n[management]\ntoken_environment = "LAB_TOKEN"',
        )
        changed(source, "[delivery]", "[delivery]\nhold = true")
        with Program("serve", "--config", str(source), environment=ENVIRONMENT) as program:
            ready = ready_line(program)
            queue_ids = []
            for _ in range(4):
                with Client(port_of(ready)) as client:
                    assert sign_in(encrypted(client)).startswith(b"235 ")
                    queue_ids.append(submit(client))
            yield Command(ready["management"]["port"]), queue_ids


def test_an_operator_at_work(relay: tuple[Command, list[str]]) -> None:
    """List, hold, release, delete and show do what they say, over all workers."""
    queue, queue_ids = relay
    status, lines = queue("list")
    assert status == 0
    assert [line.split()[0] for line in lines] == sorted(queue_ids, reverse=True)
    assert queue("hold", "--all") == (0, ["hold: 4 messages"])
    assert "held 4" in queue("count")[1]
    assert queue("release", queue_ids[0]) == (0, ["release: 1 messages"])
    assert "held 3" in queue("count")[1]
    status, lines = queue("delete", queue_ids[1], "NOBODY")
    assert status == 1
    assert sorted(lines) == ["delete: 1 messages", "reference-relay: NOBODY is not in the queue"]
    status, lines = queue("show", queue_ids[1])
    assert status == 0
    assert " settled " in lines[0]
    assert lines[-1].endswith("bounced 5.7.0 Deleted from the queue by an operator")
    assert len(queue("list", "--limit", "2")[1]) == 2
    assert len(queue("list", "--all")[1]) == 4
    assert queue("show", "NOBODY")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "token", "said"),
    [
        (("list",), "wrong", "is not the relay's"),
        (("list",), "", "set LAB_TOKEN to the management token"),
        (("hold",), None, "one of the arguments"),
    ],
)
def test_what_cannot_be_asked(
    relay: tuple[Command, list[str]], arguments: tuple[str, ...], token: str | None, said: str
) -> None:
    """A wrong or missing token, or an order about nothing, is one message and exit status 2."""
    status, lines = relay[0](*arguments, token=token)
    assert status == 2
    assert said in lines[-1]


def test_nobody_answers(unused_port: int) -> None:
    """Where no relay is, the message names the place."""
    status, (line,) = Command(unused_port)("list")
    assert status == 2
    assert line.startswith(f"reference-relay: no relay answers at 127.0.0.1:{unused_port}")


@pytest.fixture
def unused_port() -> int:
    """A port that nobody listens on."""
    import socket

    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


def test_paths_are_not_needed(tmp_path: Path) -> None:
    """An address that is none is refused before anything is asked."""
    ended = subprocess.run(
        [sys.executable, "-m", "reference_relay", "queue", "--management", "here", "list"],
        env={**os.environ, "REFERENCE_RELAY_TOKEN": "x"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "expected ADDRESS:PORT, found 'here'" in ended.stderr
