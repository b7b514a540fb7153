"""The agent against scripted hosts on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from pathlib import Path

import pytest

from reference_relay.delivery.agent import Timeouts
from reference_relay.delivery.tests.scripted_host import ScriptedHost
from reference_relay.delivery.tests.world import QUICK, START, Stamp, host, world


def test_delivered_with_signature_on_top(tmp_path: Path) -> None:
    """The spooled content arrives octet for octet, with the signature above it."""

    async def run() -> None:
        mx = ScriptedHost()
        content = b"Received: x\r\nSubject: x\r\n\r\n.one dot\r\n..\r\n\xe4\r\n"
        async with host(mx) as port, world(tmp_path, port, signer=Stamp()) as scene:
            queue_id = await scene.send("MiXed@D.Example", content=content)
            [recipient] = await scene.recipients(queue_id, "delivered")
            assert recipient.history[-1].text == "mx.example [127.0.0.1]: 250 2.0.0 queued"
            assert scene.queue.depth == 0
        [mail] = mx.mails
        assert mail.content == b"DKIM-Signature: t=1700000000; l=%d\r\n" % len(content) + content
        assert mail.recipients == ["MiXed@D.Example"]
        assert mail.sender.startswith("MAIL FROM:<a@example.com> ")
        assert mx.commands[0] == "EHLO relay.example.net"
        assert mx.commands[-1] == "QUIT"

    asyncio.run(run())


def test_one_transaction_per_destination(tmp_path: Path) -> None:
    """Recipients of one domain share a transaction; other domains get their own."""

    async def run() -> None:
        mx = ScriptedHost()
        route: dict[str, list[tuple[int, str]] | Exception] = {
            "d.example": [(10, "mx.example")],
            "e.example": [(10, "mx.example")],
        }
        async with host(mx) as port, world(tmp_path, port, mx=route) as scene:
            queue_id = await scene.send("a@d.example", "b@e.example", "c@D.EXAMPLE")
            await scene.recipients(queue_id, *["delivered"] * 3)
        assert sorted(mail.recipients for mail in mx.mails) == [
            ["a@d.example", "c@D.EXAMPLE"],
            ["b@e.example"],
        ]

    asyncio.run(run())


@pytest.mark.parametrize(
    "first",
    [
        None,
        ScriptedHost(greeting="554 no service"),
        ScriptedHost(greeting="421 busy"),
        ScriptedHost(greeting="nonsense"),
        ScriptedHost(lambda line: "451 later" if line.startswith("MAIL") else None),
        ScriptedHost(lambda line: "450 later" if line.startswith("RCPT") else None),
        ScriptedHost(lambda line: "drop" if line.startswith("RCPT") else None),
        ScriptedHost(lambda line: "421 closing" if line.startswith("EHLO") else None),
    ],
    ids=["refused", "554", "421", "nonsense", "mail-451", "rcpt-450", "drop", "ehlo-421"],
)
def test_second_mx_host(tmp_path: Path, first: ScriptedHost | None) -> None:
    """When the best host cannot take the mail now, the next one gets it in the same attempt."""

    async def run() -> None:
        second = ScriptedHost()
        route: dict[str, list[tuple[int, str]] | Exception] = {
            "d.example": [(20, "mx2.example"), (9, "mx1.example")]
        }
        addresses: dict[str, list[str] | Exception] = {
            "mx1.example": ["127.0.0.1"],
            "mx2.example": ["127.0.0.2"],
        }
        async with host(second, "127.0.0.2") as port:
            if first is not None:
                await first.start("127.0.0.1", port)
            try:
                async with world(tmp_path, port, mx=route, hosts=addresses) as scene:
                    queue_id = await scene.send("a@d.example")
                    [recipient] = await scene.recipients(queue_id, "delivered")
                    assert [event.state.value for event in recipient.history] == [
                        "submitted",
                        "delivered",
                    ]
            finally:
                if first is not None:
                    await first.stop()
        assert len(second.mails) == 1
        assert first is None or first.connections == 1

    asyncio.run(run())


def test_deferred_then_delivered(tmp_path: Path) -> None:
    """A 450 defers with the host's words; when the clock has moved on, the mail is delivered."""

    async def run() -> None:
        answers = iter(["450 4.2.0 greylisted", "250 ok"])
        mx = ScriptedHost(lambda line: next(answers) if line.startswith("RCPT") else None)
        async with host(mx) as port, world(tmp_path, port) as scene:
            queue_id = await scene.send("a@d.example")
            [recipient] = await scene.recipients(queue_id, "deferred")
            assert recipient.history[-1].text.endswith("450 4.2.0 greylisted")
            assert scene.queue.depth == 1
            await scene.move_clock(1800)
            [recipient] = await scene.recipients(queue_id, "delivered")
            assert recipient.history[-1].at == START + 1800
        assert len(mx.mails) == 1

    asyncio.run(run())


