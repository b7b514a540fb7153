"""`python -m conformance.robustness.abuse`: does honest mail keep its rate while others misbehave?

Starts two relays that are alike, one to be abused and one to be left in peace. An honest client
submits to both in lock-step, a quarter of a second here and a quarter there, while one kind of
abuse after the other comes from a process of its own and from another address. The abuser is
stopped whenever the peaceful relay has its turn, and has a core to itself: what else the machine
does slows both rates alike, and what abuse does to the relay slows one. On a machine that is so
busy that turns differ more than abuse could make them, the answer is unsure, and exit code 3.

Prints for each kind: the honest rate beside it as a share of the peaceful one, what the abused
relay's memory grew by, and what abusers heard.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import multiprocessing
import os
import resource
import signal
import socket
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from conformance.robustness.crowd import SlowClient, keep_trickling
from conformance.verdict import ExitCode
from fixtures.probe import ConnectionLost, ReplyTimeout, SMTPProbe, expect, stuffed
from fixtures.profile import load_profile
from fixtures.scarcity import resident_octets
from fixtures.target import Account, NotAvailable, Target, TargetEndpoint
from fixtures.transcript import Transcript
from fixtures.world import open_target

KEPT_RATE = 0.8
_WORDS = {
    ExitCode.CONFORMANT: "ok",
    ExitCode.NOT_CONFORMANT: "MISSED",
    ExitCode.INCONCLUSIVE: "unsure",
}
MEMORY_OCTETS = 96 << 20
# Ours: abuse that is over in a moment is repeated, with a pause, until the window is over.
_PAUSE_SECONDS = 0.25
_DESCRIPTORS = 4096
# Ours: long enough for dozens of messages, short enough for the machine to stay as it is.
_TURN_SECONDS = 0.25
# Ours: connections a flood opens before it looks at the replies.
_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Place:
    """Where an abuser goes, as it travels to his process."""

    endpoint: TargetEndpoint
    account: Account
    source: str
    connections: int
    seconds: float


def slowloris(place: Place) -> Counter[str]:
    """Hold many connections and send an octet on each every five seconds."""
    clients = []
    for _ in range(place.connections):
        with contextlib.suppress(OSError):
            clients.append(SlowClient(place.endpoint, b"EHLO slow.example ", place.source))
    keep_trickling(clients, 5.0, place.seconds, until_closed=False)
    heard = Counter(client.heard[:3].decode("ascii", "replace") for client in clients)
    for client in clients:
        client.close()
    return heard


def connection_flood(place: Place) -> Counter[str]:
    """Connect as fast as one process can; keep what is let in, hang up on what is turned away."""
    heard: Counter[str] = Counter()
    address = (place.endpoint.addresses[0], place.endpoint.port)
    until = time.monotonic() + place.seconds
    with contextlib.ExitStack() as stack:
        while time.monotonic() < until:
            at_once = []
            for _ in range(_AT_ONCE):
                with contextlib.suppress(OSError):
                    at_once.append(socket.create_connection(address, 5, (place.source, 0)))
            for one in at_once:
                try:
                    said = one.recv(3).decode("ascii", "replace") or "closed"
                except OSError:
                    said = "silence"
                heard[said] += 1
                if said == "220":
                    stack.enter_context(one)
                else:
                    one.close()
    return heard


def _signed_in(place: Place) -> SMTPProbe:
    endpoint = place.endpoint
    probe = SMTPProbe.connect(
        endpoint.addresses[0], endpoint.port, source=place.source, transcript=Transcript()
    )
    expect("greeting", probe.read_reply())
    for step in (probe.ehlo, probe.starttls, probe.ehlo):
        expect("greeting", step())
    expect("AUTH", probe.auth_plain(place.account))
    return probe


def _again_and_again(place: Place, once: Callable[[Place, Counter[str]], None]) -> Counter[str]:
    heard: Counter[str] = Counter()
    until = time.monotonic() + place.seconds
    while time.monotonic() < until:
        with contextlib.suppress(ConnectionLost, ReplyTimeout):
            once(place, heard)
        time.sleep(_PAUSE_SECONDS)
    return heard


def long_lines(place: Place) -> Counter[str]:
    """Send lines of 64 KiB."""

    def once(place: Place, heard: Counter[str]) -> None:
        with _signed_in(place) as probe:
            for _ in range(10):
                heard[str(probe.command(b"A" * 65536).code)] += 1

    return _again_and_again(place, once)


def thousand_recipients(place: Place) -> Counter[str]:
    """Name 1,000 recipients in a transaction."""

    def once(place: Place, heard: Counter[str]) -> None:
        with _signed_in(place) as probe:
            heard[str(probe.mail(place.account.sender).code)] += 1
            probe.send(b"".join(b"RCPT TO:<r%d@sink.example>\r\n" % n for n in range(1000)))
            for _ in range(1000):
                heard[str(probe.read_reply().code)] += 1

    return _again_and_again(place, once)


def unknown_commands(place: Place) -> Counter[str]:
    """Send 10,000 commands that do not exist."""

    def once(place: Place, heard: Counter[str]) -> None:
        # In batches that one read of the relay takes: a reset would swallow the last reply.
        with _signed_in(place) as probe:
            for _ in range(250):
                probe.send(b"FROB\r\n" * 40)
                for _ in range(40):
                    heard[str(probe.read_reply().code)] += 1

    return _again_and_again(place, once)


# Kind -> what an abuser has to hear of it, by the catalogue; the others may be heard as well.
Kinds = dict[Callable[[Place], Counter[str]], tuple[str, set[str]]]
KINDS: Kinds = {
    slowloris: ("220", {"220", "421"}),
    long_lines: ("500", {"500", "421"}),
    thousand_recipients: ("452", {"250", "452", "421"}),
    unknown_commands: ("421", {"500", "421"}),
    connection_flood: ("421", {"220", "421"}),
}


class HonestClient:
    """Submits one message after the other over one connection, and counts; a context manager."""

    def __init__(self, target: Target) -> None:
        self._account, self._recipient = target.account(), target.recipient("honest")
        header = f"From: <{self._account.sender}>\r\nTo: <{self._recipient}>\r\nSubject: honest\r\n"
        self._content = stuffed(header.encode() + b"\r\n" + b"a line of honest text\r\n" * 100)
        endpoint = target.endpoint()
        self._probe = SMTPProbe.connect(
            endpoint.addresses[0], endpoint.port, transcript=Transcript()
        )

    def __enter__(self) -> Self:
        probe = self._probe
        expect("greeting", probe.read_reply())
        for step in (probe.ehlo, probe.starttls, probe.ehlo):
            expect("greeting", step())
        expect("AUTH", probe.auth_plain(self._account))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._probe.close()

    def rate(self, seconds: float) -> float:
        """Submit for so long; return messages a second."""
        began, count, probe = time.monotonic(), 0, self._probe
        while time.monotonic() < began + seconds:
            expect("MAIL", probe.mail(self._account.sender))
            expect("RCPT", probe.rcpt(self._recipient))
            expect("DATA", probe.command("DATA"), 3)
            probe.send(self._content)
            expect("content", probe.read_reply())
            probe.transcript.events.clear()
            probe.transcript.exchanges.clear()
            count += 1
        return count / (time.monotonic() - began)


class Abuser:
    """A process that misbehaves in one way until its time is over; it can be stopped meanwhile."""

    def __init__(self, kind: Callable[[Place], Counter[str]], place: Place, core: int) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._answers = spawn.Queue()
        order = (kind, place, core, self._answers)
        self._program = spawn.Process(target=_abuse, args=order, daemon=True)
        self._program.start()
        self._answers.get(timeout=60)

    def stop(self) -> None:
        """Let it do nothing; what it has open stays open."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it do what it does."""
        self._signal(signal.SIGCONT)

    def heard(self, seconds: float) -> Counter[str]:
        """Return the replies it got, once it has ended."""
        found: Counter[str] = self._answers.get(timeout=seconds)
        self._program.join(seconds)
        return found

    def _signal(self, number: signal.Signals) -> None:
        assert self._program.pid is not None
        os.kill(self._program.pid, number)


