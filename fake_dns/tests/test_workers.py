"""Several processes on one port answer as one."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import dns.message
import dns.query
import dns.rcode
import pytest

from fake_dns import (
    CannotListen,
    Clock,
    FakeDNS,
    Options,
    Refused,
    Rotating,
    ServerFailure,
    Zone,
)


@pytest.fixture(scope="module")
def three() -> Iterator[FakeDNS]:
    """Three processes, one zone, TLS too."""
    zone = Zone("example.com", {"@": {"A": "127.0.0.1"}})
    with FakeDNS([zone], tls=True, options=Options(workers=3)) as server:
        yield server


def rcodes(server: FakeDNS, name: str = "example.com", count: int = 40) -> set[str]:
    """What many clients are told; each comes from a port of its own, so all workers are asked."""
    query = dns.message.make_query(name, "A")
    replies = (
        dns.query.udp(query, server.address, port=server.port, timeout=10) for _ in range(count)
    )
    return {dns.rcode.to_text(reply.rcode()) for reply in replies}


def test_every_worker_answers_by_the_same_state(three: FakeDNS) -> None:
    """A change is everywhere when the call returns; so is a rollback."""
    snapshot = three.snapshot()
    assert rcodes(three) == {"NOERROR"}
    three.replace(Zone("example.com", {"www": {"A": "127.0.0.2"}}))
    assert rcodes(three, "www.example.com") == {"NOERROR"}
    number = three.inject(Refused(), name="www.example.com")
    assert rcodes(three, "www.example.com") == {"REFUSED"}
    assert three.withdraw(number)
    three.inject(ServerFailure())
    assert rcodes(three) == {"SERVFAIL"}
    three.rollback(snapshot)
    assert rcodes(three, "www.example.com") == {"NXDOMAIN"}


def test_the_log_is_whole(three: FakeDNS) -> None:
    """Every query of every worker is there as soon as its reply is."""
    three.forget_queries()
    before = three.counters["answered"]
    rcodes(three, "counted.example.com", 60)
    assert len(three.queries("counted.example.com")) == 60
    assert three.counters["answered"] == before + 60
    assert three.wait_for("counted.example.com", within=1).type == "A"


def test_the_clock_is_one(three: FakeDNS) -> None:
    """What becomes visible does so in every process."""
    snapshot = three.snapshot()
    later = {"values": "127.0.0.1", "from": "+1h"}
    three.replace(Zone("later.example", {"@": {"A": later, "TXT": "x"}}))
    query = dns.message.make_query("later.example", "A")
    for seconds, count in ((0, 0), (3600, 1)):
        three.advance(seconds)
        for _ in range(20):
            reply = dns.query.udp(query, three.address, port=three.port, timeout=10)
            assert len(reply.answer) == count
    three.rollback(snapshot)


def test_workers_take_tcp_and_tls(three: FakeDNS) -> None:
    """All listen on the same numbers."""
    assert three.tls_port is not None
    query = dns.message.make_query("example.com", "A")
    for _ in range(10):
        assert dns.query.tcp(query, three.address, port=three.port, timeout=10).answer
        assert dns.query.tls(
            query, three.address, port=three.tls_port, timeout=10, verify=False
        ).answer


def test_what_only_one_process_can_do_is_refused(three: FakeDNS) -> None:
    """Counting faults, resolvers, a clock that is not real time."""
    for arguments in ({"times": 2}, {"repeat": True}):
        with pytest.raises(ValueError, match="one worker to count"):
            three.inject(Refused(), None, **arguments)
    with pytest.raises(ValueError, match="one worker to count"):
        three.inject(Rotating())
    with pytest.raises(ValueError, match="no clock but real time"):
        FakeDNS(now=Clock.stopped(), options=Options(workers=2))
    with pytest.raises(ValueError, match="no resolvers"):
        FakeDNS(resolvers=["cache"], options=Options(workers=2))


def test_a_port_in_use_is_not_shared_with_a_stranger() -> None:
    """Even when the stranger would share it."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"port {port}: port in use"):
            FakeDNS(port=port, options=Options(workers=2)).start()
