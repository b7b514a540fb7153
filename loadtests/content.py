"""Messages rendered before the run: one header and one body, with a slot for each token.

Only the token differs between messages, so that sending one costs a copy and no rendering, memory
does not grow with the number of messages, and what arrives can be compared octet by octet.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Self

# 72 characters and CRLF: the line length of the anchors' measurements.
_LINE = 72
_END_OF_DATA = b".\r\n"
_SLOT = b"@" * 24
_LETTERS = string.ascii_lowercase
_TOKEN = re.compile(rb"^X-Load-Token: (\S+)\r$", re.MULTILINE)


class ContentTooSmall(ValueError):
    """The wanted size does not even hold the header; the message says how many octets do."""


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """Content with a slot for the token.

    Attributes:
        pieces: What DATA is followed by, around the two places of the token.
        body: What follows the header, as it must arrive.
    """

    pieces: tuple[bytes, bytes, bytes] = field(repr=False)
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
            f"X-Load-Token: {_SLOT.decode()}\r\n\r\n"
        ).encode()
        # A body of one line break keeps the content well formed.
        least = len(header) + 2
        if octets < least:
            raise ContentTooSmall(f"at least {least} octets, of which {len(header)} are header")
        body = _text(octets - len(header), seed)
        before, between, after = header.split(_SLOT)
        return cls((before, between, after + body + _END_OF_DATA), body)

    def data(self, token: bytes) -> bytes:
        """The message with this token and its end-of-data line, ready to be sent.

        A token of 24 octets keeps the size that was asked for.
        """
        return token.join(self.pieces)


def tokens(run: str, worker: int, user: int) -> Iterator[bytes]:
    """The tokens of one user: 24 octets each, unlike those of any other user of the run.

    Args:
        run: Eight characters that no other run has.
        worker: Number of the generator process, below 256.
        user: Number of the user in its process, below 65,536.
    """
    prefix = f"{run:.8}-{worker:02x}{user:04x}-"
    number = 0
    while True:
        yield b"%b%08x" % (prefix.encode(), number)
        number += 1


def token_of(content: bytes) -> bytes | None:
    """The token in a delivered message, None if it is none of ours."""
    found = _TOKEN.search(content)
    return found[1] if found else None


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
