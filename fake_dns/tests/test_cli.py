"""The program, as a process."""

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rcode
import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "fake_dns"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
ZONE = 'origin = "example.com"\n[records]\n"@" = { A = "127.0.0.1" }\n'


@pytest.fixture
def zone_file(tmp_path: Path) -> Path:
    """A zone file that is right."""
    path = tmp_path / "example.toml"
    path.write_text(ZONE)
    return path


def run(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program to its end."""
    return subprocess.run(
        [*PROGRAM, *words],
        cwd=directory,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@contextmanager
def serving(*words: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run `serve` and read its ready line; ended here if the test does not."""
    process = subprocess.Popen(
        [*PROGRAM, "serve", *words],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=10)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_answers_and_ends_when_told(zone_file: Path, number: signal.Signals) -> None:
    """Ready line, answers, one JSON line per query on standard error, exit status 0."""
    with serving(str(zone_file), "--log", "json") as (process, ready):
        assert ready["event"] == "ready"
        assert ready["control"] is None
        query = dns.message.make_query("example.com", "A")
        reply = dns.query.udp(query, ready["address"], port=ready["port"], timeout=5)
        assert reply.answer
        process.send_signal(number)
        output, log = process.communicate(timeout=10)
        assert process.returncode == 0
        assert output == ""
        (line,) = log.splitlines()
        assert json.loads(line)["name"] == "example.com"


def test_serve_opens_the_control_port_on_demand() -> None:
    """No zone is needed to start; zones come over HTTP."""
    with serving("--control-port", "0", "--log", "text") as (_, ready):
        address = ready["control"]["address"], ready["control"]["port"]
        connection = http.client.HTTPConnection(*address, timeout=10)
        try:
            connection.request("PUT", "/v1/zones/a.example", '{"records": {"@": {"A": "::1"}}}')
            assert connection.getresponse().status == 422
        finally:
            connection.close()


def test_check_says_what_it_found(zone_file: Path) -> None:
    """One line per file, exit status 0."""
    done = run(zone_file.parent, "check", "example.toml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "example.toml: example.com, 3 record sets: OK\n"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ZONE + 'www = { A = "127.0.0.300" }', 'records."www".A: "127.0.0.300" does not fit A'),
        (ZONE + "www = { AA = 1 }", 'records."www".AA: unknown record type'),
        (ZONE + 'www = { CNAME = "@", A = "::" }', 'records."www".A: "::" does not fit A'),
        (ZONE + 'www = { CNAME = "@", TXT = "" }', "a CNAME beside TXT"),
        (ZONE + 'www = { MX = "10 mx.example.net" }', '"mx.example.net" has no final dot'),
        ("tll = 5\n" + ZONE, "tll: unknown key"),
        ("oops", "not TOML"),
        ("a = 1" + "0" * 5000, "not TOML"),
        ("a = " + "[" * 100_000, "not TOML"),
        (None, "No such file"),
    ],
)
@pytest.mark.parametrize("command", ["check", "serve"])
def test_a_bad_zone_is_one_message(
    tmp_path: Path, command: str, text: str | None, complaint: str
) -> None:
    """File, key and what was expected; exit status 2; never a traceback."""
    if text is not None:
        (tmp_path / "bad.toml").write_text(text)
    done = run(tmp_path, command, "bad.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fake-dns: bad.toml: ")
    assert complaint in done.stderr
    assert "expected" in done.stderr or "not TOML" in done.stderr
    assert done.stderr.count("\n") == 1


def test_one_origin_in_two_files_is_one_message(zone_file: Path) -> None:
    """Both files are named."""
    (zone_file.parent / "again.toml").write_text(ZONE)
    done = run(zone_file.parent, "check", "example.toml", "again.toml")
    assert done.returncode == 2
    assert "again.toml: origin: example.com is also that of example.toml" in done.stderr


