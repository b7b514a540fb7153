"""Queries written out: both forms, the rate, a reader who does not read."""

from __future__ import annotations

import io
import json
import threading

from fake_dns.message import Transport
from fake_dns.query_log import Query
from fake_dns.query_writer import LogForm, QueryWriter


def query(number: int = 1) -> Query:
    """A query as the log keeps it."""
    client = ("127.0.0.1", 5300)
    return Query(
        number, "example.com", "A", Transport.UDP, "main", client, "NOERROR", 1232, True, 5.0
    )


def test_a_query_is_a_line() -> None:
    """For people, and for programs."""
    stream = io.StringIO()
    writer = QueryWriter(stream, LogForm.TEXT)
    writer.write(query())
    writer.close()
    assert stream.getvalue() == "example.com A udp from 127.0.0.1 port 5300: NOERROR\n"
    stream = io.StringIO()
    writer = QueryWriter(stream, LogForm.JSON)
    writer.write(query())
    writer.close()
    line = json.loads(stream.getvalue())
    assert (line["event"], line["name"], line["server"]) == ("query", "example.com", "main")


def test_what_is_too_much_is_counted() -> None:
    """Ten a second; the rest is one line at the turn of the second, and one at the end."""
    stream, seconds = io.StringIO(), [0.0]
    writer = QueryWriter(stream, LogForm.TEXT, 10, now=lambda: seconds[0])
    for number in range(25):
        writer.write(query(number))
    seconds[0] = 1.0
    for number in range(12):
        writer.write(query(number))
    writer.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 22
    assert lines[10] == "… and 15 more queries"
    assert lines[-1] == "… and 2 more queries"


def test_a_rate_of_0_writes_all() -> None:
    """Nothing is counted."""
    stream = io.StringIO()
    writer = QueryWriter(stream, LogForm.JSON, 0)
    for number in range(3000):
        writer.write(query(number))
    writer.close()
    assert len(stream.getvalue().splitlines()) == 3000


class _Stuck(io.StringIO):
    """A stream that nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def write(self, text: str) -> int:
        self.released.wait(10)
        return super().write(text)


def test_nobody_waits_for_a_reader_who_does_not_read() -> None:
    """Thirty thousand queries are written or counted while not one line goes out."""
    stream = _Stuck()
    writer = QueryWriter(stream, LogForm.TEXT, 0)
    for number in range(30_000):
        writer.write(query(number))
    assert stream.getvalue() == ""
    stream.released.set()
    writer.close()
    lines = stream.getvalue().splitlines()
    told = [int(line.split()[2]) for line in lines if line.startswith("…")]
    assert len(lines) - len(told) + sum(told) >= 29_999


def test_a_closed_stream_is_no_fault() -> None:
    """Who closed the log still wants answers."""
    stream = io.StringIO()
    writer = QueryWriter(stream, LogForm.TEXT)
    stream.close()
    writer.write(query())
    writer.close()
