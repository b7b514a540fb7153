"""`python -m loadtests.queue.marathon`: 100,000 messages, 1,000 domains, and a sink with moods.

The sink defers 20 %, refuses 5 % and resets 2 % of what it is asked to take. The clock is moved
through the retries until every message has come to its end; then the books are balanced.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fake_dns import Zone
from fixtures.ledger import Answer, Balance, Ledger
from fixtures.profile import DEFAULT_PROFILE, load_profile
from fixtures.sink import Delivery, Ending, SinkMX, Stage
from fixtures.sink.answer import Answer as SinkAnswer
from fixtures.world import World
from loadtests.benchmark.conversation import Conversation, Script, Turn
from loadtests.benchmark.driver import client_context
from loadtests.benchmark.workload import Login, sign_in
from loadtests.queue.reports import Reports

DEFER, REFUSE, RESET = 0.20, 0.05, 0.02
SESSIONS = 20
# The goals: of the walk through the retries by the clock on the wall, and of the relay's memory,
# where 100,000 messages of 2 KiB alone would be 200 MB.
RETRY_SECONDS = 300.0
MEMORY_OCTETS = 300_000_000
_DOMAIN = "crowd.example"
_BODY = b"".join(b"%060d\r\n" % number for number in range(28))
# The delays of D-24, and then some: a message that came late in one step must not miss the next.
_STEPS = (2100.0, 3900.0, 7500.0)
_LONG_STEP = 14700.0
# 0.22 ** 20 of 100,000 messages is none; five days of the clock would be 30 steps.
_MOST_STEPS = 20
# Nothing came to an end for so long: whatever is left waits for the clock.
_QUIET_SECONDS = 1.5
_LOOK_SECONDS = 0.1
_LONGEST_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Facts:
    """What a walk brought.

    Attributes:
        submit_seconds: From the first MAIL to the last 250.
        retry_seconds: From then until every message had come to its end.
        moved_hours: How far the clock was moved.
        steps: In how many steps.
        deferred: Replies of the sink, as are the next two.
        memory_octets: The most that the relay held at any time.
    """

    messages: int
    domains: int
    submit_seconds: float
    retry_seconds: float
    moved_hours: float
    steps: int
    deferred: int
    refused: int
    reset: int
    balance: Balance
    reports: Reports
    memory_octets: int

    @property
    def faults(self) -> list[str]:
        """What is not as it has to be, one line each."""
        balance, reports = self.balance, self.reports
        bounced = balance.bounced
        rules = {
            "a pair is not accounted for": balance.is_balanced,
            "a message was not accepted": balance.accepted == self.messages,
            "a message is still queued": balance.queued == 0,
            "a copy came twice, though no 250 of the sink got lost": balance.duplicated == 0,
            f"{bounced} bounced, the sink refused {self.refused}": bounced == self.refused,
            f"{reports.failed} reports of failure": reports.failed == self.refused,
            f"a report is wrong: {'; '.join(reports.faults[:5])}": not reports.faults,
            "the relay's memory grew without bound": self.memory_octets <= MEMORY_OCTETS,
            "the retries took too long": self.retry_seconds <= RETRY_SECONDS,
        }
        return [fault for fault, is_so in rules.items() if not is_so]

    def __str__(self) -> str:
        return (
            f"{self.messages} messages to {self.domains} domains, submitted in"
            f" {self.submit_seconds:.0f} s\n"
            f"the sink deferred {self.deferred}, refused {self.refused}, reset {self.reset}\n"
            f"the clock was moved by {self.moved_hours:.1f} h in {self.steps} steps;"
            f" all was over {self.retry_seconds:.0f} s after the last 250\n"
            f"{self.balance}\n"
            f"reports: {self.reports.failed} of failure, {self.reports.delayed} of delay,"
            f" {len(self.reports.faults)} wrong\n"
            f"memory of the relay: {self.memory_octets / 1e6:.0f} MB at most"
        )


def walk(messages: int, domains: int, seed: int) -> Facts:
    """Submit so many messages, walk through the retries, and count.

    Args:
        messages: One recipient each, all different.
        domains: How many the recipients are spread over.
        seed: Of the sink's moods.

    Raises:
        RelayNotReady: The relay did not come up.
        UnexpectedReply: The relay refused something.
        TimeoutError: Submission takes longer than half an hour.
    """
    ledger, recipients = Ledger(), dict[str, str]()
    reports = Reports(recipients.get)

    def take(delivery: Delivery) -> None:
        token = ledger.arrived(delivery)
        if token is None or not delivery.reverse_path:
            reports.add(token, delivery)

    sink = SinkMX(retention=0, has_transcripts=False, on_delivery=take)
    world = World(load_profile(DEFAULT_PROFILE), sink=sink, signs=False)
    route = {"MX": ["10 mx.strict.sink.example."]}
    world.dns.add(Zone(_DOMAIN, {f"d{number}": route for number in range(domains)}))
    with world:
        target = world.target()
        account, endpoint = target.account(), target.endpoint()
        # Reports come to the sender, whom nothing befalls.
        for stage in (Stage.RCPT, Stage.CONTENT):
            sink.refuse(account.sender, "250 2.0.0 Ok", stage=stage, takes=True)
        moods: dict[SinkAnswer | str, float] = {
            "451 4.7.1 Later": DEFER,
            "550 5.1.1 Nobody": REFUSE,
        }
        at_rcpt = sink.share(moods, seed=seed)
        hang_up = SinkAnswer(b"", ending=Ending.RESET)
        at_content = sink.share({hang_up: RESET}, seed=seed, stage=Stage.CONTENT)
        crowd = _Crowd(ledger, recipients, account.sender, messages, domains)
        login = Login(account.username, account.password)
        began = time.monotonic()
        asyncio.run(crowd.submit((endpoint.addresses[0], endpoint.port), login))
        submitted = time.monotonic()
        moved, steps = _through_retries(world, ledger, messages)
        ended = time.monotonic()
        pid = world.relay.pid
        assert pid is not None
        memory = _peak_octets(pid)
    deferred, refused = at_rcpt.drawn
    return Facts(
        messages=messages,
        domains=domains,
        submit_seconds=submitted - began,
        retry_seconds=ended - submitted,
        moved_hours=moved / 3600,
        steps=steps,
        deferred=deferred,
        refused=refused,
        reset=at_content.drawn[0],
        balance=ledger.balance(),
        reports=reports,
        memory_octets=memory,
    )


class _Crowd:
    """Submits the messages over some kept sessions."""

    def __init__(
        self, ledger: Ledger, recipients: dict[str, str], sender: str, messages: int, domains: int
    ) -> None:
        self._ledger = ledger
        self._recipients = recipients
        self._sender = sender
        self._left = iter(range(messages))
        self._domains = domains

    async def submit(self, address: tuple[str, int], login: Login) -> None:
        """Return when every message was answered."""
        loop, context = asyncio.get_running_loop(), client_context()
        async with asyncio.timeout(_LONGEST_SECONDS):
            sessions = [
                (
                    await loop.create_connection(
                        lambda: Conversation(self._script(login), context), *address
                    )
                )[1]
                for _ in range(SESSIONS)
            ]
            await asyncio.gather(*(session.stopped for session in sessions))
            await asyncio.gather(*(session.closed for session in sessions))

    def _script(self, login: Login) -> Script:
        yield from sign_in(login)
        mail = f"MAIL FROM:<{self._sender}>\r\n"
        header = f"From: <{self._sender}>\r\nSubject: marathon\r\n".encode()
        for number in self._left:
            recipient = f"r{number}@d{number % self._domains}.{_DOMAIN}"
            parcel = self._ledger.parcel(header, _BODY, [recipient])
            self._recipients[parcel.token] = recipient
            group = f"{mail}RCPT TO:<{recipient}>\r\nDATA\r\n".encode()
            yield Turn(group, (b"250", b"250", b"354"))
            yield Turn(parcel.content + b".\r\n", (b"250",))
            self._ledger.answered(parcel.token, Answer.ACCEPTED)
        yield Turn(b"QUIT\r\n", (b"221",))


def _through_retries(world: World, ledger: Ledger, messages: int) -> tuple[float, int]:
    """Move the clock until every message has come to its end; return how far, and in how many."""
    _until_quiet(ledger, messages)
    moved = 0.0
    for number in range(_MOST_STEPS):
        if ledger.ended >= messages:
            return moved, number
        step = _STEPS[number] if number < len(_STEPS) else _LONG_STEP
        world.advance(seconds=step)
        moved += step
        _until_quiet(ledger, messages)
    return moved, _MOST_STEPS


def _peak_octets(pid: int) -> int:
    """Return the most memory that a process has held so far (proc(5): VmHWM)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {pid} holds no memory any more")


def _until_quiet(ledger: Ledger, messages: int) -> None:
    known, since = ledger.ended, time.monotonic()
    while time.monotonic() < since + _QUIET_SECONDS and known < messages:
        time.sleep(_LOOK_SECONDS)
        if (now := ledger.ended) != known:
            known, since = now, time.monotonic()


def main(arguments: Sequence[str] | None = None) -> int:
    """Walk; exit 1 when something is not as it has to be."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.queue.marathon", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--domains", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1, help="of the sink's moods")
    options = parser.parse_args(arguments)
    facts = walk(options.messages, options.domains, options.seed)
    sys.stdout.write(f"{facts}\n")
    for fault in facts.faults:
        sys.stdout.write(f"fault: {fault}\n")
    return 1 if facts.faults else 0


if __name__ == "__main__":
    sys.exit(main())
