"""The submission dialogue by hand: commands out, replies in, TLS in memory.

Written for cost, because what the generator spends it cannot offer as load: one send per command,
wait before read (a reply is never there yet), no parsing beyond the first digit while all goes
well. It knows no sockets: a Channel moves the octets, gevent's or an ordinary one.
"""

from __future__ import annotations

import base64
import contextlib
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from loadtests.phase import Phase

# What a TLS record holds at most; replies are far smaller.
_READ_OCTETS = 16_384
# Content above this is encrypted and sent piece by piece, so that it is not held twice.
_PIECE_OCTETS = 262_144
# RFC 5321 §4.5.3.1.5: 512 octets a line; no honest reply has more than some dozens of them.
_REPLY_OCTETS = 65_536


class Channel(Protocol):
    """A connection that moves octets."""

    def send(self, octets: bytes) -> None:
        """Send all of them; raises OSError."""

    def receive(self) -> bytes:
        """Wait, then give what is there, b"" at the end; raises OSError, TimeoutError."""

    def close(self) -> None:
        """Let go of the connection; never raises."""


class SubmissionFailed(Exception):
    """The dialogue did not get through a phase.

    Attributes:
        phase: Where it happened.
        kind: A few words by which failures are counted.
    """

    def __init__(self, phase: Phase, kind: str) -> None:
        super().__init__(f"{phase.value}: {kind}")
        self.phase = phase
        self.kind = kind


class Refused(SubmissionFailed):
    """A complete reply that is no consent; the session goes on unless it was 421."""

    def __init__(self, phase: Phase, reply: bytes) -> None:
        lines = reply.decode("utf-8", "backslashreplace").split("\r\n")
        super().__init__(phase, lines[-2] if len(lines) > 1 else lines[0])
        self.closes = reply.startswith(b"421")


class Lost(SubmissionFailed):
    """The connection is of no more use: closed, too slow, or not SMTP."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What AUTH sends."""

    username: str
    password: str = field(repr=False)


class Stamps(NamedTuple):
    """Moments of one accepted message, in seconds of `time.perf_counter`."""

    begun: float
    enveloped: float
    sent: float
    acknowledged: float


