"""Generated contents, and submitting them one after the other in a session that is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count

from hypothesis import strategies
from hypothesis.strategies import SearchStrategy

from conformance.header import body_of
from conformance.judgement import must, not_claimed
from conformance.rfc6152.decoding import decoded_body
from conformance.steps import due_reply, enter_data, must_answer, open_transaction, sender_of
from fixtures.plugin import Arrived, ComposeMessage, LogIn
from fixtures.probe import Reply, SMTPProbe, stuffed
from fixtures.sink import Delivery
from fixtures.target import Target

Lines = tuple[bytes, ...]

# RFC 5321 §4.5.3.1.6: a text line without its CRLF.
LONGEST_LINE = 998
# Where implementations like to have a limit or a buffer.
_SUSPECT_LENGTHS = (0, 1, 76, 77, 78, 79, 80, 254, 255, 256, 510, 511, 512, 513, 996, 997, 998)
# RFC 5322 §3.5 rules CR and LF out but as line ends; NUL is judged by DATA-11.
_CONTROLS = bytes(octet for octet in range(1, 32) if octet not in b"\r\n") + b"\x7f \t"
# Long enough that a server reads two pieces in two turns, whatever its machine is busy with.
_PAUSE_SECONDS = 0.0005


def _lines(octets: bytes, longest: int, most: int = 30) -> SearchStrategy[Lines]:
    letters = strategies.sampled_from([bytes([octet]) for octet in octets])
    line = strategies.lists(letters, max_size=longest).map(b"".join)
    return strategies.lists(line, min_size=1, max_size=most).map(tuple)


def _long_line(length: int, first: bytes, rest: bytes) -> bytes:
    return (first + rest * length)[:length]


DOTTED = _lines(b"..a ", 6)
CONTROLS = _lines(_CONTROLS + b"ab.", 20)
EIGHT_BIT = _lines(bytes(range(0x80, 0x100)) + b"a. ", 30)
LONG = strategies.lists(
    strategies.builds(
        _long_line,
        strategies.sampled_from(_SUSPECT_LENGTHS) | strategies.integers(0, LONGEST_LINE),
        strategies.sampled_from([b".", b" ", b"x"]),
        strategies.sampled_from([b"y", b" ", b".", b"\t"]),
    ),
    min_size=1,
    max_size=8,
).map(tuple)
ANYTHING = strategies.one_of(
    DOTTED, CONTROLS, LONG, strategies.tuples(DOTTED, LONG, CONTROLS).map(lambda all: sum(all, ()))
)


class Submitter:
    """Submits contents in a session that lasts until something goes wrong in it."""

    def __init__(
        self,
        session: LogIn,
        target: Target,
        message: ComposeMessage,
        arrived: Arrived,
        token: str,
    ) -> None:
        self._session = session
        self._target = target
        self._message = message
        self._arrived = arrived
        self._token = token
        self._numbers = count(1)
        self._probe: SMTPProbe | None = None

    def judge(self, act: Callable[[SMTPProbe], None]) -> None:
        """Do something in the session; the next one gets a new session if it goes wrong."""
        probe = self._probe or self._session()
        self._probe = None
        act(probe)
        self._probe = probe

    def next_token(self) -> str:
        """Return a text that no other content of this check has."""
        return f"{self._token}n{next(self._numbers)}e"

    def content(self, token: str, lines: Lines) -> bytes:
        """Return a message whose text ends in these lines."""
        return self._message(token) + b"".join(line + b"\r\n" for line in lines)

    def arrives_unchanged(self, lines: Lines, *, by: str, parameters: str = "") -> None:
        """Submit a content and demand that just its octets arrive.

        Args:
            lines: The lines of its text, without line ends.
            by: "DATA" or "BDAT".
            parameters: Of MAIL.

        Raises:
            NotMet: It is refused, or arrives otherwise.
        """

        def act(probe: SMTPProbe) -> None:
            token = self.next_token()
            content = self.content(token, lines)
            must_answer(probe.mail(sender_of(self._target), parameters), "250", "a valid sender")
            must_answer(probe.rcpt(self._target.recipient()), "2yz", "a valid recipient")
            reply = probe.data(content) if by == "DATA" else _sent_in_chunks(probe, content)
            must_answer(reply, "250", "the content is valid")
            self.must_have_arrived(token, content)

        self.judge(act)

    def must_have_arrived(self, token: str, content: bytes) -> Delivery:
        """Demand that the body of a content arrives as it was sent."""
        delivery = self._arrived(token)
        sent, got = body_of(content), body_of(delivery.content)
        if sent != got and b"content-transfer-encoding" in delivery.header.lower():
            got = decoded_body(delivery)
        must(got == sent, f"the octets that were sent: {_around(sent, got)!r}", _around(got, sent))
        return delivery

    def in_pieces(self, lines: Lines, pieces: Callable[[bytes], list[bytes]]) -> str:
        """Submit a content whose text and end of data leave in pieces; return the final reply."""
        said = ""

        def act(probe: SMTPProbe) -> None:
            nonlocal said
            token = self.next_token()
            content = self.content(token, lines)
            open_transaction(probe, sender_of(self._target), [self._target.recipient()])
            enter_data(probe)
            head = len(content) - len(body_of(content))
            probe.send(content[:head])
            send_in_pieces(probe, pieces(stuffed(content)[head:]))
            reply = due_reply(probe, "the end of data")
            must_answer(reply, "250", "the content is valid")
            self.must_have_arrived(token, content)
            said = f"{reply.code} {reply.enhanced}"

        self.judge(act)
        return said


def send_in_pieces(probe: SMTPProbe, pieces: list[bytes]) -> None:
    """Send each piece in a write, and inside TLS in a record, of its own."""
    for piece in pieces:
        probe.send(piece)
        time.sleep(_PAUSE_SECONDS)


def cut_at(octets: bytes, places: tuple[int, ...]) -> list[bytes]:
    """Cut octets at places, taken modulo their length; no piece is empty."""
    ends = [*sorted({place % len(octets) for place in places} - {0}), len(octets)]
    return [octets[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def need_keyword(session: LogIn, keyword: str) -> None:
    """End the check unless the server offers an extension."""
    with session() as probe:
        if keyword not in probe.ehlo().keywords:
            not_claimed(f"{keyword} is not advertised")


def _sent_in_chunks(probe: SMTPProbe, content: bytes) -> Reply:
    middle = len(content) // 2
    probe.send(b"BDAT %d\r\n" % middle + content[:middle])
    must_answer(probe.read_reply(), "250", "each chunk has its own 250")
    rest = content[middle:]
    probe.send(b"BDAT %d LAST\r\n" % len(rest) + rest)
    return probe.read_reply()


def _around(octets: bytes, other: bytes) -> bytes:
    """Return the neighbourhood of the first difference."""
    pairs = enumerate(zip(octets, other, strict=False))
    place = next((at for at, (one, two) in pairs if one != two), min(len(octets), len(other)))
    return octets[max(0, place - 20) : place + 60]
