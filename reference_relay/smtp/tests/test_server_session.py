from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_relay.smtp.events import AuthenticationRequested, ContentReceived, SessionEnded
from reference_relay.smtp.server_session import ProtocolViolation, ServerSession
from reference_relay.smtp.settings import SessionSettings
from reference_relay.smtp.tests.dialogue import PLAIN, Dialogue, authenticated, codes, in_clear

ENVELOPE = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.net>\r\n"
MESSAGE = b"Subject: t\r\n\r\nhello\r\n"


def test_nothing_but_the_listed_verbs_works_in_clear() -> None:
    """Before TLS every mail command and AUTH is answered 530."""
    dialogue = in_clear()
    refused = b"".join(
        verb + b"\r\n"
        for verb in (b"MAIL FROM:<a@b.c>", b"AUTH PLAIN", b"RCPT TO:<a@b.c>", b"DATA", b"VRFY x")
    )
    assert codes(dialogue.say(refused)) == [530] * 5


def test_starttls_drops_what_came_behind_it() -> None:
    """Commands in the segment of STARTTLS are never executed (CVE-2011-0411)."""
    dialogue = in_clear()
    replies = dialogue.say(b"EHLO a\r\nSTARTTLS\r\nNOOP\r\nRSET\r\nMAIL")
    assert codes(replies) == [250, 220]
    assert codes(dialogue.say(b"NOOP\r\n")) == [250]


def test_the_handshake_forgets_the_greeting() -> None:
    """The EHLO name learnt in clear is gone after the handshake (RFC 3207 §4.2)."""
    dialogue = in_clear()
    dialogue.say(b"EHLO a\r\nSTARTTLS\r\n")
    assert dialogue.session.hello_name == ""


def test_starttls_is_offered_in_clear_only_and_auth_inside_only() -> None:
    """The EHLO list follows the encryption."""
    dialogue = in_clear()
    clear = dialogue.say(b"EHLO a\r\n")
    dialogue.say(b"STARTTLS\r\n")
    inside = dialogue.say(b"EHLO a\r\n")
    assert b"STARTTLS" in clear
    assert b"AUTH" not in clear
    assert b"STARTTLS" not in inside
    assert b"AUTH PLAIN LOGIN" in inside


def test_a_transaction_ends_in_one_message() -> None:
    """MAIL, RCPT, DATA and the content make one ContentReceived with its envelope."""
    dialogue = authenticated()
    replies = dialogue.say(ENVELOPE + b"DATA\r\n" + MESSAGE + b".\r\n")
    assert codes(replies) == [250, 250, 354, 250]
    (event,) = [event for event in dialogue.events if isinstance(event, ContentReceived)]
    assert str(event.envelope.reverse_path) == "a@example.com"
    assert [str(one.mailbox) for one in event.envelope.recipients] == ["b@example.net"]
    assert event.content == MESSAGE


