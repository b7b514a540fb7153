"""The marathon on a small scale, and what its books must notice."""

from __future__ import annotations

from dataclasses import replace

from fixtures.sink import Delivery, Dialect
from loadtests.queue import marathon
from loadtests.queue.reports import Reports

SEED = 4
HEADER = b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x\r\n"


def report(action: str, status: str, recipient: str = "r0@d0.example") -> Delivery:
    content = (
        "Content-Type: text/plain\r\n\r\nIt failed.\r\n--x\r\n"
        "Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n\r\n--x--"
    )
    whole = HEADER + content.encode() + b"\r\n"
    return Delivery("127.0.0.1", "x", "", ("a@example.com",), whole, b"", 0.0, Dialect.STRICT)


def test_every_message_comes_to_its_end() -> None:
    """With a sink that defers, refuses and resets, the books balance when the retries are over."""
    facts = marathon.walk(300, 30, SEED)
    assert facts.faults == []
    assert min(facts.deferred, facts.refused, facts.reset) > 0
    assert facts.balance.delivered == 300 - facts.refused


def test_a_report_that_is_wrong_is_noticed() -> None:
    """Another status, another recipient, a second report: each is a fault."""
    reports = Reports({"t": "r0@d0.example"}.get)
    reports.add("t", report("failed", "5.1.1"))
    assert (reports.failed, reports.faults) == (1, [])
    reports.add("t", report("failed", "5.1.1"))
    reports.add("t", report("failed", "4.1.1"))
    reports.add("t", report("failed", "5.1.1", "r1@d0.example"))
    reports.add(None, report("failed", "5.1.1"))
    assert reports.failed == 2
    assert len(reports.faults) == 4


def test_books_that_do_not_add_up_are_a_fault() -> None:
    """One refusal that nobody was told about, and memory beyond bounds, are faults."""
    facts = marathon.walk(20, 2, SEED)
    assert replace(facts, refused=facts.refused + 1).faults
    assert replace(facts, memory_octets=marathon.MEMORY_OCTETS + 1).faults
