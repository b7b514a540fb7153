from __future__ import annotations

import base64
from pathlib import Path

import pytest

from loadtests.phase import Phase
from loadtests.submission_client import Credentials, Lost, Refused, SubmissionClient
from loadtests.tests.dialogue import ScriptedServer, contexts

MAIL, RECIPIENTS = b"MAIL FROM:<mailer@example.com>\r\n", [b"RCPT TO:<rcpt@sink.example>\r\n"]
DATA = b"Subject: x\r\n\r\ntext\r\n.\r\n"
CREDENTIALS = Credentials("someone", "pass word")


def greeted(server: ScriptedServer) -> SubmissionClient:
    client = SubmissionClient(server)
    client.greet("load.example")
    return client


@pytest.mark.parametrize("octets_at_a_time", [1, 7, 65_536])
def test_a_whole_session_inside_tls(tmp_path: Path, octets_at_a_time: int) -> None:
    """However the octets are cut, AUTH goes once, inside TLS, and every message is acknowledged."""
    server_context, client_context = contexts(tmp_path)
    server = ScriptedServer(context=server_context, octets_at_a_time=octets_at_a_time)
    client = greeted(server)
    client.start_tls(client_context, "relay.example", "load.example")
    client.authenticate(CREDENTIALS)
    for _ in range(3):
        stamps = client.submit(MAIL, RECIPIENTS, DATA)
        assert list(stamps) == sorted(stamps)
        assert client.last_reply == b"250 2.0.0 Ok: queued as QQ1\r\n"
    client.quit()
    sent = [line.split(b" ")[0] for line in server.lines if line.split(b" ")[0].isupper()]
    message = [b"MAIL", b"RCPT", b"DATA"]
    assert sent == [b"EHLO", b"STARTTLS", b"EHLO", b"AUTH", *message * 3, b"QUIT"]
    initial = base64.b64encode(b"\0someone\0pass word")
    assert b"AUTH PLAIN " + initial in server.lines
    assert server.is_closed


def test_big_content_arrives_whole(tmp_path: Path) -> None:
    """Content that is encrypted in pieces loses nothing."""
    server_context, client_context = contexts(tmp_path)
    server = ScriptedServer(context=server_context)
    client = greeted(server)
    client.start_tls(client_context, "relay.example", "load.example")
    lines = [b"%06d" % number + b"x" * 60 for number in range(12_000)]
    client.submit(MAIL, RECIPIENTS, b"\r\n".join(lines) + b"\r\n.\r\n")
    assert server.lines[-len(lines) - 1 : -1] == lines


def test_login_where_only_login_is_offered() -> None:
    """Without PLAIN the two prompts are answered with user name and password."""
    second = base64.b64encode(b"pass word")
    server = ScriptedServer(
        {
            b"EHLO": b"250-relay\r\n250 AUTH LOGIN\r\n",
            b"AUTH": b"334 VXNlcm5hbWU6\r\n",
            second: b"235 2.7.0 Welcome\r\n",
        }
    )
    greeted(server).authenticate(CREDENTIALS)
    assert server.lines[-3:] == [b"AUTH LOGIN", base64.b64encode(b"someone"), second]


def test_no_known_mechanism_is_no_session() -> None:
    """A server that offers neither mechanism is given up, and told no password."""
    server = ScriptedServer({b"EHLO": b"250 relay\r\n"})
    client = greeted(server)
    with pytest.raises(Lost, match="neither PLAIN nor LOGIN"):
        client.authenticate(CREDENTIALS)
    assert len(server.lines) == 1


@pytest.mark.parametrize(
    ("word", "phase"),
    [
        (b"MAIL", Phase.ENVELOPE),
        (b"RCPT", Phase.ENVELOPE),
        (b"DATA", Phase.CONTENT),
        (b".", Phase.ACKNOWLEDGEMENT),
    ],
)
def test_a_refusal_names_its_phase_and_reply(word: bytes, phase: Phase) -> None:
    """After a 4yz or 5yz the session can be reset and used again."""
    server = ScriptedServer({word: b"550-5.7.1 No\r\n550 5.7.1 Really\r\n"})
    client = greeted(server)
    with pytest.raises(Refused) as caught:
        client.submit(MAIL, RECIPIENTS, DATA)
    assert (caught.value.phase, caught.value.kind) == (phase, "550 5.7.1 Really")
    assert not caught.value.closes
    assert not client.is_in_doubt
    client.reset()