def test_partial_failure(tmp_path: Path) -> None:
    """Of three recipients one is refused, one deferred; only the deferred one is tried again."""

    async def run() -> None:
        tries = iter(["450 4.2.1 later", "250 ok"])

        def answer(line: str) -> str | None:
            if "<bad@" in line:
                return "550 5.1.1 nobody"
            return next(tries) if "<slow@" in line else None

        mx = ScriptedHost(answer)
        async with host(mx) as port, world(tmp_path, port) as scene:
            queue_id = await scene.send("good@d.example", "bad@d.example", "slow@d.example")
            recipients = await scene.recipients(queue_id, "delivered", "bounced", "deferred")
            assert recipients[1].history[-1].text.endswith("550 5.1.1 nobody")
            await scene.move_clock(1800)
            await scene.recipients(queue_id, "delivered", "bounced", "delivered")
        assert [mail.recipients for mail in mx.mails] == [["good@d.example"], ["slow@d.example"]]

    asyncio.run(run())


def test_lost_after_the_content(tmp_path: Path) -> None:
    """When the answer to the content is lost, no other host gets the mail now."""

    async def run() -> None:
        first = ScriptedHost(lambda line: "drop" if line == "." else None)
        second = ScriptedHost()
        route: dict[str, list[tuple[int, str]] | Exception] = {
            "d.example": [(1, "mx1.example"), (2, "mx2.example")]
        }
        addresses: dict[str, list[str] | Exception] = {
            "mx1.example": ["127.0.0.1"],
            "mx2.example": ["127.0.0.2"],
        }
        async with (
            host(first) as port,
            host(second, "127.0.0.2", port),
            world(tmp_path, port, mx=route, hosts=addresses) as scene,
        ):
            queue_id = await scene.send("a@d.example")
            [recipient] = await scene.recipients(queue_id, "deferred")
            assert recipient.history[-1].text.endswith("connection lost after content")
        assert second.connections == 0

    asyncio.run(run())


@pytest.mark.parametrize("silent_at", ["EHLO", "MAIL", "DATA", "."])
def test_silent_host_is_given_up(tmp_path: Path, silent_at: str) -> None:
    """A host that stops talking is left when its time is up, and the mail is deferred."""

    async def run() -> None:
        mx = ScriptedHost(lambda line: "silence" if line.partition(" ")[0] == silent_at else None)
        async with host(mx) as port, world(tmp_path, port) as scene:
            queue_id = await scene.send("a@d.example")
            [recipient] = await scene.recipients(queue_id, "deferred")
            assert "no reply within" in recipient.history[-1].text

    asyncio.run(run())


def test_stalled_host_is_given_up(tmp_path: Path) -> None:
    """A host that stops reading in the middle of the content is left in time."""

    async def run() -> None:
        mx = ScriptedHost(lambda line: "silence" if line == "content" else None)
        async with host(mx) as port, world(tmp_path, port) as scene:
            queue_id = await scene.send("a@d.example", content=b"x" * 20_000_000 + b"\r\n")
            await scene.recipients(queue_id, "deferred")

    asyncio.run(run())


@pytest.mark.parametrize(
    "domain", ["gone.example", "null.example", "inside.example", "[10.0.0.1]", "[169.254.169.254]"]
)
def test_unreachable_domains_fail_at_once(tmp_path: Path, domain: str) -> None:
    """What cannot be delivered to is bounced in the first attempt, without any connection."""

    async def run() -> None:
        mx = ScriptedHost()
        route: dict[str, list[tuple[int, str]] | Exception] = {
            "null.example": [(0, "")],
            "inside.example": [(10, "inside.example")],
        }
        addresses: dict[str, list[str] | Exception] = {"inside.example": ["10.0.0.1"]}
        async with host(mx) as port, world(tmp_path, port, mx=route, hosts=addresses) as scene:
            await scene.recipients(await scene.send(f"a@{domain}"), "bounced")
        assert mx.connections == 0

    asyncio.run(run())


def test_outgoing_addresses_in_turn(tmp_path: Path) -> None:
    """Deliveries leave from the endpoint's addresses one after the other (D-23)."""

    async def run() -> None:
        mx = ScriptedHost()
        outgoing = ["127.0.4.1", "::1", "127.0.4.2"]
        async with host(mx) as port, world(tmp_path, port, outgoing=outgoing) as scene:
            for _ in range(6):
                await scene.recipients(await scene.send("a@d.example"), "delivered")
        peers = [mail.peer for mail in mx.mails]
        assert set(peers) == {"127.0.4.1", "127.0.4.2"}
        assert mx.connections == 2, "idle connections are used again"

    asyncio.run(run())


def test_stale_connection_is_replaced(tmp_path: Path) -> None:
    """A host that hangs up on an idle connection, unnoticed, costs no deferral."""

    async def run() -> None:
        count = 0

        def answer(line: str) -> str | None:
            nonlocal count
            count += line.startswith("MAIL")
            return "drop" if line.startswith("MAIL") and count == 2 else None

        mx = ScriptedHost(answer)
        async with host(mx) as port, world(tmp_path, port) as scene:
            for _ in range(2):
                await scene.recipients(await scene.send("a@d.example"), "delivered")
        assert mx.connections == 2

    asyncio.run(run())


