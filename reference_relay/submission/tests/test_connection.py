"""The two TLS faults that asyncio's own upgrades have, and the edge's duties, on real sockets."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reference_relay.queue.queued_message import QueuedMessage
from reference_relay.service.address_set import AddressSet
from reference_relay.service.cbr import Context, Rule, Zone
from reference_relay.service.directory import Directory
from reference_relay.service.endpoints import Endpoint, EndpointType
from reference_relay.service.model import (
    Configuration,
    Instance,
    Standing,
    User,
    VerificationState,
)
from reference_relay.submission.context import SubmissionContext
from reference_relay.submission.listener import Listener
from reference_relay.submission.settings import Limits
from reference_relay.submission.tests.client import Client, throw_away_certificate
from reference_relay.submission.tls_layer import server_context

VERIFIED = Standing(*[VerificationState.VERIFIED] * 3)
MESSAGE = b"From: a@example.com\r\nSubject: t\r\n\r\nhello\r\n"
PLAIN = b"AUTH PLAIN AHVzZXIAcGFzcw==\r\n"


@dataclass
class Spool:
    """Keeps committed messages, or refuses to."""

    messages: list[QueuedMessage] = field(default_factory=list)
    is_full: bool = False
    error: Exception | None = None

    def hand_over(self, message: QueuedMessage, done: Callable[[Exception | None], None]) -> None:
        if self.error is None:
            self.messages.append(message)
        done(self.error)


class Passwords:
    """Knows one password."""

    def remembers(self, password_hash: str, username: bytes, password: bytes) -> bool:
        return False

    async def verify(self, password_hash: str | None, username: bytes, password: bytes) -> bool:
        return password_hash is not None and password == b"pass"


@dataclass
class Submission:
    """A listener on a kernel-chosen port, in a loop of its own."""

    port: int
    spool: Spool
    listener: Listener
    loop: asyncio.AbstractEventLoop


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return throw_away_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(params=["stock", "uvloop"])
def submission(request: pytest.FixtureRequest, certificate: Path) -> Iterator[Submission]:
    if request.param == "uvloop":
        uvloop = pytest.importorskip("uvloop", reason="uvloop is an extra")
        loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    else:
        loop = asyncio.new_event_loop()
    zone = Zone("all", AddressSet.parse("127.0.0.1"))
    configuration = Configuration("c", "example.com", "s", None, VERIFIED, (User("user", "hash"),))
    directory = Directory(
        "seed-2025", [Instance("i", "us-south", (Rule((Context((zone,)),)),), (configuration,))]
    )
    spool = Spool()
    numbers = iter(range(1000000))
    context = SubmissionContext(
        hostname="relay.example.net",
        directory=lambda: directory,
        queue=spool,
        passwords=Passwords(),
        next_queue_id=lambda: f"Q{next(numbers)}",
        now=lambda: 1.0,
        limits=Limits(),
    )
    endpoint = Endpoint("us-south", EndpointType.PUBLIC, "mx.example.net", ())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listener = Listener(endpoint, server_context(str(certificate), str(certificate)), context)
    start = asyncio.run_coroutine_threadsafe(listener.start("127.0.0.1", 0), loop)
    yield Submission(start.result(5), spool, listener, loop)
    asyncio.run_coroutine_threadsafe(listener.stop(), loop).result(15)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def encrypted(client: Client) -> None:
    client.read_clear()
    client.clear(b"EHLO client.example\r\n")
    client.clear(b"STARTTLS\r\n")
    client.handshake()


def test_octets_behind_starttls_are_never_commands(
    submission: Submission, tls_sessions: int
) -> None:
    """What shares the segment of STARTTLS is not answered inside TLS, in any session."""
    for _ in range(tls_sessions):
        with Client(submission.port) as client:
            client.read_clear()
            client.clear(b"EHLO client.example\r\n")
            assert client.clear(b"STARTTLS\r\nNOOP\r\nEHL").startswith(b"220 ")
            client.handshake()
            assert client.say(b"QUIT\r\n").startswith(b"221 ")


def test_ehlo_in_the_flight_of_finished_is_answered_inside_tls(
    submission: Submission, tls_sessions: int
) -> None:
    """An EHLO sent along with the client's Finished gets its reply encrypted, in every session."""
    for _ in range(tls_sessions):
        with Client(submission.port) as client:
            client.read_clear()
            client.clear(b"EHLO client.example\r\n")
            client.clear(b"STARTTLS\r\n")
            client.handshake(with_flight=b"EHLO client.example\r\n")
            assert b"AUTH PLAIN LOGIN" in client.read()


