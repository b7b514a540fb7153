"""What runs when a FakeDNS runs: sockets, a thread in this process, workers in others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from fake_dns.certificate import Certificate
from fake_dns.responder import Responder
from fake_dns.server import Server
from fake_dns.serving import Endpoint, EventLoop, Ports, ServingThread, bind_all
from fake_dns.sockets import Listening
from fake_dns.workers import OnTold, State, WorkerPool, WorkerSettings


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which servers are to run, and where."""

    servers: tuple[str, ...]
    address: str
    ports: Ports
    certificate: Certificate | None
    event_loop: EventLoop


class Fleet:
    """All that answers for one FakeDNS, between start and stop."""

    def __init__(self, wanted: Wanted, responder: Responder, processes: int) -> None:
        self._wanted: Final = wanted
        self._responder: Final = responder
        self._processes: Final = processes
        self._thread: ServingThread | None = None
        self._workers: WorkerPool | None = None

    def start(self, state: State, on_told: OnTold) -> dict[str, Endpoint]:
        """Bind, serve, and say where.

        Raises:
            CannotListen: Port in use, no permission, or no address of this machine.
            ImportError: uvloop is asked for and not installed.
        """
        wanted = self._wanted
        ports = replace(wanted.ports, is_shared=self._processes > 1)
        context = wanted.certificate.context() if wanted.certificate else None
        listening = bind_all(wanted.servers, wanted.address, ports)
        try:
            server = Server(self._responder, listening, context)
            thread = ServingThread(server, wanted.event_loop)
        except BaseException:
            for one in listening:
                one.close()
            raise
        thread.start()
        self._thread = thread
        if self._processes > 1:
            self._start_workers(listening, state, on_told)
        return {one.server: Endpoint(wanted.address, one.port, one.tls_port) for one in listening}

    def _start_workers(
        self, listening: tuple[Listening, ...], state: State, on_told: OnTold
    ) -> None:
        settings = WorkerSettings(
            self._wanted.address,
            tuple((one.server, one.port, one.tls_port) for one in listening),
            self._wanted.certificate,
            self._responder.udp_octets,
            self._wanted.event_loop,
        )
        self._workers = WorkerPool(self._processes - 1, settings, on_told)
        try:
            self._workers.publish(state)
        except BaseException:
            self.stop()
            raise

    def publish(self, state: State) -> None:
        """Have every worker answer by this state; returns when it does.

        Raises:
            CannotListen: A worker is gone.
        """
        if self._workers is not None:
            self._workers.publish(state)

    def flush(self) -> None:
        """Have every worker tell what was asked so far.

        Raises:
            CannotListen: A worker is gone.
        """
        if self._workers is not None:
            self._workers.flush()

    def stop(self) -> None:
        """Close every socket; end the thread and the workers."""
        if self._workers is not None:
            self._workers.stop()
            self._workers = None
        if self._thread is not None:
            self._thread.stop()
            self._thread = None
