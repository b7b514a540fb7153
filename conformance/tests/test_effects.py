"""What the relay answered is put beside what the sink took, and nobody is accused of a guess."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from conformance.effects import RULE, Arrival, Books, outcome
from conformance.verdict import Verdict
from fixtures.attribution import END_OF_DATA
from fixtures.reply import Reply
from fixtures.run_token import fresh_token
from fixtures.sink import Delivery, Dialect
from fixtures.transcript import Transcript

RECIPIENT = "rcpt@strict.sink.example"


def reply(code: int) -> Reply:
    """A reply of one line."""
    return Reply(code, None, ("x",), b"%d x\r\n" % code)


def content(token: str, body: str = "Text.\r\n.dot\r\n") -> bytes:
    """A plain message."""
    return f"From: <a@example.com>\r\nSubject: {token}\r\n\r\n{body}".encode()


def said(
    *submissions: tuple[bytes, int], recipient: str = RECIPIENT, verb: bytes = b"DATA"
) -> Transcript:
    """A dialogue in which these contents were answered with these codes."""
    spoken = Transcript("client to mx")
    for octets, code in submissions:
        for command, due in (
            (b"MAIL FROM:<a@example.com>", 250),
            (f"RCPT TO:<{recipient}>".encode(), 250),
            (verb, 354),
        ):
            spoken.add("C", command + b"\r\n")
            spoken.add_reply(reply(due), command, command.decode(), is_tls=False)
        spoken.add("C", octets.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        spoken.add_reply(reply(code), END_OF_DATA, "end of data", is_tls=False)
    return spoken


def delivery(octets: bytes, recipient: str = RECIPIENT, sender: str = "a@example.com") -> Delivery:
    """A message at the sink, with a trace on top."""
    return Delivery(
        peer_address="127.0.4.1",
        helo="relay.example",
        reverse_path=sender,
        recipients=(recipient,),
        content=b"Received: from x\r\n by y; z\r\n" + octets,
        raw=b"",
        received_at=0.0,
        dialect=Dialect.STRICT,
    )


def books(*spoken: Transcript, arrived: tuple[Delivery, ...] = (), is_quiet: bool = True) -> Books:
    """Books with these dialogues and arrivals."""
    domain = RECIPIENT.rpartition("@")[2]
    kept = Books(arrivals=[Arrival.of(one) for one in arrived], domains=frozenset({domain}))
    kept.note(spoken, is_quiet=is_quiet)
    return kept


def held(kept: Books) -> list[str]:
    """What is held against the relay."""
    return [one.observed for one in kept.examined(kept.missing()).violations]


def test_an_accepted_message_that_arrived_once_is_met() -> None:
    """One copy, dots and trace aside the same text."""
    text = content(fresh_token())
    kept = books(said((text, 250)), arrived=(delivery(text),))
    found = outcome(kept.examined(kept.missing()))[RULE]
    assert found.verdict is Verdict.MET
    assert found.judged == 1


def test_a_refused_message_that_arrived_is_held_against_the_relay() -> None:
    """550 was said, and the sink has it."""
    text = content(fresh_token())
    assert held(books(said((text, 550)), arrived=(delivery(text),))) == ["it arrived"]
    assert held(books(said((text, 550)))) == []


def test_an_accepted_message_must_arrive_once_and_unchanged() -> None:
    """Lost, doubled and changed are three sentences."""
    text = content(fresh_token())
    assert held(books(said((text, 250)))) == ["nothing arrived"]
    twice = books(said((text, 250)), arrived=(delivery(text), delivery(text)))
    assert held(twice) == ["2 copies"]
    other = text.replace(b"Text.", b"text.")
    changed = books(said((text, 250)), arrived=(delivery(other),))
    assert held(changed) == [f"another text for {RECIPIENT}"]


def test_the_same_message_sent_twice_may_arrive_twice() -> None:
    """As many copies are due as were accepted; a refusal in between adds none."""
    text = content(fresh_token())
    spoken = said((text, 250), (text, 550), (text, 250))
    assert held(books(spoken, arrived=(delivery(text), delivery(text)))) == []
    three = (delivery(text),) * 3
    assert held(books(spoken, arrived=three)) == ["3 copies"]


def lost_reply(text: bytes) -> Transcript:
    """The connection ended behind the end of data."""
    spoken = said((text, 250))
    spoken.exchanges.pop()
    spoken.events.pop()
    return spoken


@pytest.mark.parametrize(
    ("spoken", "arrived"),
    [
        (lambda text: lost_reply(text), 1),
        (lambda text: lost_reply(text), 2),
        (lambda text: said((text, 550), verb=b"BDAT 9 LAST"), 1),
        (lambda text: said((text[:-2], 250)), 0),
        (lambda text: said((text, 250), recipient=f"@a.example:{RECIPIENT}"), 0),
    ],
    ids=["reply lost", "reply lost, doubled", "chunked", "no whole end of data", "source route"],
)
def test_what_is_not_known_to_the_octet_accuses_nobody(
    spoken: Callable[[bytes], Transcript], arrived: int
) -> None:
    """A token of which one message is uncertain is not judged at all, in no dialogue."""
    text = content(fresh_token())
    kept = books(said((text, 550)), spoken(text), arrived=(delivery(text),) * arrived)
    assert held(kept) == []
    assert not kept.settled()


def test_a_check_that_disturbed_the_way_accuses_nobody() -> None:
    """Where the sink had orders or the relay was restarted, the check judges for itself."""
    text = content(fresh_token())
    assert held(books(said((text, 250)), is_quiet=False)) == []


def test_mail_for_elsewhere_is_not_missed() -> None:
    """What goes to other servers cannot be seen at this one."""
    text = content(fresh_token())
    assert held(books(said((text, 250), recipient="root@inside.example"))) == []


def test_what_a_relay_may_mend_is_not_called_changed() -> None:
    """8-bit text, long lines and a missing blank line leave room for repair."""
    for odd in ("\x80\r\n", "x" * 999 + "\r\n"):
        text = content(fresh_token(), odd)
        mended = text.replace(odd.encode(), b"mended\r\n")
        assert held(books(said((text, 250)), arrived=(delivery(mended),))) == []


def test_a_report_about_a_message_is_not_the_message() -> None:
    """A bounce to the sender quotes the token; it has the null reverse-path."""
    text = content(fresh_token())
    report = delivery(text, sender="")
    assert held(books(said((text, 550)), arrived=(report,))) == []
