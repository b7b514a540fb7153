"""The delivering side's dialogue, without a network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reference_relay.mail.address import Mailbox
from reference_relay.mail.envelope import Envelope, Recipient
from reference_relay.smtp.client_session import (
    ClientSession,
    Event,
    Login,
    ProtocolViolation,
    SessionOpened,
    SessionRefused,
    Step,
    TLSUse,
    TLSWanted,
    TransactionEnded,
)
from reference_relay.smtp.host_reply import Disposition
from reference_relay.smtp.outgoing import OutgoingContent, Transaction
from reference_relay.smtp.outgoing_commands import UnfitPath

CONTENT = b"Subject: x\r\n\r\n.dot\r\n"
EXTENSIONS = b"250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-DSN\r\n250 8BITMIME\r\n"
PLAIN = b"250 mx\r\n"
ACCEPTED, TRANSIENT, PERMANENT = Disposition


def transaction(*recipients: str, content: bytes = CONTENT, **parameters: object) -> Transaction:
    mailboxes = tuple(Recipient(Mailbox(name, "example.org")) for name in recipients or ("b",))
    envelope = Envelope(Mailbox("a", "example.com"), mailboxes, **parameters)  # type: ignore[arg-type]
    return Transaction(envelope, mailboxes, OutgoingContent.of(content))


def opened(ehlo_reply: bytes = EXTENSIONS) -> ClientSession:
    session = ClientSession("relay.example.net")
    assert session.receive_data(b"220 mx\r\n") == []
    assert sent(session) == b"EHLO relay.example.net\r\n"
    assert session.receive_data(ehlo_reply) == [SessionOpened()]
    assert session.is_ready
    return session


def sent(session: ClientSession) -> bytes:
    return b"".join(session.data_to_send())


def dispositions(events: list[Event]) -> list[Disposition]:
    [event] = events
    assert isinstance(event, TransactionEnded)
    return [verdict.disposition for verdict in event.verdicts]


def test_pipelined_transaction() -> None:
    """With PIPELINING the envelope and DATA leave in one go, then the stuffed content."""
    session = opened()
    session.begin(transaction("b", "c"))
    assert sent(session) == (
        b"MAIL FROM:<a@example.com> SIZE=20\r\n"
        b"RCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n"
    )
    assert session.receive_data(b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n") == []
    assert sent(session) == b"Subject: x\r\n\r\n..dot\r\n.\r\n"
    assert session.step is Step.CONTENT
    assert dispositions(session.receive_data(b"250 2.0.0 queued\r\n")) == [ACCEPTED, ACCEPTED]
    assert session.is_ready


def test_one_command_at_a_time() -> None:
    """Without PIPELINING each command waits for the reply before it."""
    session = opened(PLAIN)
    session.begin(transaction("b", "c"))
    for command in (
        b"MAIL FROM:<a@example.com>\r\n",
        b"RCPT TO:<b@example.org>\r\n",
        b"RCPT TO:<c@example.org>\r\n",
        b"DATA\r\n",
    ):
        assert sent(session) == command
        session.receive_data(b"354 go\r\n" if command == b"DATA\r\n" else b"250 ok\r\n")
    assert sent(session).endswith(b"\r\n.\r\n")


def test_recipients_are_judged_apart() -> None:
    """A refused recipient does not stop the others, and 552 at RCPT means later."""
    session = opened()
    session.begin(transaction("b", "c", "d", "e"))
    session.receive_data(b"250 ok\r\n250 ok\r\n550 5.1.1 no\r\n452 full\r\n552 many\r\n354 go\r\n")
    [event] = session.receive_data(b"250 queued\r\n")
    assert dispositions([event]) == [ACCEPTED, PERMANENT, TRANSIENT, TRANSIENT]
    assert isinstance(event, TransactionEnded)
    assert event.verdicts[1].text == "550 5.1.1 no"


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (b"550 no\r\n503 x\r\n503 x\r\n503 x\r\n", PERMANENT),
        (b"451 later\r\n503 x\r\n503 x\r\n503 x\r\n", TRANSIENT),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n451 later\r\n", TRANSIENT),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n554 never\r\n", PERMANENT),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n250 strange\r\n", TRANSIENT),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n452 full\r\n", TRANSIENT),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n554 spam\r\n", PERMANENT),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n299 fine\r\n", ACCEPTED),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n499 odd\r\n", TRANSIENT),
        (b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n599 odd\r\n", PERMANENT),
        (b"250 ok\r\n421 closing\r\n", TRANSIENT),
        (b"250 ok\r\nwhat?\r\n", TRANSIENT),
        (b"199 hm\r\n", TRANSIENT),
        (b"550 no\r\n550 x\r\n550 x\r\n354 go\r\n250 empty taken\r\n", PERMANENT),
    ],
)
def test_first_digit_decides(answers: bytes, expected: Disposition) -> None:
    """Each dialogue ends with one verdict for both recipients, by the deciding first digit."""
    for chunk_size in (1, 1000):
        session = opened()
        session.begin(transaction("b", "c"))
        events: list[Event] = []
        for start in range(0, len(answers), chunk_size):
            events += session.receive_data(answers[start : start + chunk_size])
        assert dispositions(events) == [expected, expected]


def test_content_for_nobody_is_empty() -> None:
    """A host that wants content although it refused everybody gets the final dot only."""
    session = opened()
    session.begin(transaction())
    sent(session)
    session.receive_data(b"250 ok\r\n550 no\r\n354 go\r\n")
    assert sent(session) == b".\r\n"


def test_all_refused_without_pipelining() -> None:
    """DATA is not sent when nobody is left, and the open transaction is ended by RSET."""
    session = opened(PLAIN)
    session.begin(transaction())
    session.receive_data(b"250 ok\r\n")
    sent(session)
    assert dispositions(session.receive_data(b"550 no\r\n")) == [PERMANENT]
    assert sent(session) == b"RSET\r\n"
    assert not session.is_ready
    assert session.receive_data(b"250 ok\r\n") == []
    assert session.is_ready


def test_with_pipelining_rset_leads_the_next_group() -> None:
    """After a transaction without content the next one follows at once, behind RSET."""
    session = opened()
    session.begin(transaction())
    session.receive_data(b"250 ok\r\n550 no\r\n")
    sent(session)
    assert dispositions(session.receive_data(b"554 nobody\r\n")) == [PERMANENT]
    session.begin(transaction())
    assert sent(session).startswith(b"RSET\r\nMAIL FROM:")
    session.receive_data(b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n")
    assert dispositions(session.receive_data(b"250 queued\r\n")) == [ACCEPTED]


def test_closed_while_rset_waits_is_unheard() -> None:
    """A host that hangs up on RSET has read nothing of the transaction behind it."""
    for said in (b"", b"250 ok\r\n", b"421 tired\r\n"):
        session = opened()
        session.begin(transaction())
        session.receive_data(b"250 ok\r\n550 no\r\n554 nobody\r\n")
        session.begin(transaction())
        events = session.receive_data(said) or session.end("connection lost")
        [event] = events
        assert isinstance(event, TransactionEnded)
        assert event.is_unheard


def test_chunks_where_offered() -> None:
    """With CHUNKING the content goes as one BDAT chunk once somebody is accepted, undotted."""
    session = opened(EXTENSIONS.replace(b"250 8BIT", b"250-CHUNKING\r\n250 8BIT"))
    session.begin(transaction())
    assert sent(session).endswith(b"RCPT TO:<b@example.org>\r\n")
    assert session.receive_data(b"250 ok\r\n250 ok\r\n") == []
    assert sent(session) == b"BDAT 20 LAST\r\n" + CONTENT
    assert dispositions(session.receive_data(b"250 queued\r\n")) == [ACCEPTED]
    session.begin(transaction())
    sent(session)
    session.receive_data(b"250 ok\r\n550 no\r\n")
    assert sent(session) == b"RSET\r\n"


TLS_OFFER = b"250-mx\r\n250-STARTTLS\r\n250 PIPELINING\r\n"
INSIDE = b"250-mx\r\n250 AUTH PLAIN LOGIN\r\n"


def greeted(tls_use: TLSUse, offer: bytes = TLS_OFFER, login: Login | None = None) -> list[Event]:
    session = ClientSession("relay.example.net", tls_use, login)
    session.receive_data(b"220 mx\r\n")
    return session.receive_data(offer)


def test_tls_where_offered() -> None:
    """STARTTLS is asked for, EHLO is said anew inside, and only what it says there counts."""
    session = ClientSession("relay.example.net", TLSUse.IF_OFFERED)
    session.receive_data(b"220 mx\r\n")
    sent(session)
    assert session.receive_data(TLS_OFFER) == []
    assert sent(session) == b"STARTTLS\r\n"
    assert session.receive_data(b"220 go\r\n") == [TLSWanted()]
    assert not session.is_ready
    session.tls_started()
    assert sent(session) == b"EHLO relay.example.net\r\n"
    assert session.receive_data(PLAIN) == [SessionOpened()]
    assert session.keywords == {}


def test_replies_behind_starttls_in_clear_are_thrown_away() -> None:
    """What an attacker adds to the 220 answers nothing inside TLS (CVE-2021-38371)."""
    session = ClientSession("relay.example.net", TLSUse.IF_OFFERED)
    session.receive_data(b"220 mx\r\n")
    session.receive_data(TLS_OFFER)
    assert session.receive_data(b"220 go\r\n250-mx\r\n250 DSN\r\n") == [TLSWanted()]
    session.tls_started()
    assert session.receive_data(b"") == []
    assert not session.is_ready
    assert session.receive_data(PLAIN) == [SessionOpened()]
    assert session.keywords == {}


@pytest.mark.parametrize("answer", [b"454 not now\r\n", b"502 what?\r\n"])
def test_tls_that_does_not_begin(answer: bytes) -> None:
    """Where TLS is welcome the session goes on in clear, and where it is a condition it ends."""
    for tls_use, expected in ((TLSUse.IF_OFFERED, SessionOpened), (TLSUse.ALWAYS, SessionRefused)):
        session = ClientSession("relay.example.net", tls_use)
        session.receive_data(b"220 mx\r\n")
        session.receive_data(TLS_OFFER)
        [event] = session.receive_data(answer)
        assert isinstance(event, expected)


def test_tls_as_a_condition() -> None:
    """A host that offers none gets no mail in clear, nor does one that knows HELO only."""
    [event] = greeted(TLSUse.ALWAYS, PLAIN)
    assert isinstance(event, SessionRefused)
    assert event.verdict.disposition is TRANSIENT
    assert greeted(TLSUse.NEVER) == [SessionOpened()]


def test_a_failed_handshake_is_told() -> None:
    """Whoever opens the next connection knows that TLS was the trouble."""
    session = ClientSession("relay.example.net", TLSUse.IF_OFFERED)
    session.receive_data(b"220 mx\r\n")
    session.receive_data(TLS_OFFER)
    session.receive_data(b"220 go\r\n")
    [event] = session.tls_failed("wrong version")
    assert isinstance(event, SessionRefused)
    assert event.is_tls_trouble


@pytest.mark.parametrize(
    ("inside", "answer", "expected"),
    [
        (INSIDE, b"235 ok\r\n", SessionOpened),
        (INSIDE, b"535 no\r\n", SessionRefused),
        (PLAIN, b"", SessionRefused),
    ],
)
def test_signing_in(inside: bytes, answer: bytes, expected: type[Event]) -> None:
    """Credentials are shown inside TLS where PLAIN is offered, and mail waits until they are."""
    session = ClientSession("relay.example.net", TLSUse.ALWAYS, Login("user", "secret"))
    session.receive_data(b"220 mx\r\n")
    session.receive_data(TLS_OFFER)
    session.receive_data(b"220 go\r\n")
    session.tls_started()
    events = session.receive_data(inside)
    said = sent(session)
    if answer:
        assert said.endswith(b"AUTH PLAIN AHVzZXIAc2VjcmV0\r\n")
        events = session.receive_data(answer)
    [event] = events
    assert isinstance(event, expected)
    assert "secret" not in repr(session._login)


def test_credentials_never_go_in_clear() -> None:
    """Without TLS nothing is signed in, whatever the host offers."""
    [event] = greeted(TLSUse.NEVER, INSIDE, Login("user", "secret"))
    assert isinstance(event, SessionRefused)


def test_octets_that_trickle_in_are_no_progress() -> None:
    """Only whole replies count as progress."""
    session = opened()
    session.begin(transaction())
    before = session.progress
    session.receive_data(b"250-")
    session.receive_data(b"o")
    assert session.progress == before
    session.receive_data(b"k\r\n250 ok\r\n")
    assert session.progress == before + 1


def test_helo_after_refused_ehlo() -> None:
    """A host that knows no EHLO is greeted with HELO and has no extensions."""
    session = ClientSession("relay.example.net")
    session.receive_data(b"220 mx\r\n")
    sent(session)
    session.receive_data(b"502 what?\r\n")
    assert sent(session) == b"HELO relay.example.net\r\n"
    assert session.receive_data(b"250-a\r\n250 PIPELINING\r\n") == [SessionOpened()]
    assert session.keywords == {}


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"554 go away\r\n", PERMANENT),
        (b"421 busy\r\n", TRANSIENT),
        (b"HTTP/1.1 400\r\n", TRANSIENT),
    ],
)
def test_refused_session(octets: bytes, expected: Disposition) -> None:
    """A host that does not greet with 2yz is not spoken to."""
    session = ClientSession("relay.example.net")
    [event] = session.receive_data(octets)
    assert isinstance(event, SessionRefused)
    assert event.verdict.disposition is expected
    assert sent(session) in (b"QUIT\r\n", b"")


def test_too_early_ehlo_reply_is_ignored() -> None:
    """Extensions that came along with the greeting are not believed."""
    session = ClientSession("relay.example.net")
    assert session.receive_data(b"220 mx\r\n250-mx\r\n250 PIPELINING\r\n") == []
    assert session.receive_data(PLAIN) == [SessionOpened()]
    assert session.keywords == {}


def test_lost_before_the_end_of_content() -> None:
    """A connection lost early leaves no doubt; lost after the content, the host may have it."""
    session = opened()
    session.begin(transaction())
    [event] = session.end("connection lost")
    assert isinstance(event, TransactionEnded)
    assert (event.is_uncertain, event.is_unheard) == (False, True)
    session = opened()
    session.begin(transaction())
    session.receive_data(b"250 ok\r\n250 ok\r\n354 go\r\n")
    [event] = session.end("connection lost")
    assert isinstance(event, TransactionEnded)
    assert (event.is_uncertain, event.is_unheard) == (True, False)
    assert event.verdicts[0].text == "connection lost after content"


def test_goodbye_while_idle() -> None:
    """A 421 while nothing is under way ends the session without any verdict."""
    session = opened()
    assert session.receive_data(b"421 idle too long\r\n") == []
    assert not session.is_ready
    with pytest.raises(ProtocolViolation):
        session.begin(transaction())


@pytest.mark.parametrize(
    ("keywords", "chosen", "status"),
    [
        (b"250-mx\r\n250 SIZE 10\r\n", transaction(), "5.3.4"),
        (b"250-mx\r\n250 PIPELINING\r\n", transaction(content=b"S: x\r\n\r\n\xe4\r\n"), "5.6.3"),
        (EXTENSIONS, transaction("jörg", is_smtputf8=True), "5.6.7"),
    ],
)
def test_mail_the_host_cannot_take(keywords: bytes, chosen: Transaction, status: str) -> None:
    """Mail that the host's extensions rule out is refused before a word is said."""
    session = opened(keywords)
    [event] = session.begin(chosen)
    assert isinstance(event, TransactionEnded)
    assert event.verdicts[0].text.startswith(status)
    assert sent(session) == b""
    assert session.is_ready


