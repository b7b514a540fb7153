"""`reference-relay serve` as a program: it starts, tells where, stops, and refuses in words."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import sqlite3
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reference_relay.demo_world import make_world, write_config
from reference_relay.tests.program import Program

WORLD = make_world()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The configuration of a relay on a free port, whose deliveries find nobody."""
    return write_config(tmp_path, WORLD, port=0, name_server_port=9, mailbox_port=9)


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of loopback that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def changed(source: Path, old: str, new: str) -> None:
    text = source.read_text()
    assert old in text
    source.write_text(text.replace(old, new, 1))


def ready_line(program: Program) -> dict[str, Any]:
    ready: dict[str, Any] = json.loads(program.line())
    assert ready["event"] == "ready"
    return ready


def refusal(source: Path, environment: dict[str, str] | None = None) -> str:
    """Start a relay that cannot start; return its one message."""
    with Program("serve", "--config", str(source), environment=environment) as program:
        assert program.status() == 2, program.errors
    lines = program.errors.splitlines()
    assert len(lines) == 1, program.errors
    assert lines[0].startswith(f"reference-relay: {source}: ")
    return lines[0]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_starts_serves_and_stops(source: Path, number: signal.Signals) -> None:
    """The ready line tells where it listens; a signal ends it with 421 to who is there, and 0."""
    with Program("serve", "--config", str(source)) as program:
        ready = ready_line(program)
        assert ready["pid"] == program.pid
        (endpoint,) = ready["endpoints"]
        assert (endpoint["region"], endpoint["type"]) == ("us-south", "public")
        address = (endpoint["address"], endpoint["port"])
        with socket.create_connection(address, timeout=10) as client, client.makefile() as replies:
            assert replies.readline().startswith(f"220 {endpoint['host']} ")
            program.signal(number)
            assert replies.readline().startswith("421 ")
            assert replies.readline() == ""
        assert program.status() == 0
    assert "Traceback" not in program.errors


def test_balancers_of_the_file_name_their_clients(source: Path) -> None:
    """`proxy_trusted` and the zones of the same file: a named client is let in or denied by CBR."""
    changed(source, "certificate_file", 'proxy_trusted = ["127.0.0.1/32"]\ncertificate_file')
    with Program("serve", "--config", str(source)) as program:
        (endpoint,) = ready_line(program)["endpoints"]
        for client, code in (("127.0.0.1", "220 "), ("192.0.2.1", "554 ")):
            ports = struct.pack("!HH", 40000, 587)
            names = socket.inet_aton(client) + socket.inet_aton("127.0.0.1") + ports
            line = f"PROXY TCP4 {client} 127.0.0.1 40000 587\r\n".encode()
            block = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + names
            for header in (line, block):
                address = (endpoint["address"], endpoint["port"])
                with socket.create_connection(address, timeout=10) as balancer:
                    balancer.sendall(header)
                    assert balancer.recv(4).decode() == code, (client, header)


def test_a_smarthost_that_cannot_be_is_no_start(source: Path) -> None:
    """Exit 2 with the key and what to write: accepted mail would wait for it in silence."""
    changed(source, "[delivery]", '[delivery]\nsmarthost = { host = "127.0.0.256" }')
    assert "delivery.smarthost.host: expected a host name like" in refusal(source)


def test_management_needs_the_token_that_was_shown(source: Path) -> None:
    """A token made for this run is shown once, outside the log, and opens the API."""
    with Program("serve", "--config", str(source)) as program:
        management = ready_line(program)["management"]
        connection = http.client.HTTPConnection(management["address"], management["port"])
        try:
            assert status_of(connection, "/healthz") == 200
            token = program.errors.partition("management token, shown once: ")[2].split()[0]
            assert status_of(connection, "/lab/v1/messages/NONE") == 401
            assert status_of(connection, "/lab/v1/messages/NONE", token) == 404
        finally:
            connection.close()
    assert program.errors.count(token) == 1


def test_a_token_from_the_environment_is_never_shown(source: Path) -> None:
    """With token_environment the relay takes that one and keeps silent about it."""
    changed(source, "[management]", '[management]\ntoken_environment = "LAB_TOKEN"')
    environment = {"LAB_TOKEN": "from-outside"}
    with Program("serve", "--config", str(source), environment=environment) as program:
        management = ready_line(program)["management"]
        connection = http.client.HTTPConnection(management["address"], management["port"])
        try:
            assert status_of(connection, "/lab/v1/messages/NONE", "from-outside") == 404
        finally:
            connection.close()
    assert "from-outside" not in program.errors


