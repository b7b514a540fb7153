"""`python -m conformance.robustness.abuse`: does honest mail keep its rate while others misbehave?

Starts the embedded relay, lets an honest client submit in lock-step, and runs one kind of abuse
after the other from a process of its own and from another address. Prints for each: the honest
rate beside it as a share of the rate before, what the relay's memory grew by, what abusers heard.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from conformance.robustness.crowd import SlowClient, keep_trickling
from conformance.verdict import ExitCode
from fixtures.probe import ConnectionLost, ReplyTimeout, SMTPProbe, expect, stuffed
from fixtures.profile import load_profile
from fixtures.scarcity import resident_octets
from fixtures.target import Account, NotAvailable, Target, TargetEndpoint
from fixtures.transcript import Transcript
from fixtures.world import open_target

KEPT_RATE = 0.8
MEMORY_OCTETS = 96 << 20
# Ours: abuse that is over in a moment is repeated, with a pause, until the window is over.
_PAUSE_SECONDS = 0.25
_DESCRIPTORS = 4096


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
    """Connect as fast as one process can, up to twice the places an address has; keep them."""
    heard: Counter[str] = Counter()
    until = time.monotonic() + place.seconds
    with contextlib.ExitStack() as stack:
        address = (place.endpoint.addresses[0], place.endpoint.port)
        for _ in range(2 * place.connections):
            if time.monotonic() > until:
                break
            try:
                one = socket.create_connection(address, 5, (place.source, 0))
            except OSError:
                heard["refused"] += 1
                continue
            stack.enter_context(one)
            one.settimeout(5)
            try:
                heard[one.recv(3).decode("ascii", "replace") or "closed"] += 1
            except OSError:
                heard["silence"] += 1
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
KINDS: dict[Callable[[Place], Counter[str]], tuple[str, set[str]]] = {
    slowloris: ("220", {"220", "421"}),
    long_lines: ("500", {"500", "421"}),
    thousand_recipients: ("452", {"250", "452", "421"}),
    unknown_commands: ("421", {"500", "421"}),
    connection_flood: ("421", {"220", "421"}),
}


@contextlib.contextmanager
def honest_client(target: Target) -> Iterator[Callable[[float], float]]:
    """Give a function that submits in lock-step for so many seconds and returns mails a second."""
    endpoint, account, recipient = target.endpoint(), target.account(), target.recipient("honest")
    probe = SMTPProbe.connect(endpoint.addresses[0], endpoint.port, transcript=Transcript())
    header = f"From: <{account.sender}>\r\nTo: <{recipient}>\r\nSubject: honest\r\n\r\n"
    content = stuffed(header.encode() + b"a line of honest text\r\n" * 100)

    def rate(seconds: float) -> float:
        began, count = time.monotonic(), 0
        while time.monotonic() < began + seconds:
            expect("MAIL", probe.mail(account.sender))
            expect("RCPT", probe.rcpt(recipient))
            expect("DATA", probe.command("DATA"), 3)
            probe.send(content)
            expect("content", probe.read_reply())
            probe.transcript.events.clear()
            probe.transcript.exchanges.clear()
            count += 1
        return count / (time.monotonic() - began)

    with probe:
        expect("greeting", probe.read_reply())
        for step in (probe.ehlo, probe.starttls, probe.ehlo):
            expect("greeting", step())
        expect("AUTH", probe.auth_plain(account))
        yield rate


def _abuse(kind: Callable[[Place], Counter[str]], place: Place, answers: Any) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(_DESCRIPTORS, hard), hard))
    answers.put(kind(place))


def run(target: Target, connections: int, seconds: float) -> bool:
    """Run every kind of abuse; print a line each.

    Args:
        target: An embedded relay.
        connections: How many connections slow and flooding clients hold.
        seconds: How long each kind goes on.

    Returns:
        Whether honest mail kept its rate, memory its bound, and abusers heard what they must.

    Raises:
        NotAvailable: The relay is not ours, or this machine has no second client address.
    """
    relay = target.relay
    if relay is None:
        raise NotAvailable("the relay's process is not ours")
    source = target.client_address("primary-only")
    place = Place(target.endpoint(), target.account("second"), source, connections, seconds)
    spawn = multiprocessing.get_context("spawn")
    is_kept = True
    with honest_client(target) as rate:
        rate(1.0)
        for kind, (due, allowed) in KINDS.items():
            before_octets, before = resident_octets(relay), rate(seconds / 2)
            answers = spawn.Queue()
            abuser = spawn.Process(target=_abuse, args=(kind, place, answers), daemon=True)
            abuser.start()
            during = rate(seconds)
            grown = resident_octets(relay) - before_octets
            heard: Counter[str] = answers.get(timeout=60 + 3 * seconds)
            abuser.join(30)
            # Rates drift on a busy machine: what it is after counts like what it was before.
            usual = (before + rate(seconds / 2)) / 2
            share = during / usual
            is_good = share >= KEPT_RATE and grown < MEMORY_OCTETS
            is_good = is_good and due in heard and set(heard) <= allowed
            is_kept = is_kept and is_good
            told = ", ".join(f"{count} of {code}" for code, count in heard.most_common())
            sys.stdout.write(
                f"{'ok' if is_good else 'MISSED':<7}{kind.__name__:<20} honest mail"
                f" {during:.0f}/s of {usual:.0f}/s ({share:.0%}), memory {grown / 2**20:+.1f} MiB,"
                f" abusers heard {told}\n"
            )
            sys.stdout.flush()
    return is_kept


def main() -> int:
    """Exit 0 if all is kept, 1 if not, 3 where it cannot be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=12.0, help="of each; default: %(default)s")
    options = parser.parse_args()
    try:
        with open_target(load_profile("seed-2025")) as target:
            is_kept = run(target, options.connections, options.seconds)
    except NotAvailable as reason:
        sys.stdout.write(f"inconclusive: {reason}\n")
        return ExitCode.INCONCLUSIVE
    return ExitCode.CONFORMANT if is_kept else ExitCode.NOT_CONFORMANT


if __name__ == "__main__":
    sys.exit(main())
