"""What the program's tests do with a running relay: sign in, submit, ask its management."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reference_relay.demo_world import RECIPIENT, SENDER, Credentials, make_world
from reference_relay.submission.tests.client import Client
from reference_relay.tests.program import Program

WORLD = make_world()
USER, OTHER_USER = WORLD.users
TOKEN = "from-outside"
ENVIRONMENT = {"LAB_TOKEN": TOKEN}


def changed(source: Path, old: str, new: str) -> None:
    """Replace something in a configuration file."""
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new, 1))


def ready_line(program: Program) -> dict[str, Any]:
    """Wait for the line that says where the relay listens."""
    ready: dict[str, Any] = json.loads(program.line())
    assert ready["event"] == "ready"
    return ready


def port_of(ready: dict[str, Any], **wanted: object) -> int:
    """Return the port of the first endpoint that is so."""
    for endpoint in ready["endpoints"]:
        if all(endpoint.get(key) == value for key, value in wanted.items()):
            return int(endpoint["port"])
    raise AssertionError(f"no endpoint with {wanted} in {ready}")


def encrypted(client: Client) -> Client:
    """Go through greeting and STARTTLS."""
    client.read_clear()
    client.clear(b"EHLO client.example\r\n")
    client.clear(b"STARTTLS\r\n")
    client.handshake()
    return client


def sign_in(client: Client, user: Credentials = USER) -> bytes:
    """Return the reply to AUTH."""
    response = b64encode(f"\0{user.username}\0{user.password}".encode())
    return client.say(b"AUTH PLAIN " + response + b"\r\n")


def begin(client: Client) -> None:
    """Open a transaction, up to the 354."""
    client.say(f"MAIL FROM:<{SENDER}>\r\n".encode())
    client.say(f"RCPT TO:<{RECIPIENT}>\r\n".encode())
    assert client.say(b"DATA\r\n").startswith(b"354 ")


def submit(client: Client) -> str:
    """Submit a message; return its queue ID."""
    begin(client)
    reply = client.say(f"From: {SENDER}\r\nSubject: t\r\n\r\nhello\r\n.\r\n".encode())
    match = re.fullmatch(rb"250 2\.0\.0 Ok: queued as ([0-9A-Z]+)\r\n", reply)
    assert match, reply
    return match[1].decode()


def answer_of(ready: dict[str, Any], path: str, token: str = TOKEN) -> tuple[int, str]:
    """Ask the management API; return status and body."""
    where = ready["management"]
    connection = http.client.HTTPConnection(where["address"], where["port"], timeout=15)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def metric(ready: dict[str, Any], name: str, **labels: str) -> float:
    """Add up the samples of a metric that have these labels."""
    status, text = answer_of(ready, "/metrics")
    assert status == 200, text
    total = 0.0
    for line in text.splitlines():
        match = re.fullmatch(rf"reference_relay_{name}(?:{{(.*)}})? (\S+)", line)
        if match and all(f'{key}="{value}"' in (match[1] or "") for key, value in labels.items()):
            total += float(match[2])
    return total


@contextlib.contextmanager
def name_server() -> Iterator[int]:
    """Run a name server that knows no name, so that mail bounces at once; give its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        is_over = threading.Event()

        def serve() -> None:
            while True:
                query, peer = bound.recvfrom(4096)
                if is_over.is_set():
                    return
                end = query.index(b"\0", 12) + 5
                # RFC 1035 §4.1.1: a response, recursion available, NXDOMAIN, one question.
                header = query[:2] + b"\x81\x83\0\1\0\0\0\0\0\0"
                bound.sendto(header + query[12:end], peer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield bound.getsockname()[1]
        is_over.set()
        bound.sendto(b"", bound.getsockname())
        thread.join(10)


def eventually(is_so: Callable[[], bool], within: float = 15.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within
    while not is_so():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def worker_pids(program: Program) -> dict[int, int]:
    """Read the latest process id of each worker out of the log."""
    found = re.findall(r"event=worker_started worker=(\d+) pid=(\d+)", program.errors)
    return {int(worker): int(pid) for worker, pid in found}