def test_the_documented_session_works_with_bare_lf() -> None:
    """A session typed without CRLF, brackets or a second EHLO is understood (D-4, D-5, D-7)."""
    dialogue = in_clear()
    dialogue.say(b"EHLO mail.example.com\r\nSTARTTLS\r\n")
    replies = dialogue.say(
        b"auth login\ndXNlcm5hbWU=\ncGFzc3dvcmQ=\n"
        b"mail from: mailer@example.com\nrcpt to: recipient@test.com\ndata\n"
        b"from: Mailer <mailer@example.com>\nSubject: x\ntext\n.\nquit\n"
    )
    assert codes(replies) == [334, 334, 235, 250, 250, 354, 250, 221]
    assert dialogue.contents == [b"from: Mailer <mailer@example.com>\r\nSubject: x\r\ntext\r\n"]


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"DATA", b"503 5.5.1 Error: need MAIL command\r\n"),
        (b"RCPT TO:<a@b.example>", b"503 5.5.1 Error: need MAIL command\r\n"),
        (b"AUTH PLAIN", b"503 5.5.1 Error: already authenticated\r\n"),
        (b"STARTTLS", b"503 5.5.1 Error: TLS already active\r\n"),
        (b"FROB x", b"500 5.5.2 Error: command not recognized\r\n"),
        (b"", b"500 5.5.2 Error: command not recognized\r\n"),
        (b"EXPN list", b"502 5.5.1 Error: command not implemented\r\n"),
        (b"RSET x", b"501 5.5.4 Syntax: this command takes no argument\r\n"),
        (b"MAIL FROM:<a@b.example> FOO=1", b"555 5.5.4 Unsupported parameter\r\n"),
        (b"MAIL FROM:<a@b.example> SIZE=1 SIZE=2", b"501 5.5.4 Bad parameter\r\n"),
        (
            b"MAIL FROM:<a@b.example> SIZE=99999999999",
            b"552 5.3.4 Message size exceeds fixed limit",
        ),
        (b"NOOP \x01", b"500 5.5.2 Error: bad syntax\r\n"),
        (b"BDAT x", b"501 5.5.4 Syntax: BDAT chunk-size [LAST]\r\n"),
    ],
)
def test_a_refused_command_changes_nothing(command: bytes, reply: bytes) -> None:
    """Each refusal has its reply, and a transaction after it works."""
    dialogue = authenticated()
    assert dialogue.say(command + b"\r\n").startswith(reply)
    assert codes(dialogue.say(ENVELOPE + b"RSET\r\n")) == [250, 250, 250]


def test_a_second_mail_does_not_replace_the_first() -> None:
    """The delivered sender is the one that was judged (RFC 5321 §4.1.4)."""
    dialogue = authenticated()
    replies = dialogue.say(
        ENVELOPE + b"MAIL FROM:<evil@example.org>\r\nDATA\r\n" + MESSAGE + b".\r\n"
    )
    assert codes(replies) == [250, 250, 503, 354, 250]
    event = dialogue.events[-1]
    assert isinstance(event, ContentReceived)
    assert str(event.envelope.reverse_path) == "a@example.com"


def test_chunks_are_literal_and_refused_chunks_are_consumed() -> None:
    """BDAT octets are never commands, accepted or not (RFC 3030 §2)."""
    dialogue = authenticated()
    assert codes(dialogue.say(b"BDAT 7 LAST\r\nQUIT\r\n\rNOOP\r\n")) == [503, 250]
    chunked = ENVELOPE + b"BDAT 14\r\nSubject: t\r\n\r\nBDAT 5 LAST\r\n.\r\nx\n"
    assert codes(dialogue.say(chunked)) == [250, 250, 250, 550]


def test_an_authentication_response_is_never_a_command() -> None:
    """QUIT as a response ends the exchange, not the session."""
    dialogue = in_clear()
    dialogue.say(b"EHLO a\r\nSTARTTLS\r\n")
    assert codes(dialogue.say(b"AUTH PLAIN\r\nQUIT\r\nNOOP\r\n")) == [334, 535, 250]
    assert not any(isinstance(event, SessionEnded) for event in dialogue.events)


def test_a_denied_session_knows_only_quit() -> None:
    """After a 554 greeting everything but QUIT is 503 (RFC 5321 §3.1)."""
    dialogue = in_clear()
    dialogue.session.deny()
    replies = dialogue.say(b"EHLO a\r\nSTARTTLS\r\nquit\r\n")
    assert codes(replies) == [554, 503, 503, 221]


def test_too_many_errors_end_the_session() -> None:
    """Unlimited nonsense is not listened to; the last word is 421."""
    dialogue = in_clear(SessionSettings("mx.example.net", errors=3))
    assert codes(dialogue.say(b"X\r\n" * 9)) == [500, 500, 500, 500, 421]


def test_a_request_of_another_protocol_ends_the_session() -> None:
    """An HTTP request gets one 421 and no mail out of its body (RFC 9325 §3.9)."""
    dialogue = in_clear()
    assert codes(dialogue.say(b"POST / HTTP/1.1\r\nEHLO a\r\n")) == [421]


