"""`openssl s_client` as a person would use it: it is given lines and shows the replies."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from types import TracebackType
from typing import Self

from fixtures.budget import Transactions, current_budget
from fixtures.probe import ConnectionLost, Reply, ReplyMalformed, ReplyTimeout
from fixtures.reply import take_reply
from fixtures.target import TargetEndpoint
from fixtures.transcript import Transcript, current_recorder


class OpenSSLClient:
    """One run of `openssl s_client -starttls smtp`; a context manager that ends it.

    It is always run with -quiet: otherwise the program takes lines that begin with R or Q for
    orders to itself (INT-05). Lines end with LF as typed; with -crlf it sends CRLF instead.
    """

    def __init__(self, program: str, endpoint: TargetEndpoint, *, crlf: bool) -> None:
        """Start the program.

        Args:
            program: Path of openssl.
            endpoint: Where to connect.
            crlf: Whether to give it -crlf.
        """
        address = endpoint.addresses[0]
        host = f"[{address}]" if ":" in address else address
        self.command = [
            program,
            *("s_client", "-starttls", "smtp", "-connect", f"{host}:{endpoint.port}"),
            *("-servername", endpoint.host),
            *(("-crlf",) if crlf else ()),
            "-quiet",
        ]
        self._place = current_budget().connect()
        self._transactions = Transactions()
        self._process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._buffer = bytearray()
        self.transcript = Transcript(name=" ".join(["openssl", *self.command[1:]]))
        current_recorder().register(self.transcript)

    def line(self, line: str, within: float = 10.0) -> Reply:
        """Type a line and read one reply.

        Raises:
            ConnectionLost: The program ended.
            ReplyTimeout: No complete reply in time.
        """
        self.enter(line)
        return self.read_reply(line.encode(), within)

    def enter(self, *lines: str) -> None:
        """Type lines, each with LF, and read nothing.

        Raises:
            ConnectionLost: The program ended.
        """
        octets = "".join(f"{line}\n" for line in lines).encode()
        if begun := self._transactions.count(octets):
            current_budget().message(begun)
        self.transcript.add("C", octets, is_tls=True)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(octets)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ConnectionLost("openssl ended", b"") from None

    def read_reply(self, command: bytes, within: float = 10.0) -> Reply:
        """Read the reply to this command.

        Raises:
            ConnectionLost: The program ended first.
            ReplyTimeout: It was not complete in time.
            ReplyMalformed: The octets break RFC 5321 §4.2.
        """
        deadline = time.monotonic() + within
        while (reply := take_reply(self._buffer)) is None or self._is_of_clear(reply):
            self._receive(deadline, within)
        self.transcript.add_reply(reply, command, "", is_tls=True)
        return reply

    def says(self, within: float) -> bytes:
        """Return what it shows within this time although nobody waits for a reply."""
        deadline = time.monotonic() + within
        try:
            while True:
                self._receive(deadline, within)
        except (ConnectionLost, ReplyTimeout):
            octets = bytes(self._buffer)
            self._write_down()
            return octets

    def _write_down(self) -> None:
        """Record what was shown reply by reply: together they would read as one."""
        while self._buffer:
            try:
                reply = take_reply(self._buffer)
            except ReplyMalformed as malformed:
                self.transcript.add("S", malformed.octets, is_tls=True, label="partial")
                continue
            octets = bytes(self._buffer) if reply is None else reply.raw
            label = "partial" if reply is None else ""
            self.transcript.add("S", octets, is_tls=True, label=label)
            if reply is None:
                self._buffer.clear()

    def _is_of_clear(self, reply: Reply) -> bool:
        # It shows the last line of the reply to its own EHLO, which it sent before the handshake.
        return not self.transcript.exchanges and reply.code == 250 and not reply.enhanced

    def _receive(self, deadline: float, within: float) -> None:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise ReplyTimeout(within, bytes(self._buffer))
        octets = os.read(descriptor, 65536)
        if not octets:
            raise ConnectionLost("openssl ended", bytes(self._buffer))
        self._buffer += octets

    def close(self) -> None:
        """End the program."""
        process = self._process
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
