"""What the driver does to a server: the workloads by name, and their scripts.

W1 and W3 are kept sessions, so they price a message; W2 is a connection, a handshake, a sign-in
and one message, so it prices a session.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

from loadtests.benchmark.conversation import Pause, Script, Turn

SENDER = "mailer@example.com"
RECIPIENT = "recipient@recipient.example"
LINE_OCTETS = 72
# Connections at a time, in every workload.
WIDTH = 20

_HEADER = (
    "Date: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
    f"From: <{SENDER}>\r\n"
    f"To: <{RECIPIENT}>\r\n"
    "Message-ID: <benchmark@example.com>\r\n"
    "Subject: benchmark\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain; charset=us-ascii\r\n"
    "\r\n"
).encode("ascii")
_QUIT = Turn(b"QUIT\r\n", (b"221",))


class Sessions(Enum):
    """Whether a session outlives its message."""

    KEPT = auto()
    FRESH = auto()


@dataclass(frozen=True, slots=True)
class Workload:
    """One way to load a server.

    Attributes:
        octets: Length of a message with its header.
        is_grouped: MAIL, RCPT and DATA leave in one write (RFC 2920).
    """

    key: str
    title: str
    sessions: Sessions
    octets: int = 4096
    is_grouped: bool = False


WORKLOADS = {
    one.key: one
    for one in (
        Workload("W1", f"{WIDTH} kept sessions, 4 KiB, each command waits", Sessions.KEPT),
        Workload("W2", f"a session per message, {WIDTH} at a time, 4 KiB", Sessions.FRESH),
        Workload("W3", "as W1, MAIL RCPT DATA in one group", Sessions.KEPT, is_grouped=True),
        Workload("64K", "as W1, 64 KiB", Sessions.KEPT, octets=65_536),
    )
}


@dataclass(frozen=True, slots=True)
class Login:
    """The one account that every server knows."""

    username: str
    password: str = field(repr=False)

    @property
    def initial_response(self) -> bytes:
        """AUTH PLAIN's only message (RFC 4616 §2)."""
        return base64.b64encode(f"\0{self.username}\0{self.password}".encode())


def content(octets: int) -> bytes:
    """Return a text/plain message of exactly this length, in lines of 72 octets.

    Raises:
        ValueError: Too short for its header.
    """
    body = octets - len(_HEADER)
    if body < 2:
        raise ValueError(f"a message has at least {len(_HEADER) + 2} octets")
    line = b"x" * (LINE_OCTETS - 2) + b"\r\n"
    full, rest = divmod(body, LINE_OCTETS)
    lines = [line] * full
    if rest == 1:
        lines[-1] = b"x" + line
    elif rest:
        lines.append(line[-rest:])
    return _HEADER + b"".join(lines)


def sign_in(login: Login) -> Script:
    """Greeting, STARTTLS, handshake, AUTH PLAIN with an initial response."""
    yield Turn(b"", (b"220",))
    yield Turn(b"EHLO client.example\r\n", (b"250",))
    yield Turn(b"STARTTLS\r\n", (b"220",))
    yield Pause.HANDSHAKE
    yield Turn(b"EHLO client.example\r\n", (b"250",))
    yield Turn(b"AUTH PLAIN " + login.initial_response + b"\r\n", (b"235",))


def one_message(message: bytes, *, is_grouped: bool) -> tuple[Turn, ...]:
    """Return the turns of one transaction."""
    mail = Turn(f"MAIL FROM:<{SENDER}>\r\n".encode(), (b"250",))
    rcpt = Turn(f"RCPT TO:<{RECIPIENT}>\r\n".encode(), (b"250",))
    start = Turn(b"DATA\r\n", (b"354",))
    end = Turn(message + b".\r\n", (b"250",))
    if not is_grouped:
        return mail, rcpt, start, end
    group = (mail, rcpt, start)
    octets = b"".join(turn.octets for turn in group)
    return Turn(octets, tuple(turn.expected[0] for turn in group)), end


def kept_session(
    login: Login,
    turns: tuple[Turn, ...],
    goes_on: Callable[[], bool],
    is_over: Callable[[], bool],
) -> Script:
    """Sign in and park; each time it is resumed, send messages while `goes_on`; at last, quit."""
    yield from sign_in(login)
    yield Pause.PARKED
    while not is_over():
        while goes_on():
            yield from turns
        yield Pause.PARKED
    yield _QUIT


def fresh_session(login: Login, turns: tuple[Turn, ...]) -> Script:
    """Sign in, send one message, quit."""
    yield from sign_in(login)
    yield from turns
    yield _QUIT
