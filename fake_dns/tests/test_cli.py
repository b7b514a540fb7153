"""The program, as a process."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.message
import dns.query
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
        ("tll = 5\n" + ZONE, "tll: unknown key"),
        ("oops", "not TOML"),
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