def test_421_says_that_the_session_is_over() -> None:
    """RFC 5321 §3.8: the server closes after 421."""
    client = greeted(ScriptedServer({b"MAIL": b"421 4.3.2 Shutting down\r\n"}))
    with pytest.raises(Refused) as caught:
        client.submit(MAIL, RECIPIENTS, DATA)
    assert caught.value.closes


def test_a_message_without_final_reply_is_in_doubt() -> None:
    """Closing after the final dot leaves the message in doubt; before it does not."""
    client = greeted(ScriptedServer({b".": b""}))
    with pytest.raises(Lost, match="acknowledgement: the server closed"):
        client.submit(MAIL, RECIPIENTS, DATA)
    assert client.is_in_doubt
    client = greeted(ScriptedServer({b"DATA": b""}))
    with pytest.raises(Lost, match="data: the server closed"):
        client.submit(MAIL, RECIPIENTS, DATA)
    assert not client.is_in_doubt


@pytest.mark.parametrize(
    "reply", [b"25\r\n", b"abc hello\r\n", b"250 2.1.0 Ok\r\n250 2.1.0 Twice\r\n", b"\r\n"]
)
def test_what_is_no_single_reply_is_not_taken_for_one(reply: bytes) -> None:
    """A reply too many would answer the next command, so the session is given up."""
    client = greeted(ScriptedServer({b"MAIL": reply}))
    with pytest.raises(Lost, match="not one reply"):
        client.submit(MAIL, RECIPIENTS, DATA)


def test_a_reply_without_end_is_given_up() -> None:
    """A server that never ends its reply does not fill the memory."""
    client = greeted(ScriptedServer({b"MAIL": b"250-more\r\n" * 10_000}))
    with pytest.raises(Lost, match="without end"):
        client.submit(MAIL, RECIPIENTS, DATA)


def test_octets_in_clear_behind_starttls_are_not_believed(tmp_path: Path) -> None:
    """A reply smuggled in behind the 220 ends the session (RFC 3207 §5)."""
    server_context, client_context = contexts(tmp_path)
    server = ScriptedServer({b"STARTTLS": b"220 Go\r\n250 injected\r\n"}, server_context)
    client = greeted(server)
    with pytest.raises(Lost, match="not one reply"):
        client.start_tls(client_context, "relay.example", "load.example")


def test_a_wrong_certificate_name_ends_the_session(tmp_path: Path) -> None:
    """The name is verified before any secret is sent."""
    server_context, client_context = contexts(tmp_path)
    server = ScriptedServer(context=server_context)
    client = greeted(server)
    with pytest.raises(Lost, match="TLS: handshake: certificate"):
        client.start_tls(client_context, "elsewhere.example", "load.example")


def test_the_password_has_no_repr() -> None:
    """Neither a log nor a traceback shows it."""
    assert "pass word" not in repr(CREDENTIALS)


def test_pipelined_commands_leave_together_and_their_replies_are_told_apart() -> None:
    """MAIL, RCPT and DATA are one write; three replies in one read are three replies."""
    server = ScriptedServer()
    client = greeted(server)
    stamps = client.submit_pipelined(MAIL, RECIPIENTS, DATA)
    assert stamps.begun <= stamps.enveloped <= stamps.sent <= stamps.acknowledged
    assert client.last_reply.startswith(b"250 2.0.0")
    client.submit_pipelined(MAIL, RECIPIENTS, DATA)


def test_a_pipelined_refusal_is_the_first_one_and_sends_no_content() -> None:
    """After a 354 without a wanted recipient the only way out is to let go (RFC 2920 §3.1)."""
    server = ScriptedServer({b"RCPT": b"550 5.7.1 No\r\n"})
    client = greeted(server)
    with pytest.raises(Refused) as caught:
        client.submit_pipelined(MAIL, RECIPIENTS, DATA)
    assert (caught.value.phase, caught.value.kind) == (Phase.ENVELOPE, "550 5.7.1 No")
    assert caught.value.closes
    assert not client.is_in_doubt
    assert server.lines[-1] == b"DATA"


def test_a_pipelined_message_without_final_reply_is_in_doubt() -> None:
    """Once the content is out nobody knows."""
    client = greeted(ScriptedServer({b".": b""}))
    with pytest.raises(Lost, match="acknowledgement: the server closed"):
        client.submit_pipelined(MAIL, RECIPIENTS, DATA)
    assert client.is_in_doubt
