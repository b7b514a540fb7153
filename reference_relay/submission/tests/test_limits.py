"""Each limit as a client meets it."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from reference_relay.submission.settings import Limits, Rates
from reference_relay.submission.tests.client import Client
from reference_relay.submission.tests.serving import MESSAGE, begin, served, sign_in

BOTH_LOOPS = pytest.mark.parametrize("uses_uvloop", [False, True], ids=["asyncio", "uvloop"])


def is_closed(client: Client) -> bool:
    """Wait for the end of the connection and tell whether it was one without further octets."""
    try:
        return client.socket.recv(1) == b""
    except ConnectionError:
        return True


@BOTH_LOOPS
def test_connections_of_an_address(certificate: Path, uses_uvloop: bool) -> None:
    """The one too many reads 421 4.7.0 instead of a greeting; room is made by those who go."""
    limits = Limits(connections_per_address=2)
    with (
        served(certificate, limits=limits, uses_uvloop=uses_uvloop) as serving,
        ExitStack() as stack,
    ):
        first, second, third = (stack.enter_context(serving.connect()) for _ in range(3))
        assert first.read_clear().startswith(b"220 ")
        assert second.read_clear().startswith(b"220 ")
        assert third.read_clear().startswith(b"421 4.7.0 ")
        assert is_closed(third)
        first.clear(b"QUIT\r\n")
        assert is_closed(first)
        fourth = stack.enter_context(serving.connect())
        assert fourth.read_clear().startswith(b"220 ")
        counters = serving.listener.context.counters
        assert (counters.connections, counters.refused_sessions) == (4, {"address": 1})


def test_connections_of_the_service(certificate: Path) -> None:
    """When the service is full it says so, and that it is not the client's doing."""
    with served(certificate, limits=Limits(connections=1)) as serving:
        with serving.connect() as first, serving.connect() as second:
            assert first.read_clear().startswith(b"220 ")
            assert second.read_clear().startswith(b"421 4.3.2 ")
            assert is_closed(second)
        assert serving.listener.context.counters.refused_sessions == {"full": 1}


@BOTH_LOOPS
def test_a_refused_connection_costs_no_handshake(certificate: Path, uses_uvloop: bool) -> None:
    """On an implicit TLS port it is just closed."""
    one = Limits(connections=1)
    with (
        served(certificate, limits=one, uses_uvloop=uses_uvloop) as serving,
        serving.connect() as first,
    ):
        first.read_clear()
        with Client(serving.encrypted_port) as second:
            assert is_closed(second)


def test_connections_of_a_user(certificate: Path) -> None:
    """The sign-in of the one too many ends in 421 4.7.0; other users are served."""
    limits = Limits(connections_per_user=2)
    with served(certificate, limits=limits) as serving, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(serving.session())
        third = stack.enter_context(serving.secure())
        assert sign_in(third).startswith(b"421 4.7.0 ")
        stack.enter_context(serving.session("other"))
        stack.close()
        with serving.session():
            pass


