"""Orders and answers between the supervisor and a worker."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from reference_relay.supervision.control_channel import Asking, Channel, ChannelClosed, OrderRefused


def with_pair(work: Callable[[Asking, Channel], Awaitable[None]]) -> None:
    """Run something between the two ends of a channel."""

    async def run() -> None:
        ours, theirs = socket.socketpair()
        asking = Asking(await Channel.over(ours))
        worker = await Channel.over(theirs)
        try:
            await asyncio.wait_for(work(asking, worker), 20)
        finally:
            await asking.close()
            await worker.close()

    asyncio.run(run())


def test_answers_find_their_questions_in_any_order() -> None:
    """Two questions at a time, answered the wrong way round."""

    async def work(asking: Asking, worker: Channel) -> None:
        first = asyncio.create_task(asking.ask("one", 5, value=1))
        second = asyncio.create_task(asking.ask("two", 5, value="ü" * 100_000))
        orders = [await worker.receive(), await worker.receive()]
        for order in reversed(orders):
            worker.send({"id": order["id"], "answer": [order["order"], order["value"]]})
        assert await first == ["one", 1]
        assert await second == ["two", "ü" * 100_000]

    with_pair(work)


def test_a_refusal_carries_its_problems() -> None:
    """What the worker says is wrong reaches whoever gave the order."""

    async def work(asking: Asking, worker: Channel) -> None:
        asked = asyncio.create_task(asking.ask("start", 5))
        worker.send({"id": (await worker.receive())["id"], "problems": ["a", "b"]})
        with pytest.raises(OrderRefused) as refused:
            await asked
        assert refused.value.problems == ("a", "b")

    with_pair(work)


def test_an_end_that_goes_ends_all_questions() -> None:
    """Open questions and later ones fail at once, not at their time limit."""

    async def work(asking: Asking, worker: Channel) -> None:
        asked = asyncio.create_task(asking.ask("status", 60))
        await worker.receive()
        await worker.close()
        with pytest.raises(ChannelClosed):
            await asked
        with pytest.raises(ChannelClosed):
            await asking.ask("status", 60)

    with_pair(work)


def test_no_answer_is_a_timeout_and_a_late_one_is_nobodys() -> None:
    """An answer that comes after its time disturbs nothing."""

    async def work(asking: Asking, worker: Channel) -> None:
        with pytest.raises(TimeoutError):
            await asking.ask("slow", 0.05)
        late = await worker.receive()
        asked = asyncio.create_task(asking.ask("quick", 5))
        worker.send({"id": late["id"], "answer": "late"})
        worker.send({"id": (await worker.receive())["id"], "answer": "quick"})
        assert await asked == "quick"

    with_pair(work)


@pytest.mark.parametrize("octets", [b"\xff\xff\xff\xff", b"\0\0\0\2{]", b"\0\0\0\2[]", b"\0\0"])
def test_what_makes_no_sense_ends_the_channel(octets: bytes) -> None:
    """Garbage is as good as an end that has gone."""

    async def run() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            asking = Asking(await Channel.over(ours))
            asked = asyncio.create_task(asking.ask("status", 20))
            theirs.sendall(octets)
            theirs.shutdown(socket.SHUT_WR)
            with pytest.raises(ChannelClosed):
                await asked
            await asking.close()

    asyncio.run(run())