def test_surplus_recipients_are_452_and_the_rest_is_kept() -> None:
    """RFC 5321 §4.5.3.1.10: the message goes to those accepted before the limit."""
    dialogue = authenticated(SessionSettings("mx.example.net", recipients=2))
    rcpt = b"RCPT TO:<b@example.net>\r\n"
    replies = dialogue.say(b"MAIL FROM:<a@example.com>\r\n" + rcpt * 3 + b"DATA\r\n" + MESSAGE)
    assert codes(replies) == [250, 250, 250, 452, 354]
    dialogue.say(b".\r\n")
    event = dialogue.events[-1]
    assert isinstance(event, ContentReceived)
    assert len(event.envelope.recipients) == 2


def test_an_edge_that_answers_unasked_is_told() -> None:
    """A violation of the seam is a bug and is raised."""
    session = ServerSession(SessionSettings("mx.example.net"))
    with pytest.raises(ProtocolViolation):
        session.accept()


def test_the_password_shows_in_no_repr() -> None:
    """Credentials print without their password."""
    dialogue = in_clear()
    dialogue.say(b"EHLO a\r\nSTARTTLS\r\n")
    dialogue.say(b"EHLO a\r\n" + PLAIN)
    (event,) = [one for one in dialogue.events if isinstance(one, AuthenticationRequested)]
    assert "pass'" not in repr(event)


WHOLE = (
    b"EHLO client.example\r\nMAIL FROM:<x@y.example>\r\nNOOP\r\n"
    + PLAIN
    + ENVELOPE
    + b"DATA\r\nSubject: t\r\n\r\n..dot\r\n.x\r\n\r\n.\r\n"
    + ENVELOPE
    + b"BDAT 6\r\n12\r\n34BDAT 4 LAST\r\n\r\n\r\nRSET\r\nFROB\r\n"
    + b"A" * 13000
    + b"\r\n"
    + ENVELOPE
    + b"DATA\r\n.\r\nVRFY x\r\nQUIT\r\n"
)


@given(st.lists(st.integers(0, len(WHOLE)), max_size=12))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_segmentation_cannot_matter(cuts: list[int]) -> None:
    """The same octets give the same replies however they are cut."""
    places = [0, *sorted(cuts), len(WHOLE)]
    expected, dialogue = _encrypted(), _encrypted()
    expected.say(WHOLE)
    for start, end in itertools.pairwise(places):
        dialogue.say(WHOLE[start:end])
    assert bytes(expected.output) == bytes(dialogue.output)
    assert expected.contents == dialogue.contents


def test_single_octets_give_the_same_replies() -> None:
    """Octet by octet is a segmentation too."""
    expected, dialogue = _encrypted(), _encrypted()
    expected.say(WHOLE)
    for octet in WHOLE:
        dialogue.say(bytes([octet]))
    assert bytes(expected.output) == bytes(dialogue.output)


@given(
    st.lists(
        st.sampled_from(
            [
                b"EHLO a\r\n",
                b"STARTTLS\r\n",
                PLAIN,
                b"MAIL FROM:<a@b.c>\r\n",
                b"RCPT TO:<a@b.c>\r\n",
                b"DATA\r\n",
                b".\r\n",
                b"BDAT 3\r\n",
                b"BDAT 0 LAST\r\n",
                b"\n",
                b"\r",
                b"\0",
                b"\xff",
                b"*\r\n",
                b"AUTH LOGIN\r\n",
                b"QUIT",
                b"RSET\r\n",
                b"A" * 5000,
            ]
        ),
        max_size=40,
    )
)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_no_input_makes_the_engine_raise(pieces: list[bytes]) -> None:
    """Whatever is said, the session answers in its grammar or ends."""
    dialogue = in_clear(SessionSettings("mx.example.net", errors=1000))
    for piece in pieces:
        dialogue.say(piece)
    for line in bytes(dialogue.output).split(b"\r\n")[:-1]:
        assert line[:3].isdigit()
        assert line[3:4] in b" -"


def _encrypted() -> Dialogue:
    dialogue = in_clear()
    dialogue.say(b"EHLO a\r\nSTARTTLS\r\n")
    dialogue.output.clear()
    return dialogue
