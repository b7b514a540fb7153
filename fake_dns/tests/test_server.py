"""The running server, asked by dnspython and by dig over real sockets."""

import shutil
import socket
import subprocess
import threading
import time

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import pytest

from fake_dns import (
    CannotListen,
    Delay,
    FakeDNS,
    Garbled,
    NotAsked,
    Refused,
    ServerFailure,
    Silence,
    Truncated,
    Zone,
    ZoneError,
)
from fake_dns.tests.asking import KEY, RECORDS, resolver, udp


def test_a_resolver_gets_answers_and_falls_back_to_tcp(dns_server: FakeDNS) -> None:
    """A key of 2 kB is truncated over UDP, fetched over TCP and whole."""
    answer = resolver(dns_server).resolve("s._domainkey.example.com", "TXT")
    assert b"".join(next(iter(answer)).strings).decode() == KEY
    assert [query.transport for query in dns_server.queries()] == ["udp", "tcp"]


def test_a_resolver_tells_no_name_from_no_such_type(dns_server: FakeDNS) -> None:
    """NXDOMAIN and NODATA are different exceptions of dnspython."""
    own = resolver(dns_server)
    with pytest.raises(dns.resolver.NXDOMAIN):
        own.resolve("missing.example.com", "A")
    with pytest.raises(dns.resolver.NoAnswer):
        own.resolve("mx1.example.com", "TXT")
    assert own.resolve("www.example.com", "A").canonical_name.to_text() == "example.com."


def test_many_ask_at_once(dns_server: FakeDNS) -> None:
    """Eight threads with fifty questions each: every reply is to the question asked."""
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(50):
                reply = udp(dns_server, f"n{number}-{i}.example.com")
                assert reply.rcode() == dns.rcode.NXDOMAIN
        except BaseException as error:  # reported by the main thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert len(dns_server.queries()) == 400