def test_parameters() -> None:
    """BODY, SMTPUTF8 and DSN parameters are passed on where offered, and only there."""
    mailbox = Mailbox("jörg", "example.org")
    recipient = Recipient(mailbox, frozenset({"FAILURE", "DELAY"}), "rfc822;b@example.org")
    envelope = Envelope(None, (recipient,), "8BITMIME", True, "HDRS", "e1")
    chosen = Transaction(envelope, (recipient,), OutgoingContent.of(CONTENT))
    session = opened(EXTENSIONS.replace(b"PIPELINING", b"SMTPUTF8"))
    session.begin(chosen)
    assert sent(session) == (b"MAIL FROM:<> SIZE=20 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e1\r\n")
    session.receive_data(b"250 ok\r\n")
    assert sent(session).decode() == (
        "RCPT TO:<jörg@example.org> NOTIFY=DELAY,FAILURE ORCPT=rfc822;b@example.org\r\n"
    )


def test_control_characters_never_leave() -> None:
    """A path that would become a second command is our own fault and goes nowhere."""
    session = opened()
    with pytest.raises(UnfitPath):
        session.begin(transaction("b>\r\nRSET"))


_pieces = [
    *(b"220", b"250", b"354", b"451", b"550", b"421", b"STARTTLS", b"CHUNKING", b"PIPELINING"),
    *(b"-", b" ", b"x", b"\r\n", b"\n", b"\r"),
]


@given(st.lists(st.sampled_from(_pieces) | st.binary(max_size=5), max_size=60))
def test_nonsense_never_raises(pieces: list[bytes]) -> None:
    """Whatever a host says, each transaction ends exactly once and nothing is raised."""
    session = ClientSession("relay.example.net", TLSUse.IF_OFFERED)
    begun = ended = 0
    for piece in pieces:
        events = session.receive_data(piece)
        if TLSWanted() in events:
            session.tls_started()
        if session.is_ready:
            begun += 1
            events += session.begin(transaction("b", "c"))
        ended += sum(isinstance(event, TransactionEnded) for event in events)
        sent(session)
    ended += sum(isinstance(event, TransactionEnded) for event in session.end("closed"))
    assert ended == begun