def _abuse(kind: Callable[[Place], Counter[str]], place: Place, core: int, answers: Any) -> None:
    os.sched_setaffinity(0, {core})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_DESCRIPTORS, hard), hard))
    answers.put("ready")
    answers.put(kind(place))


@dataclass(frozen=True, slots=True)
class Share:
    """The abused relay's part of the other's rate: the median, and where it lies 19 times of 20."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, shares: Sequence[float]) -> Self:
        """Judge by pairs of turns, of which any may have met a machine that was busy elsewhere."""
        ranked, count = sorted(shares), len(shares)
        # The rank of a median is a binomial's: normal enough for the dozens there are.
        reach = 0.98 * math.sqrt(count)
        low, high = max(0, math.floor(count / 2 - reach)), math.ceil(count / 2 + reach)
        return cls(statistics.median(ranked), ranked[low], ranked[min(high, count - 1)])

    @property
    def exit_code(self) -> ExitCode:
        """Whether it is enough, is not, or cannot be told from so few turns."""
        if self.low >= KEPT_RATE:
            return ExitCode.CONFORMANT
        return ExitCode.NOT_CONFORMANT if self.high < KEPT_RATE else ExitCode.INCONCLUSIVE


def _turns(
    abused: HonestClient, peaceful: HonestClient, abuser: Abuser, seconds: float
) -> list[float]:
    """Submit to both relays in turn; return the abused one's shares of the other's rate."""

    def during() -> float:
        abuser.go_on()
        found = abused.rate(_TURN_SECONDS)
        abuser.stop()
        return found

    until = time.monotonic() + seconds
    shares = []
    while time.monotonic() < until:
        # Each begins every other pair, so that what drifts favours neither.
        first = during()
        shares.append(first / peaceful.rate(_TURN_SECONDS))
        usual = peaceful.rate(_TURN_SECONDS)
        shares.append(during() / usual)
    abuser.go_on()
    return shares


def core_for_abuse() -> int:
    """Keep this process and all it starts off one core, and return that one.

    Raises:
        NotAvailable: There is but one: whoever abuses would take from it what the relay needs.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1:
        raise NotAvailable("an abuser needs a core of its own, and this machine has one")
    os.sched_setaffinity(0, cores[:-1])
    return cores[-1]