def test_junk_is_counted_and_does_no_harm(dns_server: FakeDNS) -> None:
    """Packets that are no question are rejected or dropped; the next question is answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(5)
        client.connect((dns_server.address, dns_server.port))
        for junk in (b"", b"x", b"\xff" * 40, b"\x00" * 12):
            client.send(junk)
        assert client.recv(600)[3] & 0xF == dns.rcode.FORMERR
    assert udp(dns_server, "example.com").answer
    assert dns_server.counters == {"answered": 1, "rejected": 1, "dropped": 3}


def test_zones_change_while_it_runs(fake_dns: FakeDNS) -> None:
    """Added, replaced whole, removed; adding twice is refused and the running zone stays."""
    assert udp(fake_dns, "example.com").rcode() == dns.rcode.REFUSED
    fake_dns.add(Zone("example.com", RECORDS))
    assert udp(fake_dns, "example.com").answer
    with pytest.raises(ZoneError, match="twice"):
        fake_dns.add(Zone("EXAMPLE.com", {}))
    assert udp(fake_dns, "example.com").answer
    fake_dns.replace(Zone("example.com", {"new": {"A": "127.0.0.9"}}))
    assert udp(fake_dns, "new.example.com").answer
    assert udp(fake_dns, "mx1.example.com").rcode() == dns.rcode.NXDOMAIN
    assert fake_dns.remove("example.com")
    assert not fake_dns.remove("example.com")
    assert udp(fake_dns, "new.example.com").rcode() == dns.rcode.REFUSED


def test_the_log_waits_for_a_query(dns_server: FakeDNS) -> None:
    """Asked later by another thread, it is found in time; what nobody asks is not."""
    later = threading.Timer(0.05, udp, (dns_server, "WWW.example.com", "MX"))
    later.start()
    query = dns_server.wait_for("www.example.com.", "mx", within=5)
    later.join()
    assert (query.name, query.type, query.transport) == ("WWW.example.com", "MX", "udp")
    assert query.rcode == "NOERROR"
    with pytest.raises(
        NotAsked, match=r"nobody asked for a\.example.*WWW\.example\.com MX \(udp\)"
    ):
        dns_server.wait_for("a.example", within=0.01)
    with pytest.raises(NotAsked):
        dns_server.wait_for("www.example.com", "MX", within=0.01, after=query)
    dns_server.forget_queries()
    assert dns_server.queries() == ()


def test_the_log_is_filtered(dns_server: FakeDNS) -> None:
    """By name in any case, type and transport; an unknown transport is an error."""
    udp(dns_server, "example.com", "A")
    udp(dns_server, "example.com", "MX")
    udp(dns_server, "www.example.com", "A")
    assert len(dns_server.queries("Example.COM.")) == 2
    assert len(dns_server.queries(type="a")) == 2
    assert len(dns_server.queries("example.com", "MX", "udp")) == 1
    assert dns_server.queries(transport="tcp") == ()
    with pytest.raises(ValueError, match="quic"):
        dns_server.queries(transport="quic")


def test_planned_faults_reach_a_real_client(dns_server: FakeDNS) -> None:
    """Each fault is seen for what it is, once, and then the server behaves again."""
    dns_server.inject(ServerFailure(), name="example.com", type="a", times=1)
    assert udp(dns_server, "example.com").rcode() == dns.rcode.SERVFAIL
    assert udp(dns_server, "example.com").answer
    dns_server.inject(Refused(), times=1)
    assert udp(dns_server, "example.com").rcode() == dns.rcode.REFUSED
    dns_server.inject(Silence(), times=1)
    with pytest.raises(dns.exception.Timeout):
        udp(dns_server, "example.com", timeout=0.2)
    assert dns_server.queries()[-1].rcode is None
    dns_server.inject(Garbled(), times=1)
    with pytest.raises(dns.exception.FormError):
        udp(dns_server, "example.com")
    dns_server.inject(Delay(0.15), times=1)
    before = time.monotonic()
    assert udp(dns_server, "example.com").answer
    assert time.monotonic() - before >= 0.15
    dns_server.inject(Truncated(), name="example.com")
    dns_server.forget_queries()
    assert len(resolver(dns_server).resolve("example.com", "A")) == 1
    assert [query.transport for query in dns_server.queries()] == ["udp", "tcp"]
    dns_server.clear_faults()


def test_a_fault_that_cannot_match_is_refused(fake_dns: FakeDNS) -> None:
    """No such type, no such transport, and zero times are mistakes of the test."""
    with pytest.raises(ValueError, match="NOPE"):
        fake_dns.inject(Silence(), type="NOPE")
    with pytest.raises(ValueError, match="quic"):
        fake_dns.inject(Silence(), transport="quic")
    with pytest.raises(ValueError, match="at least 1"):
        fake_dns.inject(Silence(), times=0)


def test_it_starts_again_after_stopping() -> None:
    """Stopped, nothing answers and every socket is closed; started again, it serves."""
    server = FakeDNS([Zone("example.com", RECORDS)])
    server.stop()
    for _ in range(2):
        with server:
            assert udp(server, "example.com").answer
            with pytest.raises(RuntimeError, match="running"):
                server.start()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((server.address, server.port), timeout=1)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_port_in_use_is_one_clear_error(kind: socket.SocketKind) -> None:
    """Taken for UDP or for TCP: address, port, and what to do."""
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"127\.0\.0\.1, port {port}: port in use"):
            FakeDNS(port=port).start()


@pytest.mark.parametrize("address", ["192.0.2.1", "nonsense"])
def test_an_address_that_is_not_here_is_one_clear_error(address: str) -> None:
    """Not of this machine, or no address at all."""
    with pytest.raises(CannotListen, match=f"address {address}, port 0: .*expected|address of"):
        FakeDNS(address=address).start()


def test_it_serves_over_ipv6() -> None:
    """The same over ::1, where the machine has it."""
    server = FakeDNS([Zone("example.com", RECORDS)], address="::1")
    try:
        server.start()
    except CannotListen:
        pytest.skip("no IPv6 loopback on this machine")
    try:
        assert udp(server, "example.com").answer
        assert server.queries()[0].client[0] == "::1"
    finally:
        server.stop()


@pytest.mark.skipif(shutil.which("dig") is None, reason="dig is not installed")
def test_dig_sees_what_the_zone_says(dns_server: FakeDNS) -> None:
    """An independent client: values, TCP after truncation, status of a missing name."""

    def dig(*words: str) -> str:
        command = ["dig", f"@{dns_server.address}", "-p", str(dns_server.port), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
        assert "Warning" not in done.stdout + done.stderr
        assert "malformed" not in done.stdout + done.stderr
        return done.stdout

    assert dig("+short", "www.example.com", "A").split() == ["example.com.", "127.0.0.1"]
    assert dig("+short", "example.com", "MX").strip() == "10 mx1.example.com."
    assert dig("+short", "s._domainkey.example.com", "TXT").count('"') == 2 * 8
    assert "status: NXDOMAIN" in dig("missing.example.com")
    assert dns_server.queries("s._domainkey.example.com", transport="tcp")
    assert "status: NOTIMP" in dig("+opcode=notify", "example.com", "SOA")
    assert "status: BADVERS" in dig("+edns=1", "+noednsneg", "example.com")