def test_a_port_in_use_is_one_message(tmp_path: Path) -> None:
    """Exit status 2, for the DNS port and for the control port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for option in ("--port", "--control-port"):
            done = run(tmp_path, "serve", option, port)
            assert (done.returncode, done.stdout) == (2, "")
            assert f"port {port}: port in use" in done.stderr
            assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["check"],
        ["serve", "--port", "70000"],
        ["serve", "--port", "x"],
        ["serve", "--log", "xml"],
        ["nonsense"],
        ["serve", "--address", "192.0.2.1"],
    ],
)
def test_a_wrong_command_line_is_exit_status_2(tmp_path: Path, words: list[str]) -> None:
    """Usage and a message, no traceback."""
    done = run(tmp_path, *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "fake-dns" in done.stderr


def test_serve_answers_over_tls_on_two_servers(zone_file: Path) -> None:
    """The ready line says where; the certificate is written for clients to trust."""
    pem = zone_file.parent / "certificate.pem"
    words = ("--tls-port", "0", "--tls-certificate", str(pem), "--server", "second")
    with serving(str(zone_file), *words) as (_, ready):
        context = ssl.create_default_context(cafile=pem)
        query = dns.message.make_query("example.com", "A")
        ports = [ready["tls_port"], ready["servers"]["second"]["tls_port"]]
        for port in ports:
            reply = dns.query.tls(
                query,
                ready["address"],
                port=port,
                timeout=5,
                ssl_context=context,
                server_hostname=ready["address"],
            )
            assert reply.answer
        assert len(set(ports)) == 2


def test_serve_with_workers_and_a_control_port(zone_file: Path) -> None:
    """Two processes answer, one log hears of all, and both end with the program."""
    with serving(str(zone_file), "--workers", "2", "--control-port", "0") as (process, ready):
        query = dns.message.make_query("example.com", "A")
        for _ in range(20):
            assert dns.query.udp(query, ready["address"], port=ready["port"], timeout=5).answer
        connection = http.client.HTTPConnection(
            ready["control"]["address"], ready["control"]["port"], timeout=10
        )
        try:
            connection.request("GET", "/v1/queries?name=example.com")
            assert len(json.loads(connection.getresponse().read())["queries"]) == 20
        finally:
            connection.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


def test_serve_reloads_files(zone_file: Path) -> None:
    """Told by a signal, or by itself when it watches; a wrong file is one line."""
    with serving(str(zone_file), "--watch") as (process, ready):
        assert process.stderr is not None
        zone_file.write_text(ZONE + 'www = { A = "127.0.0.2" }\n')
        assert process.stderr.readline().endswith("example.com reloaded\n")
        query = dns.message.make_query("www.example.com", "A")
        assert dns.query.udp(query, ready["address"], port=ready["port"], timeout=5).answer
        zone_file.write_text("oops")
        assert process.stderr.readline().endswith("; the running zone stays\n")
        zone_file.write_text(ZONE)
        assert process.stderr.readline().endswith("reloaded\n")
        process.send_signal(signal.SIGHUP)
        assert process.stderr.readline().endswith("reloaded\n")
        reply = dns.query.udp(query, ready["address"], port=ready["port"], timeout=5)
        assert reply.rcode() == dns.rcode.NXDOMAIN


def test_a_master_file_is_a_zone_file_too(tmp_path: Path) -> None:
    """Checked with a warning for a name that may have lost its dot; imported and exported."""
    (tmp_path / "a.zone").write_text(
        "$ORIGIN example.com.\n@ SOA ns1 hostmaster 1 2 3 4 5\n@ MX 10 mx.example.net\n"
    )
    done = run(tmp_path, "check", "a.zone")
    assert (done.returncode, done.stdout) == (0, "a.zone: example.com, 3 record sets: OK\n")
    assert 'warning: a.zone:3: "mx.example.net" has no final dot' in done.stderr
    imported = run(tmp_path, "import", "a.zone")
    assert imported.returncode == 0
    (tmp_path / "a.toml").write_text(imported.stdout)
    exported = run(tmp_path, "export", "a.toml")
    assert exported.returncode == 0
    assert "@ 5 IN MX 10 mx.example.net.example.com." in exported.stdout


@pytest.mark.parametrize(
    ("words", "text", "complaint"),
    [
        (["import", "x"], "@ SOA a b 1 2 3 4 5\n", 'x:1: "@" is relative to nothing'),
        (["import", "x", "--origin", "a..b"], "", "origin: "),
        (["import", "x"], "", "x: no SOA record; expected one"),
        (["export", "x.toml"], ZONE + 'n = { A = { values = "::", from = "+5" } }', "does not fit"),
        (
            ["export", "x.toml"],
            ZONE + 'n = { A = { values = "127.0.0.1", from = "+5" } }',
            "x.toml: example.com: record sets that come and go; expected none",
        ),
        (["serve", "--server", "main"], "", "expected each name once"),
        (["serve", "--tls-certificate", "x.pem"], "", "expected --tls-port too"),
        (["serve", "--workers", "2", "--resolver", "a"], "", "expected no resolvers"),
    ],
)
def test_what_cannot_be_done_is_one_message(
    tmp_path: Path, words: list[str], text: str, complaint: str
) -> None:
    """Exit status 2 and what was expected."""
    for name in ("x", "x.toml"):
        (tmp_path / name).write_text(text)
    done = run(tmp_path, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_control_port_is_described(tmp_path: Path) -> None:
    """OpenAPI 3.1, as the port itself gives it."""
    done = run(tmp_path, "openapi")
    assert done.returncode == 0
    assert json.loads(done.stdout)["openapi"].startswith("3.1.")
