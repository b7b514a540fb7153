"""Breaks a relay under load, again and again, and keeps the books (RFC 5321 §6.1)."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from conformance.crashes import Crash, RelayKilled
from fixtures.ledger import Answer, Balance, Ledger
from fixtures.probe import (
    ConnectionLost,
    HandshakeFailed,
    Refused,
    ReplyMalformed,
    ReplyTimeout,
    SMTPProbe,
    expect,
    stuffed,
)
from fixtures.relay_process import RelayNotReady
from fixtures.sink import SinkMX
from fixtures.target import NotAvailable, Target
from fixtures.transcript import Recorder, Transcript, use_recorder

SENDERS = 4
# How long after a 250 the crash may come.
WINDOW_SECONDS = 0.05
# The first 250 of a round must have come by then.
FIRST_SECONDS = 30.0
# With nothing new at the sink for so long, what is missing is lost.
PATIENCE_SECONDS = 10.0
_LARGEST_BODY = 20_000
_BROKEN_OFF = (ConnectionLost, HandshakeFailed, ReplyTimeout, ReplyMalformed, Refused)


class Unmeasured(Exception):
    """The relay could not be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the messages of a trial.

    Attributes:
        rounds: How often the relay was broken.
        balance: The books.
    """

    rounds: int
    balance: Balance

    @property
    def is_kept(self) -> bool:
        """Whether every 250 was kept, and no copy arrived that a crash does not explain."""
        return self.balance.is_balanced

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.rounds + other.rounds, self.balance + other.balance)

    def __str__(self) -> str:
        return f"{self.rounds} rounds: {self.balance}"


class Trial:
    """Breaks a relay under load, again and again, and keeps the books."""

    def __init__(
        self, target: Target, seed: int, *, senders: int = SENDERS, crash: Crash | None = None
    ) -> None:
        """Describe a trial.

        Args:
            target: An embedded relay with a sink.
            seed: Of all that is random here: message sizes and the moments of the crashes.
            senders: How many sessions submit at the same time.
            crash: How the relay is broken; by default it is killed and started again.

        Raises:
            NotAvailable: The relay is not ours to kill, or its deliveries are not seen.
        """
        if target.relay is None:
            raise NotAvailable("the relay is not ours to kill")
        if target.sink is None:
            raise NotAvailable("the target's deliveries cannot be seen: no sink")
        self._target = target
        self._crash = crash or RelayKilled(target.relay)
        self._sink: SinkMX = target.sink
        self._random = random.Random(seed)
        self._senders = senders
        self._ledger = Ledger(f"{seed:x}-{time.time_ns():x}")
        self._is_over = threading.Event()
        self._rounds = 0
        self._seen = 0

    def run(
        self,
        rounds: int,
        *,
        deadline: float = float("inf"),
        tell: Callable[[], None] = lambda: None,
    ) -> Tally:
        """Hold the rounds, let the relay deliver what it has, and count.

        Args:
            rounds: How often to break it.
            deadline: A `time.monotonic()` after which no new round begins.
            tell: Called after each round.

        Raises:
            Unmeasured: No message was acknowledged in a round, or the relay did not come back.
        """
        # Thousands of sessions would drown every other transcript of a test.
        before = use_recorder(Recorder("durability"))
        try:
            for number in range(1, rounds + 1):
                if time.monotonic() > deadline:
                    break
                self._hold_round(number)
                self._take_arrivals()
                tell()
            self._await_arrivals()
            return Tally(self._rounds, self._ledger.balance())
        finally:
            use_recorder(before)

    def _hold_round(self, number: int) -> None:
        known = self._ledger.accepted
        seeds = [self._random.getrandbits(64) for _ in range(self._senders)]
        pause = self._random.uniform(0, WINDOW_SECONDS)
        self._is_over.clear()
        threads = [threading.Thread(target=self._send, args=(seed,), daemon=True) for seed in seeds]
        for thread in threads:
            thread.start()
        try:
            is_begun = self._ledger.wait_for_accepted(known, FIRST_SECONDS)
            if is_begun:
                # No waiting for something to happen: the moment of the crash is the experiment.
                time.sleep(pause)
            self._ledger.excuse(time.time())
            try:
                self._crash.strike(self._random, self._is_over.set)
            except RelayNotReady as error:
                raise Unmeasured(
                    f"after crash {number} the relay did not come back: {error}"
                ) from None
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()
        if not is_begun:
            raise Unmeasured(f"no message was acknowledged in round {number}")
        self._rounds += 1

    def _send(self, seed: int) -> None:
        """Submit one message after the other until the relay is gone, or the round is over."""
        chance = random.Random(seed)
        endpoint, account = self._target.endpoint(), self._target.account()
        recipient = self._target.recipient()
        header = (
            f"From: <{account.sender}>\r\nTo: <{recipient}>\r\nSubject: durability\r\n"
        ).encode()
        with contextlib.suppress(*_BROKEN_OFF):
            probe = SMTPProbe.connect(
                endpoint.addresses[0],
                endpoint.port,
                transcript=Transcript(),
                context=self._target.tls_context,
                server_hostname=endpoint.host,
            )
            with probe:
                expect("greeting", probe.read_reply())
                expect("EHLO", probe.ehlo())
                expect("STARTTLS", probe.starttls())
                expect("EHLO", probe.ehlo())
                expect("AUTH", probe.auth_plain(account))
                while not self._is_over.is_set():
                    expect("MAIL", probe.mail(account.sender))
                    expect("RCPT", probe.rcpt(recipient))
                    expect("DATA", probe.command("DATA"), 3)
                    parcel = self._ledger.parcel(header, _body(chance), [recipient])
                    probe.send(stuffed(parcel.content))
                    reply = probe.read_reply()
                    is_accepted = 200 <= reply.code < 300
                    answer = Answer.ACCEPTED if is_accepted else Answer.REFUSED
                    self._ledger.answered(parcel.token, answer)
                    expect("content", reply)

    def _take_arrivals(self) -> bool:
        """Enter what is new at the sink; tell whether there was anything."""
        arrived = self._sink.deliveries()
        # The sink keeps the latest ones only.
        fresh = arrived[len(arrived) - min(len(arrived), self._sink.taken - self._seen) :]
        self._seen += len(fresh)
        for delivery in fresh:
            self._ledger.arrived(delivery)
        return bool(fresh)

    def _await_arrivals(self) -> None:
        """Wait until all that was acknowledged is there, or no more comes."""
        patience_ends = time.monotonic() + PATIENCE_SECONDS
        while self._ledger.missing() and time.monotonic() < patience_ends:
            if self._take_arrivals():
                patience_ends = time.monotonic() + PATIENCE_SECONDS
            else:
                time.sleep(0.05)


def _body(chance: random.Random) -> bytes:
    lines = ["beginning"]
    lines += [chance.randbytes(30).hex() for _ in range(chance.randrange(_LARGEST_BODY) // 62)]
    lines.append("end")
    return "".join(f"{line}\r\n" for line in lines).encode()