class SubmissionClient:
    """One session on one connection.

    Attributes:
        is_in_doubt: Whether a message was sent whose reply has not come: it may have been accepted.
        last_reply: The final reply of the last accepted message.
    """

    __slots__ = (
        "_channel",
        "_incoming",
        "_keywords",
        "_outgoing",
        "_phase",
        "_surplus",
        "_tls",
        "is_in_doubt",
        "last_reply",
    )

    def __init__(self, channel: Channel) -> None:
        """Take over a fresh connection; nothing is sent yet."""
        self._channel = channel
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._phase = Phase.CONNECT
        self._keywords: dict[str, str] = {}
        # What arrived with an earlier reply, where several are under way.
        self._surplus = b""
        self.is_in_doubt = False
        self.last_reply = b""

    # --- once a session --------------------------------------------------------------------------

    def greet(self, name: str) -> None:
        """Read the greeting and send EHLO (RFC 5321 §3.1, §3.2).

        Raises:
            SubmissionFailed: As every method here: Refused or Lost, with the phase.
        """
        self._phase = Phase.CONNECT
        self._expect(b"2")
        self._hello(name)

    def start_tls(
        self,
        context: ssl.SSLContext,
        host: str,
        name: str,
        resumed: ssl.SSLSession | None = None,
    ) -> None:
        """STARTTLS, handshake, EHLO (RFC 3207 §4).

        Args:
            context: Shared by all sessions: loading a trust store costs more than the session.
            host: Name for SNI and certificate.
            name: What EHLO says.
            resumed: `tls_session` of an earlier session, to be resumed.
        """
        self._phase = Phase.TLS
        self._send(b"STARTTLS\r\n")
        self._expect(b"2")
        tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=host, session=resumed
        )
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self._incoming.write(self._arrived())
            except ssl.SSLError as error:
                raise Lost(self._phase, f"handshake: {_reason(error)}") from None
        self._flush()
        self._surplus = b""
        self._tls = tls
        self._hello(name)

    def authenticate(self, credentials: Credentials) -> None:
        """AUTH PLAIN, or LOGIN where only that is offered (RFC 4954 §4)."""
        self._phase = Phase.AUTH
        mechanisms = self._keywords.get("AUTH", "").upper().split()
        username, password = credentials.username.encode(), credentials.password.encode()
        if "PLAIN" in mechanisms:
            initial = base64.b64encode(b"\0%b\0%b" % (username, password))
            self._send(b"AUTH PLAIN %b\r\n" % initial)
        elif "LOGIN" in mechanisms:
            self._send(b"AUTH LOGIN\r\n")
            for secret in (username, password):
                self._expect(b"3")
                self._send(base64.b64encode(secret) + b"\r\n")
        else:
            raise Lost(self._phase, "neither PLAIN nor LOGIN is offered")
        self._expect(b"2")

    @property
    def tls_session(self) -> ssl.SSLSession | None:
        """What a later session can resume; of TLS 1.3 only there once a reply has been read."""
        return self._tls.session if self._tls is not None else None

    @property
    def was_resumed(self) -> bool:
        """Whether the handshake resumed an earlier session."""
        return self._tls is not None and bool(self._tls.session_reused)

    def quit(self) -> None:
        """Say QUIT, wait for the reply, close; trouble does not matter any more."""
        with contextlib.suppress(SubmissionFailed):
            self._send(b"QUIT\r\n")
            self._reply()
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._channel.close()

    # --- for each message ------------------------------------------------------------------------

    def submit(self, mail: bytes, recipients: Sequence[bytes], data: bytes) -> Stamps:
        """Send one message, each command waiting for its reply.

        Args:
            mail: The whole MAIL line with its CRLF.
            recipients: The whole RCPT lines.
            data: The content, stuffed (RFC 5321 §4.5.2), with its end-of-data line.
        """
        clock = time.perf_counter
        begun = clock()
        self._phase = Phase.ENVELOPE
        self._send(mail)
        self._expect(b"2")
        for recipient in recipients:
            self._send(recipient)
            self._expect(b"2")
        enveloped = clock()
        self._phase = Phase.CONTENT
        self._send(b"DATA\r\n")
        self._expect(b"3")
        self.is_in_doubt = True
        self._send(data)
        sent = clock()
        self._phase = Phase.ACKNOWLEDGEMENT
        reply = self._reply()
        self.is_in_doubt = False
        if not reply.startswith(b"2"):
            raise Refused(self._phase, reply)
        self.last_reply = reply
        return Stamps(begun, enveloped, sent, clock())

    def submit_pipelined(self, mail: bytes, recipients: Sequence[bytes], data: bytes) -> Stamps:
        """Send one message, its commands up to DATA in one write (RFC 2920 §3.1).

        Args:
            mail: As `submit`, and so are the others.
            recipients: The whole RCPT lines.
            data: The content, stuffed, with its end-of-data line.
        """
        clock = time.perf_counter
        begun = clock()
        self._phase = Phase.ENVELOPE
        self._send(b"%b%bDATA\r\n" % (mail, b"".join(recipients)))
        refused = self._first_refusal(1 + len(recipients))
        enveloped = clock()
        self._phase = Phase.CONTENT
        go_ahead = self._next_reply()
        if refused is not None:
            # Without an end of data there is no message; the rest of the session is not worth it.
            refused.closes = refused.closes or go_ahead.startswith(b"3")
            raise refused
        if not go_ahead.startswith(b"3"):
            raise Refused(self._phase, go_ahead)
        self.is_in_doubt = True
        self._send(data)
        return self._acknowledged(begun, enveloped, clock())

    def submit_chunked(self, mail: bytes, recipients: Sequence[bytes], data: bytes) -> Stamps:
        """Send one message in one write: MAIL, RCPT and one BDAT (RFC 3030 §2).

        Args:
            mail: As `submit`, and so are the recipients.
            recipients: The whole RCPT lines.
            data: The content as it is, without an end-of-data line.
        """
        clock = time.perf_counter
        begun = clock()
        self._phase = Phase.ENVELOPE
        self.is_in_doubt = True
        self._send(b"%b%bBDAT %d LAST\r\n%b" % (mail, b"".join(recipients), len(data), data))
        sent = clock()
        refused = self._first_refusal(1 + len(recipients))
        if refused is not None:
            # The octets went out with the commands; what the server makes of them is read, too.
            self._next_reply()
            self.is_in_doubt = False
            raise refused
        return self._acknowledged(begun, sent, sent)

    def _acknowledged(self, begun: float, enveloped: float, sent: float) -> Stamps:
        self._phase = Phase.ACKNOWLEDGEMENT
        reply = self._reply()
        self.is_in_doubt = False
        if not reply.startswith(b"2"):
            raise Refused(self._phase, reply)
        self.last_reply = reply
        return Stamps(begun, enveloped, sent, time.perf_counter())

    def _first_refusal(self, replies: int) -> Refused | None:
        """Read so many replies; the first that is no consent, None if all are."""
        refused = None
        for _ in range(replies):
            reply = self._next_reply()
            if not reply.startswith(b"2") and refused is None:
                refused = Refused(self._phase, reply)
        return refused

    def _next_reply(self) -> bytes:
        """Read one of several replies that may arrive together."""
        octets = self._surplus
        while (end := _final_line_end(octets)) == 0:
            if len(octets) > _REPLY_OCTETS:
                raise Lost(self._phase, "a reply without end")
            octets += self._octets()
        self._surplus = octets[end:]
        if not octets[:3].isdigit():
            raise Lost(self._phase, "what arrived is not one reply")
        return octets[:end]

    def reset(self) -> None:
        """RSET, after a refusal within a transaction (RFC 5321 §4.1.1.5)."""
        self._phase = Phase.ENVELOPE
        self._send(b"RSET\r\n")
        self._expect(b"2")

    # --- octets ----------------------------------------------------------------------------------

    def _hello(self, name: str) -> None:
        self._send(f"EHLO {name}\r\n".encode())
        lines = self._expect(b"2").decode("utf-8", "backslashreplace").split("\r\n")
        words = (line[4:].partition(" ") for line in lines[1:] if line)
        self._keywords = {keyword.upper(): rest for keyword, _, rest in words}

    def _expect(self, digit: bytes) -> bytes:
        reply = self._reply()
        if not reply.startswith(digit):
            raise Refused(self._phase, reply)
        return reply

    def _reply(self) -> bytes:
        octets, self._surplus = self._surplus or self._octets(), b""
        while not _is_complete(octets):
            if len(octets) > _REPLY_OCTETS:
                raise Lost(self._phase, "a reply without end")
            octets += self._octets()
        if not octets[:3].isdigit() or _final_line_end(octets) != len(octets):
            raise Lost(self._phase, "what arrived is not one reply")
        return octets

    def _octets(self) -> bytes:
        """Wait for octets and decrypt them."""
        tls = self._tls
        if tls is None:
            return self._arrived()
        incoming = self._incoming
        if not incoming.pending and not tls.pending():
            incoming.write(self._arrived())
        while True:
            try:
                octets = tls.read(_READ_OCTETS)
            except ssl.SSLWantReadError:
                # Half a record, or a session ticket.
                incoming.write(self._arrived())
                continue
            except ssl.SSLError as error:
                raise Lost(self._phase, f"TLS: {_reason(error)}") from None
            if not octets:
                raise Lost(self._phase, "the server closed")
            return octets

    def _arrived(self) -> bytes:
        try:
            octets = self._channel.receive()
        except TimeoutError:
            raise Lost(self._phase, "no reply in time") from None
        except OSError as error:
            raise Lost(self._phase, error.strerror or type(error).__name__) from None
        if not octets:
            raise Lost(self._phase, "the server closed")
        return octets

    def _send(self, octets: bytes) -> None:
        if self._tls is None:
            self._transmit(octets)
        elif len(octets) <= _PIECE_OCTETS:
            self._tls.write(octets)
            self._transmit(self._outgoing.read())
        else:
            view = memoryview(octets)
            for start in range(0, len(view), _PIECE_OCTETS):
                self._tls.write(view[start : start + _PIECE_OCTETS])
                self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._transmit(self._outgoing.read())

    def _transmit(self, octets: bytes) -> None:
        try:
            self._channel.send(octets)
        except TimeoutError:
            raise Lost(self._phase, "the server does not read") from None
        except OSError as error:
            raise Lost(self._phase, error.strerror or type(error).__name__) from None


def _is_complete(octets: bytes) -> bool:
    # Nearly every reply is one line, and arrives whole.
    if octets[3:4] == b" " and octets.endswith(b"\r\n"):
        return True
    return _final_line_end(octets) > 0


def _final_line_end(octets: bytes) -> int:
    """Where the first complete reply ends, 0 if none is complete (RFC 5321 §4.2)."""
    start = 0
    while (end := octets.find(b"\r\n", start)) >= 0:
        if octets[start + 3 : start + 4] != b"-":
            return end + 2
        start = end + 2
    return 0


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate: {error.verify_message}"
    return (error.reason or str(error)).lower().replace("_", " ")
