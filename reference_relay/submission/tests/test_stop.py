"""A graceful stop with sessions in each state (RFC 5321 §3.8, ROB-07)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from reference_relay.submission.settings import Limits
from reference_relay.submission.tests.client import Client
from reference_relay.submission.tests.serving import MESSAGE, Served, begin, served

FAREWELL = b"421 4.3.2 "


@pytest.fixture(params=[False, True], ids=["stock", "uvloop"])
def serving(certificate: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    with served(certificate, uses_uvloop=request.param) as serving:
        yield serving


def is_over(client: Client) -> bool:
    """Tell whether the connection ends without a further reply."""
    try:
        client.read()
    except (EOFError, ConnectionError):
        return True
    return False


def after_mail(client: Client) -> None:
    begin(client)
    assert client.say(MESSAGE).startswith(b"250 ")


def after_rset(client: Client) -> None:
    begin(client, "RCPT")
    assert client.say(b"RSET\r\n").startswith(b"250 ")


def in_dialogue(client: Client) -> None:
    assert client.say(b"AUTH LOGIN\r\n").startswith(b"334 ")


@pytest.mark.parametrize(
    ("state", "prepare"),
    [
        ("secure", lambda client: None),
        ("secure", lambda client: client.say(b"EHLO client.example\r\n")),
        ("secure", in_dialogue),
        ("session", lambda client: None),
        ("session", after_mail),
        ("session", after_rset),
        ("session", lambda client: client.send(b"MAIL FR")),
    ],
    ids=["encrypted", "greeted", "in AUTH", "idle", "after mail", "after RSET", "in a line"],
)
def test_who_has_nothing_open_is_told_at_once(
    serving: Served, state: str, prepare: Callable[[Client], object]
) -> None:
    """421 4.3.2, then the end of the connection."""
    with serving.secure() if state == "secure" else serving.session() as client:
        prepare(client)
        begun = time.monotonic()
        stopping = serving.start(serving.listener.stop())
        assert client.read().startswith(FAREWELL)
        assert is_over(client)
        stopping.result(10)
        assert time.monotonic() - begun < 5


def test_in_clear_it_is_told_in_clear(serving: Served) -> None:
    """Before STARTTLS the 421 is readable as it is."""
    with serving.connect() as client:
        client.read_clear()
        serving.start(serving.listener.stop()).result(10)
        assert client.read_clear().startswith(FAREWELL)


def test_in_a_handshake_nothing_is_said(serving: Served) -> None:
    """Nobody could tell a 421 in clear from an attack there."""
    with serving.connect() as client:
        client.read_clear()
        client.clear(b"STARTTLS\r\n")
        serving.start(serving.listener.stop()).result(10)
        assert client.socket.recv(100) == b""


@pytest.mark.parametrize("upto", ["MAIL", "RCPT", "DATA"])
def test_an_open_transaction_may_be_finished(serving: Served, upto: str) -> None:
    """Whatever of it was said before the stop, its message is taken; then comes the 421."""
    with serving.session() as client:
        begin(client, upto)
        stopping = serving.start(serving.listener.stop())
        if upto == "MAIL":
            client.say(b"RCPT TO:<b@example.net>\r\n")
        if upto != "DATA":
            assert client.say(b"DATA\r\n").startswith(b"354 ")
        assert client.say(MESSAGE).startswith(b"250 2.0.0 Ok: queued as ")
        assert client.read().startswith(FAREWELL)
        assert is_over(client)
        stopping.result(10)
        assert len(serving.spool.messages) == 1


def test_chunks_may_be_finished(serving: Served) -> None:
    """BDAT is a transaction like any other."""
    content = MESSAGE[:-3]
    with serving.session() as client:
        begin(client, "RCPT")
        client.say(b"BDAT 10\r\n" + content[:10])
        serving.start(serving.listener.stop())
        rest = content[10:]
        assert client.say(b"BDAT %d LAST\r\n" % len(rest) + rest).startswith(b"250 ")
        assert client.read().startswith(FAREWELL)
        assert len(serving.spool.messages) == 1


def test_a_commit_under_way_is_acknowledged(serving: Served) -> None:
    """A client whose message becomes durable learns it before the 421."""
    with serving.session() as client:
        begin(client)
        serving.loop.call_soon_threadsafe(serving.spool.gate.clear)
        client.send(MESSAGE)
        stopping = serving.start(serving.listener.stop())
        with pytest.raises(TimeoutError):
            stopping.result(0.3)
        serving.loop.call_soon_threadsafe(serving.spool.gate.set)
        assert client.read().startswith(b"250 ")
        assert client.read().startswith(FAREWELL)
        stopping.result(10)


def test_no_new_transaction_begins(serving: Served) -> None:
    """MAIL behind the last dot, in the same segment, is answered by the 421."""
    with serving.session() as client:
        begin(client)
        serving.start(serving.listener.stop())
        client.send(MESSAGE + b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n")
        assert client.read().startswith(b"250 ")
        assert client.read().startswith(FAREWELL)
        assert is_over(client)
        assert len(serving.spool.messages) == 1


def test_a_transaction_that_is_given_up_is_the_end(serving: Served) -> None:
    """RSET leaves nothing open."""
    with serving.session() as client:
        begin(client, "RCPT")
        serving.start(serving.listener.stop())
        assert client.say(b"RSET\r\n").startswith(b"250 ")
        assert client.read().startswith(FAREWELL)


def test_the_time_of_a_stop_is_bounded(certificate: Path) -> None:
    """A transaction that does not end is told 421, in the middle of its content, and is gone."""
    limits = Limits(stop_seconds=0.5)
    with served(certificate, limits=limits) as serving, ExitStack() as stack:
        waiting, sending = (stack.enter_context(serving.session()) for _ in range(2))
        begin(waiting, "RCPT")
        begin(sending)
        sending.send(b"From: a@example.com\r\n\r\nhal")
        begun = time.monotonic()
        serving.start(serving.listener.stop()).result(10)
        assert 0.4 < time.monotonic() - begun < 4
        for client in (waiting, sending):
            assert client.read().startswith(FAREWELL)
            assert is_over(client)
        assert not serving.spool.messages


def test_a_store_that_hangs_does_not_hold_the_stop(certificate: Path) -> None:
    """No answer is better than a wrong one: the connection is cut."""
    with served(certificate, limits=Limits(stop_seconds=0.3)) as serving:
        with serving.session() as client:
            begin(client)
            serving.loop.call_soon_threadsafe(serving.spool.gate.clear)
            client.send(MESSAGE)
            serving.start(serving.listener.stop()).result(10)
            assert is_over(client)
        serving.loop.call_soon_threadsafe(serving.spool.gate.set)