def run(
    kinds: Kinds, target: Target, twin: Target, core: int, connections: int, seconds: float
) -> ExitCode:
    """Run every kind of abuse; print a line each.

    Args:
        kinds: Those of `KINDS` to run.
        target: An embedded relay.
        twin: Another that is left in peace.
        core: Where abusers run.
        connections: How many connections slow and flooding clients hold.
        seconds: How long each kind goes on; the abuser works half of it.

    Returns:
        Whether honest mail kept its rate, memory its bound, and abusers heard what they must; it
        is inconclusive where the machine was too busy for so few turns.

    Raises:
        NotAvailable: The relay is not ours, or this machine has no second client address.
    """
    relay = target.relay
    if relay is None:
        raise NotAvailable("the relay's process is not ours")
    source = target.client_address("primary-only")
    place = Place(target.endpoint(), target.account("second"), source, connections, seconds)
    verdicts = []
    with HonestClient(target) as abused, HonestClient(twin) as peaceful:
        for client in (abused, peaceful):
            client.rate(1.0)
        for kind, (due, allowed) in kinds.items():
            before = resident_octets(relay)
            abuser = Abuser(kind, place, core)
            share = Share.of(_turns(abused, peaceful, abuser, seconds))
            grown = resident_octets(relay) - before
            heard = abuser.heard(60 + 3 * seconds)
            verdict = share.exit_code
            if grown >= MEMORY_OCTETS or due not in heard or not set(heard) <= allowed:
                verdict = ExitCode.NOT_CONFORMANT
            verdicts.append(verdict)
            told = ", ".join(f"{count} of {code}" for code, count in heard.most_common())
            sys.stdout.write(
                f"{_WORDS[verdict]:<8}{kind.__name__:<20} honest mail keeps {share.median:.0%}"
                f" of its rate ({share.low:.0%} to {share.high:.0%}),"
                f" memory {grown / 2**20:+.1f} MiB, abusers heard {told}\n"
            )
            sys.stdout.flush()
    return next(
        (code for code in (ExitCode.NOT_CONFORMANT, ExitCode.INCONCLUSIVE) if code in verdicts),
        ExitCode.CONFORMANT,
    )


def main() -> int:
    """Exit 0 if all is kept, 1 if not, 3 where it cannot be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--only", choices=[kind.__name__ for kind in KINDS], help="one kind")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each; default: %(default)s")
    options = parser.parse_args()
    profile = load_profile("seed-2025")
    kinds = {kind: due for kind, due in KINDS.items() if options.only in {None, kind.__name__}}
    try:
        core = core_for_abuse()
        with open_target(profile) as target, open_target(profile) as twin:
            return run(kinds, target, twin, core, options.connections, options.seconds)
    except NotAvailable as reason:
        sys.stdout.write(f"inconclusive: {reason}\n")
        return ExitCode.INCONCLUSIVE


if __name__ == "__main__":
    sys.exit(main())