def test_many_messages(tmp_path: Path) -> None:
    """A burst arrives whole, each message once, over few connections."""

    async def run() -> None:
        mx = ScriptedHost()
        async with host(mx) as port, world(tmp_path, port) as scene:
            await asyncio.gather(
                *(scene.send("a@d.example", content=b"\r\n%d\r\n" % n) for n in range(200))
            )
            mails = await mx.wait_for(200)
            assert sorted(int(mail.content) for mail in mails) == list(range(200))
            assert mx.connections <= 10

    asyncio.run(run())


def test_stop_leaves_unfinished_mail(tmp_path: Path) -> None:
    """Stop does not wait for a slow host; the mail stays in the queue and is recovered."""

    async def run() -> None:
        heard = asyncio.Event()

        def answer(line: str) -> str | None:
            if line.startswith("MAIL"):
                heard.set()
                return "silence"
            return None

        mx = ScriptedHost(answer)
        patient = Timeouts(quit_seconds=0.1)
        async with host(mx) as port:
            async with world(tmp_path, port, timeouts=patient) as scene:
                queue_id = await scene.send("a@d.example")
                await asyncio.wait_for(heard.wait(), 10)
            mx.answer_with(lambda line: None)
            async with world(tmp_path, port) as scene:
                await scene.recipients(queue_id, "delivered")

    asyncio.run(run())


def test_broken_signer_defers(tmp_path: Path) -> None:
    """A fault of our own defers the mail, and other mail goes on."""

    class Broken:
        def sign(self, content: bytes, timestamp: int) -> bytes:
            raise RuntimeError("broken")

    async def run() -> None:
        mx = ScriptedHost()
        async with host(mx) as port, world(tmp_path, port, signer=Broken()) as scene:
            await scene.recipients(await scene.send("a@d.example"), "deferred")
        assert mx.connections == 0

    asyncio.run(run())


def test_one_log_line_per_attempt(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Each try of a host is one line with queue ID, destination, address and outcome."""
    caplog.set_level(logging.INFO)

    async def run() -> None:
        mx = ScriptedHost()
        async with host(mx) as port, world(tmp_path, port) as scene:
            await scene.recipients(await scene.send("a@d.example"), "delivered")

    asyncio.run(run())
    [line] = [r.getMessage() for r in caplog.records if r.getMessage().startswith("attempt ")]
    assert "queue_id=Q1 number=1 destination=d.example host=mx.example address=127.0.0.1" in line
    assert "delivered=1 deferred=0 failed=0" in line


def test_many_messages_for_a_slow_host_hold_up_nobody(tmp_path: Path) -> None:
    """While hundreds wait for a host that says nothing, mail for another one goes through."""

    async def run() -> None:
        slow, quick = (
            ScriptedHost(lambda line: "silence" if line[:4] == "MAIL" else None),
            (ScriptedHost()),
        )
        route: dict[str, list[tuple[int, str]] | Exception] = {
            "slow.example": [(10, "slow-mx.example")],
            "d.example": [(10, "mx.example")],
        }
        hosts: dict[str, list[str] | Exception] = {
            "slow-mx.example": ["127.0.0.2"],
            "mx.example": ["127.0.0.1"],
        }
        patient = dataclasses.replace(QUICK, command_seconds=30)
        async with (
            host(quick) as port,
            host(slow, "127.0.0.2", port),
            world(tmp_path, port, mx=route, hosts=hosts, timeouts=patient) as scene,
        ):
            for _ in range(300):
                await scene.send("x@slow.example")
            queue_id = await scene.send("x@d.example")
            await scene.recipients(queue_id, "delivered")
            assert slow.connections <= 10

    asyncio.run(run())


def test_an_address_that_does_not_talk_is_left_alone(tmp_path: Path) -> None:
    """After a few sessions that came to nothing mail is put off without trying, for a while."""

    async def run() -> None:
        mx = ScriptedHost(greeting="421 busy")
        async with host(mx) as port, world(tmp_path, port) as scene:
            for _ in range(6):
                queue_id = await scene.send("x@d.example")
                [recipient] = await scene.recipients(queue_id, "deferred")
            assert mx.connections == 3
            assert "rests after: 421 busy" in recipient.history[-1].text
            await scene.move_clock(60)
            queue_id = await scene.send("x@d.example")
            await scene.recipients(queue_id, "deferred")
            assert mx.connections == 4

    asyncio.run(run())


def test_octets_that_trickle_in_win_no_time(tmp_path: Path) -> None:
    """A host that drips its greeting is given up when the greeting's time is over."""
    gone = asyncio.Event()

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"2")
                await writer.drain()
                await asyncio.sleep(0.02)
        writer.close()
        gone.set()

    async def run() -> None:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with world(tmp_path, port) as scene:
            queue_id = await scene.send("x@d.example")
            [recipient] = await scene.recipients(queue_id, "deferred")
            assert "no reply within 0.2 seconds" in recipient.history[-1].text
            await asyncio.wait_for(gone.wait(), 10)
        server.close()
        await server.wait_closed()

    asyncio.run(run())
