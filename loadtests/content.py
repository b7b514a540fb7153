"""Messages rendered before the run: one header and one body, with a slot for each token.

Only the token differs between messages, so that sending one costs a copy and no rendering, memory
does not grow with the number of messages, and what arrives can be compared octet by octet.
"""

from __future__ import annotations

import random
import re
import string
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import NamedTuple, Self

# 72 characters and CRLF: the line length of the anchors' measurements.
_LINE = 72
END_OF_DATA = b".\r\n"
_SLOT = b"@" * 24
_LETTERS = string.ascii_lowercase
_TOKEN = re.compile(rb"^X-Load-Token: (\S{24})(?: ([0-9a-f]{16}))?\r$", re.MULTILINE)
_MOMENT_SLOT = b"#" * 16


class ContentTooSmall(ValueError):
    """The wanted size does not even hold the header; the message says how many octets do."""


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """Content with a slot for the token.

    Attributes:
        pieces: What DATA is followed by, around the two places of the token and the moment.
        body: What follows the header, as it must arrive.
    """

    pieces: tuple[bytes, bytes, bytes, bytes] = field(repr=False)
    body: bytes = field(repr=False)

    @classmethod
    def render(cls, sender: str, recipient: str, octets: int, seed: int = 1) -> Self:
        """Render a text/plain message.

        Args:
            sender: Mailbox of the From field.
            recipient: Mailbox of the To field.
            octets: Size of the whole content, header included.
            seed: Of the body's words; the same seed gives the same message.

        Raises:
            ContentTooSmall: The header alone is larger.
        """
        header = (
            f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: load\r\n"
            f"Date: {format_datetime(datetime.now(UTC))}\r\nMIME-Version: 1.0\r\n"
            "Content-Type: text/plain; charset=us-ascii\r\n"
            f"Message-ID: <{_SLOT.decode()}@{sender.rpartition('@')[2]}>\r\n"
            f"X-Load-Token: {_SLOT.decode()} {_MOMENT_SLOT.decode()}\r\n\r\n"
        ).encode()
        # A body of one line break keeps the content well formed.
        least = len(header) + 2
        if octets < least:
            raise ContentTooSmall(f"at least {least} octets, of which {len(header)} are header")
        body = _text(octets - len(header), seed)
        before, between, rest = header.split(_SLOT)
        blank, after = rest.split(_MOMENT_SLOT)
        return cls((before, between, blank, after + body + END_OF_DATA), body)

    def data(self, token: bytes, begun: int = 0) -> bytes:
        """The message with its end-of-data line, ready to be sent.

        Args:
            token: 24 octets, which keep the size that was asked for.
            begun: Unix time in µs at which the message was to begin.
        """
        before, between, blank, after = self.pieces
        return b"%b%b%b%b%b%016x%b" % (before, token, between, token, blank, begun, after)


def token(run: bytes, worker: int, number: int) -> bytes:
    """The token of a message: 24 octets, unlike those of any other message of the run.

    Args:
        run: Eight characters that no other run has.
        worker: Number of the generator process, below 65,536.
        number: Number of the message in its process.
    """
    return b"%b-%04x-%010x" % (run, worker, number)


class Mark(NamedTuple):
    """What a message of ours says about itself.

    Attributes:
        run: The run it belongs to.
        worker: The generator process.
        number: The message of that process.
        begun: Unix time in µs at which the message was to begin.
    """

    run: bytes
    worker: int
    number: int
    begun: int


def mark_of(header: bytes) -> Mark | None:
    """What a delivered message says about itself, None if it is none of ours."""
    found = _TOKEN.search(header)
    if found is None:
        return None
    try:
        run, worker, number = found[1].split(b"-")
        return Mark(run, int(worker, 16), int(number, 16), int(found[2] or b"0", 16))
    except ValueError:
        return None


def _text(octets: int, seed: int) -> bytes:
    """Lines of words, CRLF at every end, no line that begins with a dot: nothing to stuff.

    Single blanks between words, as people write: a signer that folds white space (RFC 6376 §3.4.4)
    has its slow way for more, and that would be what is measured.
    """
    source = random.Random(seed)
    words = ["".join(source.choices(_LETTERS, k=source.randint(2, 9))) for _ in range(_LINE)]
    line = " ".join(words)[: _LINE - 3].encode() + b"x"
    whole, rest = divmod(octets, _LINE + 2)
    if rest == 1:
        # One octet cannot be a line: take some from the line before.
        whole, rest = whole - 1, rest + _LINE + 2
    pieces = []
    for number in range(whole):
        turn = number % len(line)
        pieces.append(b"x" + line[turn:] + line[:turn] + b"x\r\n")
    if rest:
        pieces.append(b"x" * (rest - 2) + b"\r\n")
    return b"".join(pieces)
