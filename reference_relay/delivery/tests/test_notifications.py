"""What senders hear, from an agent against scripted hosts."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from reference_relay.delivery.tests.scripted_host import Mail, ScriptedHost
from reference_relay.delivery.tests.world import World, host, world
from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope, Recipient
from reference_relay.queue.queued_message import QueuedMessage

MX = {
    "d.example": [(10, "mx.example")],
    "example.com": [(10, "mx.example")],
}
PLAIN = ("PIPELINING", "8BITMIME", "SMTPUTF8")


async def send(
    here: World, notify: frozenset[str] | None = None, reverse_path: Mailbox | None = None
) -> str:
    """Queue a message from a@example.com, or from whomever, to b@d.example."""
    here.serial += 1
    queue_id = f"Q{here.serial}"
    recipient = Recipient(Mailbox("b", "d.example"), notify)
    envelope = Envelope(reverse_path, (recipient,), envid="ENV+2B1")
    content = b"From: a@example.com\r\nSubject: x\r\n\r\nhi\r\n"
    await here.queue.commit(
        QueuedMessage(queue_id, envelope, content, "us-south/public", "cfg", here.clock())
    )
    return queue_id


async def until(is_so: Callable[[], bool]) -> None:
    """Wait, for a bounded time."""
    async with asyncio.timeout(10):
        while True:
            if is_so():
                return
            await asyncio.sleep(0.005)


def notifications(mx: ScriptedHost) -> list[Mail]:
    return [mail for mail in mx.mails if b"multipart/report" in mail.content]


def refusing(line: str) -> str | None:
    return "550 5.1.1 nobody here" if line.startswith("RCPT TO:<b@") else None


SENDER = Mailbox("a", "example.com")


def test_a_failure_is_reported_to_the_sender(tmp_path: Path) -> None:
    """The report goes from the null reverse-path to the sender, with the host's words."""

    async def run() -> None:
        mx = ScriptedHost(refusing)
        async with host(mx) as port, world(tmp_path, port, mx=dict(MX)) as here:
            queue_id = await send(here, reverse_path=SENDER)
            [report] = await mx.wait_for(1)
            assert report.sender.startswith("MAIL FROM:<> ")
            assert report.recipients == ["a@example.com"]
            assert b"Original-Envelope-Id: ENV+1\r\n" in report.content
            assert b"Diagnostic-Code: smtp; 550 5.1.1 nobody here\r\n" in report.content
            assert b"Status: 5.1.1\r\n" in report.content
            await here.recipients(queue_id, "bounced")

    asyncio.run(run())


@pytest.mark.parametrize("notify", ["NEVER", "SUCCESS", "DELAY"])
def test_nobody_is_told_what_he_did_not_ask_for(tmp_path: Path, notify: str) -> None:
    """With NOTIFY of something else a failure is silent, and mail from nobody never reports."""

    async def run() -> None:
        mx = ScriptedHost(refusing)
        async with host(mx) as port, world(tmp_path, port, mx=dict(MX)) as here:
            silent = await send(here, frozenset({notify}), SENDER)
            null = await send(here, None, None)
            for queue_id in (silent, null):
                await here.recipients(queue_id, "bounced")
            # A later message comes through, so an earlier report would have.
            await here.send("later@d.example")
            assert [mail.recipients for mail in await mx.wait_for(1)] == [["later@d.example"]]
            await until(lambda: here.queue.depth == 0)

    asyncio.run(run())


def test_a_report_that_is_refused_ends_there(tmp_path: Path) -> None:
    """No report is made about a report."""

    async def run() -> None:
        mx = ScriptedHost(lambda line: "550 no" if line.startswith("RCPT") else None)
        async with host(mx) as port, world(tmp_path, port, mx=dict(MX)) as here:
            queue_id = await send(here, reverse_path=SENDER)
            await here.recipients(queue_id, "bounced")
            await until(lambda: sum(line.startswith("RCPT") for line in mx.commands) == 2)
            await until(lambda: here.queue.depth == 0)

    asyncio.run(run())


@pytest.mark.parametrize("knows_dsn", [True, False])
def test_success_is_the_next_hops_to_report_where_it_can(tmp_path: Path, knows_dsn: bool) -> None:
    """A host that knows DSN is told the wishes; for another the sender hears "relayed"."""

    async def run() -> None:
        extensions = (*PLAIN, "DSN") if knows_dsn else PLAIN
        mx = ScriptedHost(extensions=extensions)
        async with host(mx) as port, world(tmp_path, port, mx=dict(MX)) as here:
            queue_id = await send(here, frozenset({"SUCCESS"}), SENDER)
            await here.recipients(queue_id, "delivered")
            if knows_dsn:
                assert "RCPT TO:<b@d.example> NOTIFY=SUCCESS" in mx.commands
                assert mx.mails[0].sender == "MAIL FROM:<a@example.com> ENVID=ENV+2B1"
            else:
                await mx.wait_for(2)
                [report] = notifications(mx)
                assert b"Action: relayed\r\nStatus: 2.0.0\r\n" in report.content
                assert b"delivered\r\n" not in report.content

    asyncio.run(run())


def test_a_delay_is_reported_once(tmp_path: Path) -> None:
    """After four hours the sender hears that it is late, and not at every attempt."""

    async def run() -> None:
        busy = "451 4.3.2 busy"
        mx = ScriptedHost(lambda line: busy if line.startswith("RCPT TO:<b@") else None)
        async with host(mx) as port, world(tmp_path, port, mx=dict(MX)) as here:
            queue_id = await send(here, reverse_path=SENDER)

            def was_deferred(times: int) -> bool:
                status = here.queue.status(queue_id)
                assert status is not None
                return len(status.recipients[0].history) > times

            for attempt in range(1, 9):
                await until(functools.partial(was_deferred, attempt))
                await here.move_clock(4 * 3600)
            await mx.wait_for(1)
            [report] = notifications(mx)
            assert b"Action: delayed\r\nStatus: 4.3.2\r\n" in report.content

    asyncio.run(run())
