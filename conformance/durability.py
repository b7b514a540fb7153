"""Is 250 a promise? The relay is killed at random moments under load, and nothing may be missing.

`python -m conformance.durability --rounds 50` kills the embedded relay (SIGKILL) some
milliseconds after a 250, starts it again, and so on; then every message that was acknowledged
has to be at the sink, whole (RFC 5321 §6.1, requirement RLY-14).
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import random
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from conformance.header import body_of
from conformance.verdict import ExitCode
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
from fixtures.profile import DEFAULT_PROFILE, load_profile
from fixtures.relay_process import RelayNotReady, RelayProcess
from fixtures.sink import SinkMX
from fixtures.sink.delivery import Delivery
from fixtures.target import NotAvailable, ProfileError, Target
from fixtures.transcript import Recorder, Transcript, use_recorder
from fixtures.world import open_target

SENDERS = 4
# How long after a 250 the kill may come.
WINDOW_SECONDS = 0.05
# The first 250 of a round must have come by then.
FIRST_SECONDS = 15.0
# With nothing new at the sink for so long, what is missing is lost.
PATIENCE_SECONDS = 10.0
_LARGEST_BODY = 20_000
_TOKEN = re.compile(rb"^X-Durability: (\S+)\r\n", re.MULTILINE)
_BROKEN_OFF = (ConnectionLost, HandshakeFailed, ReplyTimeout, ReplyMalformed, Refused)


class Unmeasured(Exception):
    """The relay could not be measured; the message says why."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the messages of a trial.

    Attributes:
        rounds: How often the relay was killed.
        attempted: Messages whose end of data was sent.
        acknowledged: Those answered with 250.
        delivered: Acknowledged ones that arrived, whole or not.
        lost: Acknowledged ones that did not.
        cut: Messages, acknowledged or not, of which something else than the whole arrived.
        duplicated: Messages that arrived more than once; SMTP cannot avoid this (RFC 5321 §6.1).
    """

    rounds: int
    attempted: int
    acknowledged: int
    delivered: int
    lost: tuple[str, ...]
    cut: tuple[str, ...]
    duplicated: int

    @property
    def is_kept(self) -> bool:
        """Whether every 250 was kept."""
        return not self.lost and not self.cut

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds: attempted {self.attempted}, acknowledged {self.acknowledged}, "
            f"delivered {self.delivered}, lost {len(self.lost)}, cut {len(self.cut)}, "
            f"duplicated {self.duplicated}"
        )


@dataclass(slots=True)
class _Ledger:
    """What the senders have sent; shared by their threads."""

    digests: dict[str, bytes] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def will_send(self, token: str, body: bytes) -> None:
        with self.changed:
            self.digests[token] = hashlib.sha256(body).digest()

    def acknowledge(self, token: str) -> None:
        with self.changed:
            self.acknowledged.add(token)
            self.changed.notify_all()

    def wait_for_more(self, known: int, within: float) -> bool:
        """Wait until more than so many are acknowledged."""
        with self.changed:
            return self.changed.wait_for(lambda: len(self.acknowledged) > known, within)


class Trial:
    """Kills a relay under load, again and again, and keeps the books."""

    def __init__(self, target: Target, seed: int, *, senders: int = SENDERS) -> None:
        """Describe a trial.

        Args:
            target: An embedded relay with a sink.
            seed: Of all that is random here: message sizes and the moments of the kills.
            senders: How many sessions submit at the same time.

        Raises:
            NotAvailable: The relay is not ours to kill, or its deliveries are not seen.
        """
        if target.relay is None:
            raise NotAvailable("the relay is not ours to kill")
        if target.sink is None:
            raise NotAvailable("the target's deliveries cannot be seen: no sink")
        self._target = target
        self._relay: RelayProcess = target.relay
        self._sink: SinkMX = target.sink
        self._random = random.Random(seed)
        self._senders = senders
        self._ledger = _Ledger()
        self._prefix = f"{seed:x}-{time.time_ns():x}"
        self._rounds = 0

    def run(
        self,
        rounds: int,
        *,
        deadline: float = float("inf"),
        tell: Callable[[int, int], None] = lambda _round, _acknowledged: None,
    ) -> Tally:
        """Hold the rounds, let the relay deliver what it has, and count.

        Args:
            rounds: How often to kill.
            deadline: A `time.monotonic()` after which no new round begins.
            tell: Called after each round with its number and the acknowledged messages so far.

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
                tell(number, len(self._ledger.acknowledged))
            return self._count()
        finally:
            use_recorder(before)

    def _hold_round(self, number: int) -> None:
        known = len(self._ledger.acknowledged)
        seeds = [self._random.getrandbits(64) for _ in range(self._senders)]
        pause = self._random.uniform(0, WINDOW_SECONDS)
        threads = [
            threading.Thread(target=self._send, args=(number, index, seed), daemon=True)
            for index, seed in enumerate(seeds)
        ]
        for thread in threads:
            thread.start()
        try:
            is_begun = self._ledger.wait_for_more(known, FIRST_SECONDS)
            if is_begun:
                # No waiting for something to happen: the moment of the kill is the experiment.
                time.sleep(pause)
        finally:
            self._relay.kill()
            for thread in threads:
                thread.join()
        try:
            self._relay.start()
        except RelayNotReady as error:
            raise Unmeasured(f"after kill {number} the relay did not come back: {error}") from None
        if not is_begun:
            raise Unmeasured(f"no message was acknowledged in round {number}")
        self._rounds += 1

    def _send(self, number: int, index: int, seed: int) -> None:
        """Submit one message after the other until the relay is gone."""
        chance = random.Random(seed)
        endpoint, account = self._target.endpoint(), self._target.account()
        recipient = self._target.recipient()
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
                for count in range(10_000):
                    token = f"{self._prefix}-{number}-{index}-{count}"
                    body = _body(token, chance)
                    header = (
                        f"From: <{account.sender}>\r\nTo: <{recipient}>\r\n"
                        f"Subject: durability\r\nX-Durability: {token}\r\n\r\n"
                    )
                    expect("MAIL", probe.mail(account.sender))
                    expect("RCPT", probe.rcpt(recipient))
                    expect("DATA", probe.command("DATA"), 3)
                    self._ledger.will_send(token, body)
                    probe.send(stuffed(header.encode() + body))
                    expect("content", probe.read_reply())
                    self._ledger.acknowledge(token)

    def _count(self) -> Tally:
        copies: Counter[str] = Counter()
        cut = set()
        for token, delivery in self._arrivals():
            copies[token] += 1
            if hashlib.sha256(body_of(delivery.content)).digest() != self._ledger.digests[token]:
                cut.add(token)
        acknowledged = self._ledger.acknowledged
        return Tally(
            rounds=self._rounds,
            attempted=len(self._ledger.digests),
            acknowledged=len(acknowledged),
            delivered=len(acknowledged & copies.keys()),
            lost=tuple(sorted(acknowledged - copies.keys())),
            cut=tuple(sorted(cut)),
            duplicated=sum(count > 1 for count in copies.values()),
        )

    def _arrivals(self) -> Iterator[tuple[str, Delivery]]:
        """Yield what arrived, until all that was acknowledged is there or no more comes."""
        missing = set(self._ledger.acknowledged)
        seen: Sequence[Delivery] = ()
        while True:
            arrived = self._sink.deliveries()
            for delivery in arrived[len(seen) :]:
                found = _TOKEN.search(delivery.content)
                token = found[1].decode("ascii", "replace") if found else ""
                if token in self._ledger.digests:
                    missing.discard(token)
                    yield token, delivery
            seen = arrived
            if not missing:
                return
            try:
                self._sink.wait_for(within=PATIENCE_SECONDS, count=len(seen) + 1)
            except AssertionError:
                return


