"""The octets that are sent to every relay: where readings of RFC 5321 and RFC 5322 part.

Each case is a whole content as it follows the 354, up to and with the one true end of data. What
comes after a false end is a second transaction: whoever takes the false end for true sees two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from conformance.rfc5321.endings import MALFORMED_ENDS

TRUE_END = b"\r\n.\r\n"
MARK = b"X-Mark: marked"
OTHER = "other@evil.example"


class Topic(Enum):
    """What a case is about."""

    END_OF_DATA = "end of data"
    LINE_ENDS = "line ends and octets"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Letter:
    """What a case needs to know of the relay it is sent to.

    Attributes:
        sender: An address the account may send as.
        recipient: An address whose mail reaches the sink.
        token: A text that no other content has.
    """

    sender: str
    recipient: str
    token: str

    @property
    def fields(self) -> bytes:
        """The fields that a header needs, without From."""
        return (
            f"To: <{self.recipient}>\r\nSubject: {self.token}\r\n"
            f"Date: Mon, 02 Jun 2025 10:00:00 +0000\r\nMessage-ID: <{self.token}@example.com>\r\n"
        ).encode()

    @property
    def sender_field(self) -> bytes:
        """A From that says who the sender is."""
        return f"From: Mailer <{self.sender}>\r\n".encode()

    @property
    def header(self) -> bytes:
        """A whole header, with the empty line."""
        return self.sender_field + self.fields + b"\r\n"


@dataclass(frozen=True, slots=True)
class Case:
    """One content.

    Attributes:
        name: Its name in the page.
        topic: What it is about.
        odd: The octets that make it odd.
        trace: The same with their neighbours: where these travel on, the question does, too.
        content: Builds it, from the letter to the true end of data.
    """

    name: str
    topic: Topic
    odd: bytes
    trace: bytes
    content: Callable[[Letter], bytes]


def _smuggling(name: str, ending: bytes) -> Case:
    def content(letter: Letter) -> bytes:
        hidden = (
            f"MAIL FROM:<{letter.sender}>\r\nRCPT TO:<{letter.recipient}>\r\nDATA\r\n"
            f"From: <{letter.sender}>\r\nSubject: hidden {letter.token}\r\n\r\nHidden."
        ).encode()
        return letter.header + b"Before." + ending + hidden + TRUE_END

    return Case(name, Topic.END_OF_DATA, ending, b"Before." + ending + b"MAIL", content)


def _body(name: str, odd: bytes) -> Case:
    return Case(
        name,
        Topic.LINE_ENDS,
        odd,
        b"Before." + odd + b"behind.",
        lambda letter: letter.header + b"Before." + odd + b"behind." + TRUE_END,
    )


def _header(name: str, odd: bytes, topic: Topic = Topic.HEADER) -> Case:
    """A case whose odd octets stand in the header, behind the fields and before the mark."""
    return Case(
        name,
        topic,
        odd,
        b"\r\n" + odd + MARK,
        lambda letter: (
            letter.sender_field + letter.fields + odd + MARK + b"\r\n\r\nText." + TRUE_END
        ),
    )


def _whole(name: str, odd: bytes, head: Callable[[Letter], bytes]) -> Case:
    return Case(
        name,
        Topic.HEADER,
        odd,
        odd,
        lambda letter: head(letter) + MARK + b"\r\n\r\nText." + TRUE_END,
    )


_FROM_OTHER = f"From: <{OTHER}>\r\n".encode()
_TEXT = b"Content-Type: text/plain\r\n"

CASES: tuple[Case, ...] = (
    *(_smuggling(name, ending) for name, ending in MALFORMED_ENDS.items()),
    _body("LF in the text", b"\n"),
    _body("CR in the text", b"\r"),
    _body("CR CRLF in the text", b"\r\r\n"),
    _body("NUL in the text", b"\0"),
    _body("a dot that was not doubled", b"\r\n.x"),
    _body("a line of 1,100 octets", b"\r\n" + b"y" * 1100 + b"\r\n"),
    _body("octets above 127 undeclared", b"\xe4\xf6\xff"),
    _body("DEL and ESC", b"\x7f\x1b"),
    _body("no line end before the end", b"\r\n "),
    _header("LF between fields", b"X-One: 1\n", Topic.LINE_ENDS),
    _header("CR between fields", b"X-One: 1\r", Topic.LINE_ENDS),
    _header("LF LF before the mark", b"X-One: 1\n\n", Topic.LINE_ENDS),
    _header("CR CR before the mark", b"X-One: 1\r\r", Topic.LINE_ENDS),
    _header("NUL in a field", b"X-One: 1\x002\r\n", Topic.LINE_ENDS),
    _header("LF and another From", b"X-One: 1\n" + _FROM_OTHER, Topic.LINE_ENDS),
    _header("CR and another From", b"X-One: 1\r" + _FROM_OTHER, Topic.LINE_ENDS),
    _header("a second From behind", _FROM_OTHER),
    _whole(
        "a second From in front",
        _FROM_OTHER,
        lambda letter: _FROM_OTHER + letter.sender_field + letter.fields,
    ),
    _whole(
        "From folded before its value",
        b"From:\r\n ",
        lambda letter: f"From:\r\n <{letter.sender}>\r\n".encode() + letter.fields,
    ),
    _header("a fold of blanks alone, then From", b"X-One: 1\r\n \r\n" + _FROM_OTHER),
    _header("a blank before the colon", f"From : <{OTHER}>\r\n".encode()),
    _header("From in capitals", f"FROM: <{OTHER}>\r\n".encode()),
    _header("a field without a name", b": nothing\r\n"),
    _header("a field name with a blank", b"X One: 1\r\n"),
    _header("a field name above 127", b"X-\xe4: 1\r\n"),
    _header("a line that is no field", b"This is no field.\r\n"),
    _header("a field of 2,000 octets", b"X-Long: " + b"y" * 2000 + b"\r\n"),
    _header("dots in front of a field", b"..X-Dot: 1\r\n"),
    _whole(
        "a blank in front of all", b" X-One: 1\r\n", lambda letter: b" X-One: 1\r\n" + _all(letter)
    ),
    _whole("an empty line in front of all", b"\r\n", lambda letter: b"\r\n" + _all(letter)),
    _whole("no From", b"", lambda letter: letter.fields),
    Case(
        "no empty line before the text",
        Topic.HEADER,
        b"",
        b"",
        lambda letter: letter.sender_field + letter.fields + b"Just text.\r\n" + MARK + TRUE_END,
    ),
    Case(
        "no header at all",
        Topic.HEADER,
        b"",
        b"",
        lambda letter: letter.token.encode() + b"\r\n" + MARK + TRUE_END,
    ),
    _header("Content-Type twice", _TEXT + b"Content-Type: application/zip\r\n"),
    _header("Content-Type without a subtype", b"Content-Type: text\r\n"),
    _header("Content-Type folded inside", b"Content-Type: text/\r\n plain\r\n"),
    _header("Content-Type with a comment", b"Content-Type: text/plain (application/zip)\r\n"),
    _header("a boundary twice", b'Content-Type: multipart/mixed; boundary="a"; boundary="b"\r\n'),
)


def _all(letter: Letter) -> bytes:
    return letter.sender_field + letter.fields
