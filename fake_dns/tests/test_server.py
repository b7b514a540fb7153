"""The running server, asked by dnspython and by dig over real sockets."""

import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import pytest

from fake_dns import (
    CannotListen,
    Delay,
    EventLoop,
    FakeDNS,
    Garbled,
    NotAsked,
    Options,
    Refused,
    Reset,
    ServerFailure,
    Silence,
    Truncated,
    Zone,
    ZoneError,
)

KEY = "v=DKIM1; p=" + "k" * 2000
RECORDS = {
    "@": {"A": "127.0.0.1", "MX": ["10 mx1"], "TXT": "v=spf1 -all"},
    "mx1": {"A": "127.0.3.1"},
    "www": {"CNAME": "@"},
    "s._domainkey": {"TXT": KEY},
}


@pytest.fixture(params=[EventLoop.ASYNCIO, EventLoop.UVLOOP], ids=str)
def dns_server(request: pytest.FixtureRequest) -> Iterator[FakeDNS]:
    """A running server with one zone, on each of the loops that are here."""
    if request.param is EventLoop.UVLOOP:
        pytest.importorskip("uvloop")
    options = Options(event_loop=request.param)
    with FakeDNS([Zone("example.com", RECORDS)], tls=True, options=options) as server:
        yield server


def udp(server: FakeDNS, name: str, type: str = "A", timeout: float = 5.0) -> dns.message.Message:
    """Ask over UDP."""
    query = dns.message.make_query(name, type)
    return dns.query.udp(query, server.address, port=server.port, timeout=timeout)


def resolver(server: FakeDNS) -> dns.resolver.Resolver:
    """A stub resolver that knows this server alone."""
    own = dns.resolver.Resolver(configure=False)
    own.nameservers = [server.address]
    own.port = server.port
    own.lifetime = 5.0
    return own


def has_ended(connection: socket.socket) -> bool:
    """Whether the server ends the connection, in either way, before the time-out."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


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


def test_udp_and_tcp_share_one_number(dns_server: FakeDNS) -> None:
    """The same port answers on both."""
    query = dns.message.make_query("example.com", "A")
    for ask in (dns.query.udp, dns.query.tcp):
        assert ask(query, dns_server.address, port=dns_server.port, timeout=5).answer


def test_tcp_answers_pipelined_queries_in_any_framing(dns_server: FakeDNS) -> None:
    """Three queries in one segment, then one octet at a time, on one connection."""
    queries = [dns.message.make_query("example.com", type) for type in ("A", "MX", "TXT")]
    octets = b"".join(struct.pack("!H", len(q.to_wire())) + q.to_wire() for q in queries)
    with socket.create_connection((dns_server.address, dns_server.port), timeout=5) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for segments in ([octets], [octets[i : i + 1] for i in range(len(octets))]):
            for segment in segments:
                connection.sendall(segment)
            for query in queries:
                reply, _ = dns.query.receive_tcp(connection, time.time() + 5)
                assert query.is_response(reply)


def test_a_client_that_never_reads_does_not_fill_memory(dns_server: FakeDNS) -> None:
    """The server stops reading when its replies are not taken, and goes on when they are."""
    query = dns.message.make_query("s._domainkey.example.com", "TXT").to_wire()
    framed = struct.pack("!H", len(query)) + query
    sent = 0
    with socket.create_connection((dns_server.address, dns_server.port), timeout=0.5) as connection:
        with suppress(TimeoutError):
            while sent < 64 * 1024 * 1024:
                sent += connection.send(framed * 200)
        assert sent < 64 * 1024 * 1024
        before = dns_server.counters["answered"]
        assert before * 2000 < 32 * 1024 * 1024
        connection.settimeout(5)
        while dns_server.counters["answered"] == before:
            assert connection.recv(1 << 20)


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


def test_a_delay_over_tcp_does_not_hold_up_the_others(dns_server: FakeDNS) -> None:
    """Pipelined queries may be answered out of order (RFC 7766 §7)."""
    dns_server.inject(Delay(0.3), name="example.com", times=1)
    slow, quick = (dns.message.make_query(n, "A") for n in ("example.com", "mx1.example.com"))
    with socket.create_connection((dns_server.address, dns_server.port), timeout=5) as connection:
        for query in (slow, quick):
            dns.query.send_tcp(connection, query.to_wire())
        replies = [dns.query.receive_tcp(connection, time.time() + 5)[0] for _ in range(2)]
    assert [reply.id for reply in replies] == [quick.id, slow.id]


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


def test_stopping_does_not_wait_for_clients_or_delays(dns_server: FakeDNS) -> None:
    """An open connection and a reply held back for a minute end at once."""
    dns_server.inject(Delay(60))
    with socket.create_connection((dns_server.address, dns_server.port), timeout=5) as connection:
        dns.query.send_tcp(connection, dns.message.make_query("example.com", "A").to_wire())
        dns_server.wait_for("example.com", "A")
        before = time.monotonic()
        dns_server.stop()
        assert time.monotonic() - before < 5
        assert has_ended(connection)


def test_an_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 7766 §6.2.3: a server may end a connection that says nothing."""
    monkeypatch.setattr("fake_dns.connection.IDLE_SECONDS", 0.1)
    with (
        FakeDNS() as server,
        socket.create_connection((server.address, server.port), timeout=5) as connection,
    ):
        assert has_ended(connection)


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


def test_tls_carries_many_queries_on_one_connection(dns_server: FakeDNS) -> None:
    """RFC 7858 §3.4: one handshake, any number of questions; a reset is one here too."""
    assert dns_server.tls_port is not None
    assert dns_server.certificate is not None
    context = ssl.create_default_context(cadata=dns_server.certificate.pem.decode())
    context.set_alpn_protocols(["dot"])
    address = (dns_server.address, dns_server.tls_port)
    with (
        socket.create_connection(address, timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=dns_server.address) as connection,
    ):
        assert connection.selected_alpn_protocol() == "dot"
        for type in ("A", "MX", "TXT"):
            query = dns.message.make_query("example.com", type)
            dns.query.send_tcp(connection, query.to_wire())
            assert dns.query.receive_tcp(connection, time.time() + 5)[0].answer
        dns_server.inject(Reset(), transport="tls")
        dns.query.send_tcp(connection, query.to_wire())
        assert has_ended(connection)
    assert {query.transport for query in dns_server.queries()} == {"tls"}


def test_a_client_that_breaks_the_handshake_is_no_event(
    dns_server: FakeDNS, capfd: pytest.CaptureFixture[str]
) -> None:
    """Junk, a plain query, a hang-up: the next client is served and nothing is printed."""
    assert dns_server.tls_port is not None
    query = dns.message.make_query("example.com", "A")
    for junk in (b"", b"junk" * 50, struct.pack("!H", len(query.to_wire())) + query.to_wire()):
        address = (dns_server.address, dns_server.tls_port)
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(junk)
            if junk:
                assert drained(connection)
    reply = dns.query.tls(
        query, dns_server.address, port=dns_server.tls_port, timeout=5, verify=False
    )
    assert reply.answer
    assert capfd.readouterr() == ("", "")


def drained(connection: socket.socket) -> bool:
    """Whether the server ends the connection, an alert in front of the end or not."""
    with suppress(ConnectionResetError):
        while connection.recv(1000):
            pass
    return True


def test_a_loop_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for by name; left to choose, the server takes the other."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with pytest.raises(ImportError):
        FakeDNS(options=Options(event_loop=EventLoop.UVLOOP)).start()
    with FakeDNS([Zone("example.com", RECORDS)]) as server:
        assert udp(server, "example.com").answer