def _body(token: str, chance: random.Random) -> bytes:
    lines = [f"beginning of {token}"]
    lines += [chance.randbytes(30).hex() for _ in range(chance.randrange(_LARGEST_BODY) // 62)]
    lines.append(f"end of {token}")
    return "".join(f"{line}\r\n" for line in lines).encode()


def parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    program = argparse.ArgumentParser(prog="python -m conformance.durability", description=__doc__)
    program.add_argument("--rounds", type=int, default=50, help="kills (default: %(default)s)")
    program.add_argument("--seed", type=int, help="repeats the random choices of another run")
    program.add_argument("--senders", type=int, default=SENDERS, help="default: %(default)s")
    program.add_argument(
        "--seconds", type=float, default=600.0, help="limit of time (default: %(default)s)"
    )
    program.add_argument("--target", default=str(DEFAULT_PROFILE), help="an embedded profile")
    program.add_argument("--relay-command", default="", help="start this relay instead")
    return program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program: exit 0 when every 250 was kept, 1 when not, 3 when it was cut short."""
    options = parser().parse_args(arguments)
    seed = random.SystemRandom().getrandbits(32) if options.seed is None else options.seed
    say(f"seed {seed}")
    deadline = time.monotonic() + options.seconds
    try:
        profile = load_profile(options.target)
        with open_target(profile, relay_command=options.relay_command) as target:
            trial = Trial(target, seed, senders=options.senders)
            tally = trial.run(options.rounds, deadline=deadline, tell=_tell)
    except (ProfileError, NotAvailable) as error:
        say(f"{error}")
        return ExitCode.USAGE
    except Unmeasured as error:
        say(f"inconclusive: {error}")
        return ExitCode.INCONCLUSIVE
    except (RelayNotReady, OSError) as error:
        say(f"harness fault: {error}")
        return ExitCode.HARNESS_FAULT
    say(f"{tally}")
    for name, tokens in (("lost", tally.lost), ("cut", tally.cut)):
        for token in tokens:
            say(f"{name}: {token}")
    if not tally.is_kept:
        return ExitCode.NOT_CONFORMANT
    if tally.rounds < options.rounds:
        say(f"inconclusive: {options.seconds:g} s were over after {tally.rounds} rounds")
        return ExitCode.INCONCLUSIVE
    return ExitCode.CONFORMANT


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _tell(number: int, acknowledged: int) -> None:
    if number % 10 == 0:
        say(f"round {number}: acknowledged {acknowledged}")


if __name__ == "__main__":
    sys.exit(main())
