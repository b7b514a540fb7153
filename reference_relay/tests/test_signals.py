"""Signals to a running relay, in one process and in several: reload, stop, stop at once."""

from __future__ import annotations

import shutil
import signal
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reference_relay.demo_world import write_certificate, write_config
from reference_relay.submission.tests.client import Client
from reference_relay.tests.program import Program
from reference_relay.tests.steps import (
    ENVIRONMENT,
    OTHER_USER,
    WORLD,
    begin,
    changed,
    encrypted,
    eventually,
    name_server,
    port_of,
    ready_line,
    sign_in,
    submit,
)

# Enough connections to meet each of two workers, but for one time in 2,000.
CONNECTIONS = 12


@pytest.fixture(scope="module")
def name_server_port() -> Iterator[int]:
    with name_server() as port:
        yield port


@pytest.fixture(params=[1, 2], ids=["one process", "two workers"])
def source(tmp_path: Path, name_server_port: int, request: pytest.FixtureRequest) -> Path:
    source = write_config(
        tmp_path, WORLD, port=0, name_server_port=name_server_port, mailbox_port=9
    )
    workers = f"[workers]\ncount = {request.param}\n"
    tokens = '[management]\ntoken_environment = "LAB_TOKEN"'
    changed(source, "certificate_file", "implicit_tls_ports = [0]\ncertificate_file")
    changed(source, "[management]", workers + tokens)
    return source


@pytest.fixture
def program(source: Path) -> Iterator[Program]:
    with Program("serve", "--config", str(source), environment=ENVIRONMENT) as program:
        yield program


def reload(program: Program, outcome: str = "event=reloaded") -> None:
    """Send SIGHUP and wait for the line that tells what came of it."""
    before = program.errors.count(outcome)
    program.signal(signal.SIGHUP)
    eventually(lambda: program.errors.count(outcome) > before)


def shown_certificates(port: int) -> set[str]:
    return {ssl.get_server_certificate(("127.0.0.1", port)) for _ in range(CONNECTIONS)}


def sign_in_codes(port: int) -> set[bytes]:
    """Sign the second user in on many connections; return the reply codes."""
    codes = set()
    for _ in range(CONNECTIONS):
        with Client(port) as client:
            codes.add(sign_in(encrypted(client), OTHER_USER)[:3])
    return codes


def test_sighup_brings_a_new_certificate(source: Path, program: Program) -> None:
    """New connections see it at every worker; open ones, and the process, go on."""
    ready = ready_line(program)
    port, encrypted_port = port_of(ready), port_of(ready, implicit_tls=True)
    before = shown_certificates(encrypted_port)
    with Client(port) as client:
        sign_in(encrypted(client))
        write_certificate(source.parent)
        reload(program)
        after = shown_certificates(encrypted_port)
        assert after == {(source.parent / "certificate.pem").read_text()}
        assert after != before
        assert submit(client)
    program.signal(signal.SIGTERM)
    assert program.status() == 0
    assert "Traceback" not in program.errors


def test_sighup_brings_users_and_limits(source: Path, program: Program) -> None:
    """A user who was taken out cannot sign in any more, on whatever connection, nor send."""
    port = port_of(ready_line(program))
    assert sign_in_codes(port) == {b"235"}
    with Client(port) as client:
        sign_in(encrypted(client), OTHER_USER)
        text = source.read_text()
        name = OTHER_USER.username
        start = text.rindex("[[instance.configuration.user]]", 0, text.index(name))
        end = text.index("[delivery]")
        assert text.count(name, start, end) == 1
        source.write_text(text[:start] + "[limits]\nmessage_octets = 4711\n" + text[end:])
        reload(program)
        assert sign_in_codes(port) == {b"535"}
        assert client.say(b"MAIL FROM:<mailer@example.com>\r\n").startswith(b"550 5.7.1 ")
    with Client(port) as client:
        client.read_clear()
        assert b"SIZE 4711\r\n" in client.clear(b"EHLO client.example\r\n")


def test_a_broken_file_changes_nothing(source: Path, program: Program) -> None:
    """The log names what is wrong, and everything is served as before."""
    ready = ready_line(program)
    port, encrypted_port = port_of(ready), port_of(ready, implicit_tls=True)
    before = shown_certificates(encrypted_port)
    text = source.read_text()
    source.write_text(text + "\n[colours]\n")
    reload(program, "event=reload_refused")
    assert "colours: unknown key" in program.errors
    source.write_text(text.replace("127.0.0.0/8", "192.0.2.0/24", 1))
    certificate = source.parent / "certificate.pem"
    shutil.move(certificate, source.parent / "kept.pem")
    certificate.write_text("no certificate")
    reload(program, "event=reload_refused")
    assert "endpoint[0].certificate_file: expected a PEM certificate" in program.errors
    assert shown_certificates(encrypted_port) == before
    assert sign_in_codes(port) == {b"235"}
    shutil.move(source.parent / "kept.pem", certificate)
    source.write_text(text)
    reload(program)
    program.signal(signal.SIGTERM)
    assert program.status() == 0


def test_what_needs_a_restart_is_said(source: Path, program: Program) -> None:
    """A changed port is not taken over in silence, nor does it keep the rest from being so."""
    ready_line(program)
    changed(source, "port = 0", "port = 2525")
    reload(program)
    eventually(lambda: "event=needs_restart key='endpoint us-south/public: port'" in program.errors)


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(program: Program, second: signal.Signals) -> None:
    """The first waits for an open transaction, the second does not; the status names it."""
    port = port_of(ready_line(program))
    with ExitStack() as stack:
        clients = [encrypted(stack.enter_context(Client(port))) for _ in range(2)]
        sign_in(clients[0])
        begin(clients[0])
        program.signal(signal.SIGTERM)
        assert clients[1].read().startswith(b"421 4.3.2 ")
        program.signal(second)
        assert program.status() == 128 + second
        with pytest.raises((EOFError, ConnectionError)):
            clients[0].read()


def test_a_stop_finishes_what_is_open(program: Program) -> None:
    """A message whose content is on its way is taken, acknowledged, and then it ends with 0."""
    port = port_of(ready_line(program))
    with Client(port) as client:
        sign_in(encrypted(client))
        begin(client)
        program.signal(signal.SIGTERM)
        eventually(lambda: refuses(port))
        content = b"From: mailer@example.com\r\n\r\nhello\r\n.\r\n"
        assert client.say(content).startswith(b"250 ")
        assert client.read().startswith(b"421 4.3.2 ")
    assert program.status() == 0


def refuses(port: int) -> bool:
    try:
        Client(port).socket.close()
    except ConnectionRefusedError:
        return True
    return False