def test_a_failed_handshake_never_falls_back(submission: Submission) -> None:
    """SMTP in clear after the 220 ends the connection (TLS-11)."""
    with Client(submission.port) as client:
        client.read_clear()
        client.clear(b"EHLO client.example\r\n")
        client.clear(b"STARTTLS\r\n")
        client.socket.sendall(b"NOOP\r\nNOOP\r\n")
        received = b""
        while octets := client.socket.recv(65536):
            received += octets
        assert b"250" not in received


def test_a_message_is_committed_before_its_250(submission: Submission) -> None:
    """The queue ID of the reply is the one of the committed message."""
    with Client(submission.port) as client:
        encrypted(client)
        assert client.say(PLAIN).startswith(b"235 2.7.0")
        client.say(b"MAIL FROM:<a@example.com>\r\n")
        client.say(b"RCPT TO:<b@example.net>\r\n")
        client.say(b"DATA\r\n")
        reply = client.say(MESSAGE + b".\r\n")
    (message,) = submission.spool.messages
    assert reply == b"250 2.0.0 Ok: queued as %s\r\n" % message.queue_id.encode()
    assert message.content.startswith(b"Received: from ")
    assert message.content.endswith(b"\r\n\r\nhello\r\n")


def test_trouble_of_the_store_is_transient_and_silent(submission: Submission) -> None:
    """A failed commit answers 451 without the exception's text, and the session goes on."""
    submission.spool.error = OSError("disk on fire")
    with Client(submission.port) as client:
        encrypted(client)
        client.say(PLAIN)
        client.say(b"MAIL FROM:<a@example.com>\r\n")
        client.say(b"RCPT TO:<b@example.net>\r\n")
        client.say(b"DATA\r\n")
        reply = client.say(MESSAGE + b".\r\n")
        assert reply.startswith(b"451 4.3.0 ")
        assert b"fire" not in reply
        assert client.say(b"NOOP\r\n").startswith(b"250 ")


def test_a_pipelined_transaction_is_answered_in_order(submission: Submission) -> None:
    """AUTH, MAIL, RCPT and DATA in one segment bring their replies in order."""
    with Client(submission.port) as client:
        encrypted(client)
        client.send(PLAIN + b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
        assert [client.read()[:3] for _ in range(4)] == [b"235", b"250", b"250", b"354"]
        client.send(MESSAGE + b".\r\nQUIT\r\n")
        assert [client.read()[:3] for _ in range(2)] == [b"250", b"221"]


def test_a_foreign_sender_is_refused_and_nothing_is_spooled(submission: Submission) -> None:
    """Envelope and header are judged; neither leaves anything behind."""
    with Client(submission.port) as client:
        encrypted(client)
        client.say(PLAIN)
        assert client.say(b"MAIL FROM:<a@example.org>\r\n").startswith(b"550 5.7.1")
        client.say(b"MAIL FROM:<a@example.com>\r\n")
        client.say(b"RCPT TO:<b@example.net>\r\n")
        client.say(b"DATA\r\n")
        forged = MESSAGE.replace(b"a@example.com", b"a@example.org")
        assert client.say(forged + b".\r\n").startswith(b"550 5.7.1")
    assert not submission.spool.messages


def test_stopping_says_421_to_idle_sessions(submission: Submission) -> None:
    """A graceful stop tells idle clients why (RFC 5321 §3.8)."""
    with Client(submission.port) as client:
        encrypted(client)
        client.say(b"NOOP\r\n")
        stopping = asyncio.run_coroutine_threadsafe(submission.listener.stop(), submission.loop)
        assert client.read().startswith(b"421 4.3.2")
        stopping.result(15)


def test_the_engine_refuses_old_protocol_versions(certificate: Path) -> None:
    """An endpoint's context knows TLS 1.2 and newer only (RFC 8996)."""
    context = server_context(str(certificate), str(certificate))
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
