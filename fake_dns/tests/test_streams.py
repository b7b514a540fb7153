"""TCP and TLS: framing, pipelines, slow and rude clients, on each event loop."""

import socket
import ssl
import struct
import sys
import time
from contextlib import suppress

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.resolver
import pytest

from fake_dns import (
    Delay,
    EventLoop,
    FakeDNS,
    Options,
    Reset,
    Zone,
)
from fake_dns.tests.asking import RECORDS, has_ended, udp


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


def test_a_delay_over_tcp_does_not_hold_up_the_others(dns_server: FakeDNS) -> None:
    """Pipelined queries may be answered out of order (RFC 7766 §7)."""
    dns_server.inject(Delay(0.3), name="example.com", times=1)
    slow, quick = (dns.message.make_query(n, "A") for n in ("example.com", "mx1.example.com"))
    with socket.create_connection((dns_server.address, dns_server.port), timeout=5) as connection:
        for query in (slow, quick):
            dns.query.send_tcp(connection, query.to_wire())
        replies = [dns.query.receive_tcp(connection, time.time() + 5)[0] for _ in range(2)]
    assert [reply.id for reply in replies] == [quick.id, slow.id]


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
