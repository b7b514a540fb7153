"""A server in memory: answers by the first word of each line, in clear and inside TLS."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from fixtures.certificates import CertificateAuthority

REPLIES: Mapping[bytes, bytes] = {
    b"": b"220 relay.example ESMTP\r\n",
    b"EHLO": b"250-relay.example\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n",
    b"STARTTLS": b"220 2.0.0 Go ahead\r\n",
    b"AUTH": b"235 2.7.0 Welcome\r\n",
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"DATA": b"354 Go on\r\n",
    b".": b"250 2.0.0 Ok: queued as QQ1\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}


class ScriptedServer:
    """The far end of a Channel.

    Attributes:
        lines: Every command line and content line that came, without CRLF.
        is_closed: Whether the client let go.
    """

    def __init__(
        self,
        replies: Mapping[bytes, bytes] | None = None,
        context: ssl.SSLContext | None = None,
        octets_at_a_time: int = 65_536,
    ) -> None:
        """Describe the server.

        Args:
            replies: Replaces some of the usual replies; an empty one closes the connection.
            context: For TLS.
            octets_at_a_time: How much arrives at once.
        """
        self.lines: list[bytes] = []
        self.is_closed = False
        self._replies = {**REPLIES, **(replies or {})}
        self._context = context
        self._step = octets_at_a_time
        self._to_client: deque[bytes] = deque()
        self._received = bytearray()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._is_shaken = False
        self._in_content = False
        self._answer(b"")

    def send(self, octets: bytes) -> None:
        if self._tls is None:
            self._received += octets
        else:
            self._incoming.write(octets)
            self._decrypt(self._tls)
        self._read_lines()

    def receive(self) -> bytes:
        if not self._to_client:
            return b""
        octets = self._to_client.popleft()
        if len(octets) > self._step:
            self._to_client.appendleft(octets[self._step :])
        return octets[: self._step]

    def close(self) -> None:
        self.is_closed = True

    def _decrypt(self, tls: ssl.SSLObject) -> None:
        try:
            if not self._is_shaken:
                tls.do_handshake()
                self._is_shaken = True
            while True:
                self._received += tls.read()
        except ssl.SSLWantReadError:
            pass
        if self._outgoing.pending:
            self._to_client.append(self._outgoing.read())

    def _read_lines(self) -> None:
        while (end := self._received.find(b"\r\n")) >= 0:
            line = bytes(self._received[:end])
            del self._received[: end + 2]
            self.lines.append(line)
            if self._in_content:
                if line == b".":
                    self._in_content = False
                    self._answer(b".")
                continue
            word = line.split(b" ")[0]
            self._answer(word)
            self._in_content = word == b"DATA" and self._replies[word].startswith(b"3")
            if word == b"STARTTLS" and self._context is not None:
                self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def _answer(self, word: bytes) -> None:
        reply = self._replies.get(word, b"334 VXNlcm5hbWU6\r\n")
        if self._tls is None:
            self._to_client.append(reply)
        elif reply:
            self._tls.write(reply)
            self._to_client.append(self._outgoing.read())
        else:
            self._to_client.append(b"")


def contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS contexts of a server called relay.example and of a client that trusts it."""
    authority = CertificateAuthority.create()
    certificate, key = authority.issue(["relay.example"]).write(folder, "relay")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return server, authority.context()
