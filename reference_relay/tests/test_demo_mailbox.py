"""The demo's MX host: keeps what it confirms, confirms nothing else."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Callable
from pathlib import Path

import pytest

from reference_relay.demo_mailbox import Arrival, DemoMailbox

CONTENT = (
    "Received: from a (b [127.0.0.1])\r\n by relay with ESMTPSA id 1K0YNJH5X6B00\r\n"
    " for <rcpt@test.com>; now\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n\r\n.dot\r\n"
)


def with_mailbox(folder: Path, deliver: Callable[[smtplib.SMTP], object]) -> list[Arrival]:
    """Run a mailbox while a client delivers to it; return what arrived."""
    arrivals: list[Arrival] = []

    def client(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, "client.example", timeout=10) as connection:
            deliver(connection)

    async def run() -> None:
        mailbox = DemoMailbox(folder, "mx.test.com", arrivals.append)
        port = await mailbox.start("127.0.0.1")
        try:
            await asyncio.to_thread(client, port)
        finally:
            await mailbox.stop()

    asyncio.run(run())
    return arrivals


def test_what_arrives_is_kept_octet_for_octet(tmp_path: Path) -> None:
    """Each message is a file, told with its queue ID, subject and recipients."""

    def deliver(client: smtplib.SMTP) -> None:
        for _ in range(2):
            client.sendmail("", ["rcpt@test.com", "two@test.com"], CONTENT)

    first, second = with_mailbox(tmp_path, deliver)
    assert first.path.read_bytes() == second.path.read_bytes() == CONTENT.encode()
    assert first.path != second.path
    assert first.queue_id == "1K0YNJH5X6B00"
    assert [str(one.mailbox) for one in first.envelope.recipients] == [
        "rcpt@test.com",
        "two@test.com",
    ]


def test_what_cannot_be_kept_is_not_confirmed(tmp_path: Path) -> None:
    """A folder that has gone is a transient refusal, so that the sender keeps the message."""

    def deliver(client: smtplib.SMTP) -> None:
        with pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("a@example.com", ["rcpt@test.com"], CONTENT)
        assert refused.value.smtp_code == 452

    assert with_mailbox(tmp_path / "gone", deliver) == []
