"""`python -m fake_dns.worker`: one more process on the ports of a FakeDNS, told what to do."""

from __future__ import annotations

import sys
import threading
from collections import Counter, deque
from typing import IO, Final

from fake_dns.clock import Clock
from fake_dns.fault_book import FaultBook
from fake_dns.query_log import Entry
from fake_dns.responder import Responder
from fake_dns.server import Server
from fake_dns.serving import Ports, ServingThread, bind_exactly
from fake_dns.sockets import CannotListen
from fake_dns.workers import Done, Flush, State, Told, WorkerSettings, receive, send
from fake_dns.zone_set import Publication, ZoneSet

# Often enough for a log that is written live, seldom enough to cost nothing.
TELL_SECONDS: Final = 0.05


class _Outbox:
    """Collects what was asked and sends it on."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream: Final = stream
        self._lock: Final = threading.Lock()
        self._entries: Final[deque[Entry]] = deque()
        self._counted: Counter[str] = Counter()

    def record(self, entry: Entry) -> None:
        """Keep one query until it is told."""
        self._entries.append(entry)

    def tell(self, counters: Counter[str], *, is_done: bool = False) -> None:
        """Send what came since the last time."""
        with self._lock:
            entries = [self._entries.popleft() for _ in range(len(self._entries))]
            counted = Counter(counters)
            if entries or counted != self._counted:
                send(self._stream, Told(tuple(entries), counted - self._counted))
                self._counted = counted
            if is_done:
                send(self._stream, Done())


def main(commands: IO[bytes], answers: IO[bytes]) -> int:
    """Serve as told until the pipe ends.

    Args:
        commands: Settings first, then states and flushes.
        answers: What was asked, and that each command is carried out.
    """
    settings = receive(commands)
    if not isinstance(settings, WorkerSettings):
        raise TypeError(settings)
    clock, faults, outbox = Clock(), FaultBook(), _Outbox(answers)
    responder = Responder(
        Publication(ZoneSet()), faults, outbox, udp_octets=settings.udp_octets, now=clock
    )
    serving: ServingThread | None = None
    ended = threading.Event()

    def tell_now_and_then() -> None:
        while not ended.wait(TELL_SECONDS):
            outbox.tell(responder.counters)

    teller = threading.Thread(target=tell_now_and_then, daemon=True)
    try:
        while True:
            match receive(commands):
                case State() as state:
                    clock.added, faults.rules = state.clock_added, state.rules
                    responder.publication = state.publication
                    if serving is None:
                        serving = _start(settings, responder)
                        teller.start()
                case Flush():
                    pass
                case other:
                    raise TypeError(other)
            outbox.tell(responder.counters, is_done=True)
    except EOFError:
        return 0
    except CannotListen as error:
        sys.stderr.write(f"fake-dns: worker: {error}\n")
        return 2
    finally:
        ended.set()
        if serving is not None:
            serving.stop()


def _start(settings: WorkerSettings, responder: Responder) -> ServingThread:
    listening = [
        bind_exactly(server, settings.address, Ports(port, tls_port, is_shared=True))
        for server, port, tls_port in settings.ports
    ]
    context = settings.certificate.context() if settings.certificate else None
    serving = ServingThread(Server(responder, listening, context), settings.event_loop)
    serving.start()
    return serving


if __name__ == "__main__":
    sys.exit(main(sys.stdin.buffer, sys.stdout.buffer))