def test_a_flood_does_not_flood_the_log(
    certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Ten lines a second name who is turned away, the next says how many were not named."""
    caplog.set_level(logging.INFO)
    with served(certificate, limits=Limits(connections_per_address=1)) as serving:
        with serving.connect() as first:
            assert first.read_clear().startswith(b"220 ")

            def turned_away(times: int) -> list[str]:
                caplog.clear()
                for _ in range(times):
                    with serving.connect() as one:
                        assert one.read_clear().startswith(b"421 4.7.0 ")
                return [line for line in caplog.messages if line.startswith("turned-away ")]

            assert len(turned_away(40)) == 10
            serving.clock[0] += 1
            assert turned_away(1)[0].endswith(" unlogged=30")
        assert serving.listener.context.counters.refused_sessions == {"address": 41}


@BOTH_LOOPS
def test_the_rate_of_connections(certificate: Path, uses_uvloop: bool) -> None:
    """An address that comes too often reads 421 4.7.0, until its window has passed."""
    rates = Rates(window_seconds=60, connections_per_address=2)
    with served(certificate, rates=rates, uses_uvloop=uses_uvloop) as serving:
        for expected in (b"220 ", b"220 ", b"421 4.7.0 "):
            with serving.connect() as client:
                assert client.read_clear().startswith(expected)
        serving.clock[0] += 30
        with serving.connect() as client:
            assert client.read_clear().startswith(b"220 ")


def test_the_rate_of_messages(certificate: Path) -> None:
    """MAIL is 450 4.7.1 beyond it, in any session of the user, and nobody else's business."""
    rates = Rates(window_seconds=60, messages_per_user=2)
    with served(certificate, rates=rates) as serving, ExitStack() as stack:
        client, again, other = (
            stack.enter_context(serving.session(user)) for user in ("user", "user", "other")
        )
        for _ in range(2):
            begin(client)
            assert client.say(MESSAGE).startswith(b"250 ")
        for refused in (client, again):
            assert refused.say(b"MAIL FROM:<a@example.com>\r\n").startswith(b"450 4.7.1 ")
        begin(other)
        assert other.say(MESSAGE).startswith(b"250 ")
        serving.clock[0] += 30
        begin(again)
        assert again.say(MESSAGE).startswith(b"250 ")
        assert serving.listener.context.counters.refusals == {("MAIL", "450 4.7.1"): 2}


def test_the_rate_of_recipients(certificate: Path) -> None:
    """RCPT is 450 4.7.1 beyond it, and the recipients before it get the message."""
    rates = Rates(window_seconds=60, recipients_per_address=2)
    with served(certificate, rates=rates) as serving, serving.session() as client:
        begin(client, "RCPT")
        assert client.say(b"RCPT TO:<c@example.net>\r\n").startswith(b"250 ")
        assert client.say(b"RCPT TO:<d@example.net>\r\n").startswith(b"450 4.7.1 ")
        client.say(b"DATA\r\n")
        assert client.say(MESSAGE).startswith(b"250 ")
        (message,) = serving.spool.messages
        assert len(message.envelope.recipients) == 2


def test_failed_sign_ins(certificate: Path) -> None:
    """Beyond the free ones right and wrong are 454 4.7.0 alike, in any session, for a while."""
    limits = Limits(sign_in_failures=3)
    with served(certificate, limits=limits) as serving, ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(serving.secure())
            assert sign_in(client, is_right=False).startswith(b"535 5.7.8 ")
        client = stack.enter_context(serving.secure())
        wrong = sign_in(client, is_right=False)
        assert wrong.startswith(b"454 4.7.0 ")
        assert sign_in(client) == wrong
        stack.enter_context(serving.session("other"))
        serving.clock[0] += 1
        assert sign_in(client).startswith(b"235 ")
        counters = serving.listener.context.counters
        assert counters.refused_sign_ins == {"credentials": 3, "locked": 2}
        assert counters.sign_ins == 2


def test_who_signs_in_without_waiting_is_locked_like_anybody(certificate: Path) -> None:
    """A password that was verified before opens nothing while its user is locked (AUTH-20)."""
    limits = Limits(sign_in_failures=3)
    with served(certificate, limits=limits) as serving, ExitStack() as stack:
        stack.enter_context(serving.session())
        stack.enter_context(serving.session())
        client = stack.enter_context(serving.secure())
        for _ in range(3):
            assert sign_in(client, is_right=False).startswith(b"535 5.7.8 ")
        assert sign_in(client).startswith(b"454 4.7.0 ")
        counters = serving.listener.context.counters
        assert counters.refused_sign_ins == {"credentials": 3, "locked": 1}
        assert counters.sign_ins == 2


def test_a_user_under_attack_is_held_back_and_let_in(certificate: Path) -> None:
    """Where the user is not known yet, right and wrong take longer alike; then it is known."""
    limits = Limits(sign_in_failures_per_user=1, sign_in_delay_seconds=0.4)
    with served(certificate, limits=limits) as serving, ExitStack() as stack:
        clients = [stack.enter_context(serving.secure()) for _ in range(3)]
        seconds = []
        for client, is_right in zip(clients, (False, True, True), strict=True):
            begun = time.monotonic()
            reply = sign_in(client, is_right=is_right)
            seconds.append(time.monotonic() - begun)
            assert reply.startswith(b"235 " if is_right else b"535 ")
        assert seconds[1] >= 0.39
        assert max(seconds[0], seconds[2]) < 0.39


@pytest.mark.parametrize("uses_uvloop", [False, True])
def test_the_time_of_a_handshake(certificate: Path, uses_uvloop: bool) -> None:
    """It counts from its start, dribbling does not stretch it, and nothing is said in clear."""
    limits = Limits(handshake_seconds=0.5)
    with (
        served(certificate, limits=limits, uses_uvloop=uses_uvloop) as serving,
        serving.connect() as client,
    ):
        client.read_clear()
        # Longer than a handshake may take: the time in clear is none of it.
        client.socket.settimeout(0.7)
        with pytest.raises(TimeoutError):
            client.socket.recv(1)
        client.socket.settimeout(10)
        assert client.clear(b"STARTTLS\r\n").startswith(b"220 ")
        begun = time.monotonic()
        received = dribble(client, b"\x16\x03\x01\x02\x00\x01" + b"\0" * 500)
        assert 0.4 < time.monotonic() - begun < 5
        assert b"421" not in received


def test_the_time_of_silence_in_clear(certificate: Path) -> None:
    """An octet now and then is silence, and 421 4.4.2 ends it."""
    limits = Limits(idle_seconds=0.5)
    with served(certificate, limits=limits) as serving, serving.connect() as client:
        client.read_clear()
        assert dribble(client, b"NOOP" + b" " * 500).startswith(b"421 4.4.2 ")


def test_the_time_of_a_session(certificate: Path) -> None:
    """However busy, a session ends in 421 4.4.2."""
    limits = Limits(session_seconds=1.0)
    with served(certificate, limits=limits) as serving, serving.session() as client:
        begun = time.monotonic()
        while (reply := client.say(b"NOOP\r\n")).startswith(b"250 "):
            assert time.monotonic() - begun < 10
        assert reply.startswith(b"421 4.4.2 ")


def dribble(client: Client, octets: bytes) -> bytes:
    """Send an octet every 50 ms until the server closes; return what it said."""
    received = b""
    client.socket.settimeout(0.05)
    for octet in octets:
        try:
            client.socket.sendall(bytes([octet]))
            while piece := client.socket.recv(4096):
                received += piece
        except TimeoutError:
            continue
        except ConnectionError:
            return received
        return received
    raise AssertionError("it was never closed")


def test_who_does_not_read_is_not_answered(certificate: Path) -> None:
    """Commands are read only as fast as their replies are; none is lost (ROB-04)."""
    with served(certificate) as serving, serving.session() as client:
        client.socket.settimeout(1.0)
        sent = 0
        # Replies longer than their commands fill the buffers on the way back first.
        command = b"EHLO %s.example\r\n" % (b"x" * 60)
        with contextlib.suppress(TimeoutError):
            while sent < 400_000:
                client.queue(command * 1000)
                sent += 1000
                while client.unsent:
                    client.send_some()
        assert sent < 400_000, "the relay took everything and kept the replies"
        # What was cut in the middle goes out whole once the replies are read.
        replies = client.read_while_sending(b"QUIT\r\n")
        assert replies.endswith(b"221 2.0.0 Bye\r\n")
        assert replies.count(b"250-mx.example.net\r\n") == sent


def test_a_client_that_is_gone_leaves_no_trace(certificate: Path) -> None:
    """Places are given back however a connection ends."""
    limits = Limits(connections_per_address=3, connections_per_user=3)
    with served(certificate, limits=limits) as serving:
        for _ in range(10):
            client = serving.session()
            # RST instead of FIN.
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            client.socket.close()
            deadline = time.monotonic() + 5
            while serving.listener.connections:
                assert time.monotonic() < deadline
                time.sleep(0.005)
        assert serving.listener.context.guard.connections == 0