def test_without_the_table_there_is_no_management(source: Path) -> None:
    """No [management], no HTTP server."""
    changed(source, "[management]\n", "")
    with Program("serve", "--config", str(source)) as program:
        assert ready_line(program)["management"] is None
        program.signal(signal.SIGTERM)
        assert program.status() == 0


def status_of(connection: http.client.HTTPConnection, path: str, token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    response.read()
    return response.status


def test_a_port_in_use_is_named(source: Path, taken_port: int) -> None:
    """Exit 2 with the key, the address and the reason, for SMTP and for management."""
    original = source.read_text()
    changed(source, "port = 0", f"port = {taken_port}")
    message = refusal(source)
    assert (
        f"endpoint[0].port: expected an address and port that are free: 127.0.0.1 port {taken_port}"
        in message
    )
    assert "in use" in message
    source.write_text(original)
    changed(source, "[management]", f"[management]\nport = {taken_port}")
    assert "management.port: expected an address and port that are free" in refusal(source)


def test_an_address_of_another_machine_is_named(source: Path) -> None:
    """An address that this machine does not have is refused like a taken port."""
    changed(source, 'addresses = ["127.0.0.1"]\nport', 'addresses = ["192.0.2.1"]\nport')
    assert "endpoint[0].port: expected an address and port that are free: 192.0.2.1" in refusal(
        source
    )


def break_certificate(folder: Path) -> None:
    (folder / "certificate.pem").write_text("no certificate")


def break_pair(folder: Path) -> None:
    write_config(folder / "other", WORLD, port=0, name_server_port=9, mailbox_port=9)
    (folder / "key.pem").write_bytes((folder / "other" / "key.pem").read_bytes())


def break_dkim(folder: Path) -> None:
    (folder / "dkim.pem").write_bytes((folder / "key.pem").read_bytes())


def break_state(folder: Path) -> None:
    (folder / "state").write_text("in the way")


def remove_key(folder: Path) -> None:
    (folder / "key.pem").unlink()


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (break_certificate, "endpoint[0].certificate_file: expected a PEM certificate"),
        (break_pair, "endpoint[0].certificate_file: expected a PEM certificate"),
        (remove_key, "endpoint[0].key_file: expected a readable file"),
        (break_dkim, "dkim_key_file of configuration "),
        (break_state, "state_directory: expected a "),
    ],
)
def test_files_that_do_not_fit_are_named(
    source: Path, harm: Callable[[Path], None], expected: str
) -> None:
    """What the configuration names but cannot be used is one message and exit 2."""
    (source.parent / "other").mkdir()
    harm(source.parent)
    assert expected in refusal(source)


def test_a_missing_token_variable_is_named(source: Path) -> None:
    """A token that should come from the environment must be there."""
    changed(source, "[management]", '[management]\ntoken_environment = "LAB_TOKEN"')
    assert "environment variable LAB_TOKEN, it is not set" in refusal(source, {"LAB_TOKEN": ""})


@pytest.mark.parametrize("workers", [1, 2])
def test_a_queue_of_another_version_is_left_alone(source: Path, workers: int) -> None:
    """One message that names both versions, and in the state directory nothing has changed."""
    changed(source, "[management]", f"[workers]\ncount = {workers}\n[management]")
    shard = source.parent / "state" / "shard-0"
    shard.mkdir(parents=True)
    database = sqlite3.connect(shard / "queue.sqlite")
    database.executescript("PRAGMA user_version = 7; CREATE TABLE other (x);")
    database.close()
    before = contents(source.parent / "state")
    assert "has version 7; this program knows version 2" in refusal(source)
    assert contents(source.parent / "state") == before


def contents(folder: Path) -> dict[Path, bytes]:
    """Return every file below a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_one_queue_serves_one_relay(source: Path) -> None:
    """A second relay on the same state directory is refused, the first goes on."""
    with Program("serve", "--config", str(source)) as program:
        ready_line(program)
        assert "state_directory: expected a " in refusal(source)
        program.signal(signal.SIGTERM)
        assert program.status() == 0
