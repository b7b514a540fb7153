"""The null sink: a submission service that takes everything and keeps nothing.

The generator is calibrated against it: what it cannot offer here it cannot offer anywhere.
It speaks STARTTLS and AUTH with real TLS and does nothing else, so that it costs less per message
than any service that keeps its promise. `python -m loadtests.null_sink` prints one ready line.
With --books it counts what it takes by token, an octet a message, and says so at its end.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import signal
import ssl
import sys
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from loadtests.content import mark_of
from loadtests.ledger import Tally

_READ_OCTETS = 1 << 18
_BACKLOG = 1024
_END = b"\r\n.\r\n"
_EHLO = b"250-null.example\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-SIZE 104857600\r\n"
_REPLIES = {
    b"MAIL": b"250 2.1.0 Ok\r\n",
    b"RCPT": b"250 2.1.5 Ok\r\n",
    b"AUTH": b"235 2.7.0 Ok\r\n",
    b"RSET": b"250 2.0.0 Ok\r\n",
    b"NOOP": b"250 2.0.0 Ok\r\n",
}
_TAKEN = b"250 2.0.0 Ok: forgotten\r\n"
_GO_AHEAD = b"354 Go ahead\r\n"


class Session(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(
        self, context: ssl.SSLContext, buffer: bytearray, books: Books | None = None
    ) -> None:
        """Describe it.

        Args:
            context: Of TLS.
            buffer: Shared by all connections; what is in it is copied at once.
            books: Where messages are counted; None forgets them as they come in.
        """
        self._books = books
        self._pieces: list[bytes] = []
        self._context = context
        self._buffer = buffer
        self._transport: asyncio.Transport | None = None
        self._tls: ssl.SSLObject | None = None
        self._is_shaken = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._text = b""
        self._in_content = False
        self._is_over = False
        self._chunk = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 null.example ESMTP\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything."""
        self._transport = self._tls = None

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where the octets go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Answer what arrived."""
        octets = bytes(memoryview(self._buffer)[:nbytes])
        try:
            replies = self._answered(octets) if self._tls is None else self._inside(octets)
        except ssl.SSLError:
            replies, self._is_over = b"", True
        transport = self._transport
        if transport is None:
            return
        if replies:
            transport.write(replies)
        if self._is_over:
            transport.close()

    def _inside(self, octets: bytes) -> bytes:
        """Decrypt, answer, encrypt."""
        tls = self._tls
        assert tls is not None
        self._incoming.write(octets)
        if not self._is_shaken:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                return self._outgoing.read()
            self._is_shaken = True
        pieces = []
        with contextlib.suppress(ssl.SSLWantReadError):
            while piece := tls.read(_READ_OCTETS):
                pieces.append(piece)
        replies = self._answered(b"".join(pieces)) if pieces else b""
        if replies:
            tls.write(replies)
        return self._outgoing.read()

    def _answered(self, octets: bytes) -> bytes:
        text = self._text + octets if self._text else octets
        replies = []
        while text:
            if self._chunk:
                taken = min(self._chunk, len(text))
                self._chunk -= taken
                self._keep(text[:taken])
                text = text[taken:]
                if self._chunk:
                    break
                self._take()
                replies.append(_TAKEN)
                continue
            if self._in_content:
                if not text.endswith(_END) and (end := text.find(_END)) < 0:
                    # Enough of it to see an end that is cut in two.
                    self._keep(text[: -len(_END) + 1])
                    text = text[-len(_END) + 1 :]
                    break
                # The rest after an end of data that was not last.
                end = len(text) - len(_END) if text.endswith(_END) else end
                self._keep(text[: end + 2])
                self._take()
                text = text[end + len(_END) :]
                self._in_content = False
                replies.append(_TAKEN)
                continue
            line, found, rest = text.partition(b"\r\n")
            if not found:
                break
            text = rest
            word = line[:4].upper()
            if (reply := _REPLIES.get(word)) is not None:
                replies.append(reply)
            elif word == b"DATA":
                self._in_content = True
                replies.append(_GO_AHEAD)
            elif word == b"BDAT":
                self._chunk = int(line.split()[1])
            elif word in (b"EHLO", b"HELO"):
                last = b"250 AUTH PLAIN\r\n" if self._tls else b"250 STARTTLS\r\n"
                replies.append(_EHLO + last)
            elif word == b"STAR":
                self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_side=True)
                self._text = b""
                return b"220 2.0.0 Go ahead\r\n"
            elif word == b"QUIT":
                replies.append(b"221 2.0.0 Bye\r\n")
                self._is_over = True
                break
            else:
                replies.append(b"500 5.5.2 What?\r\n")
        self._text = text
        return b"".join(replies)

    def _keep(self, octets: bytes) -> None:
        if self._books is not None:
            self._pieces.append(octets)

    def _take(self) -> None:
        if self._books is not None:
            self._books.note(b"".join(self._pieces))
            self._pieces.clear()


class Books:
    """What was taken, by run and token; memory grows by an octet a message."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tally] = {}
        # Of one run all bodies are the same, so there are few different ones.
        self._bodies: dict[str, Counter[tuple[int, int]]] = {}

    def note(self, content: bytes) -> None:
        """Count a message; what bears no token is none of a load run's."""
        header, blank, body = content.partition(b"\r\n\r\n")
        mark = mark_of(header + b"\r\n")
        if mark is None or not blank:
            return
        run = mark.run.decode("ascii", "replace")
        self._tallies.setdefault(run, Tally()).note(mark.worker, mark.number)
        self._bodies.setdefault(run, Counter())[len(body), zlib.crc32(body)] += 1

    def write(self, path: Path) -> None:
        """Write them as JSON."""
        table = {
            run: {
                "counts": {
                    str(worker): base64.b64encode(zlib.compress(counts)).decode()
                    for worker, counts in tally.counts.items()
                },
                "bodies": [[*body, count] for body, count in self._bodies[run].items()],
            }
            for run, tally in self._tallies.items()
        }
        path.write_text(json.dumps(table), encoding="utf-8")


def read_books(path: Path, run: str, body: bytes) -> tuple[Tally, int]:
    """What a null sink has counted of one run, and how many bodies were not this one.

    Raises:
        OSError, ValueError: The file is not there, or holds no books.
    """
    table = json.loads(path.read_text(encoding="utf-8")).get(run, {"counts": {}, "bodies": []})
    counts = {
        int(worker): zlib.decompress(base64.b64decode(packed))
        for worker, packed in table["counts"].items()
    }
    wanted = (len(body), zlib.crc32(body))
    changed = sum(count for length, crc, count in table["bodies"] if (length, crc) != wanted)
    return Tally(counts=counts), changed


async def serve(
    address: str, port: int, certificate: Path, key: Path, books: Books | None = None
) -> None:
    """Take everything until SIGTERM or SIGINT; a ready line on stdout says where."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    buffer = bytearray(_READ_OCTETS)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Session(context, buffer, books), address, port, backlog=_BACKLOG
    )
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    bound = server.sockets[0].getsockname()
    line = {"event": "ready", "address": bound[0], "port": bound[1]}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
    await ended.wait()
    server.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.null_sink", description=__doc__)
    parser.add_argument("--address", default="127.0.0.1", help="where to listen (loopback)")
    parser.add_argument("--port", type=int, default=0, help="0 lets the kernel choose")
    parser.add_argument("--certificate", type=Path, required=True, help="PEM")
    parser.add_argument("--key", type=Path, required=True, help="PEM")
    parser.add_argument("--books", type=Path, metavar="FILE", help="count messages, written at end")
    options = parser.parse_args(arguments)
    books = Books() if options.books else None
    try:
        asyncio.run(serve(options.address, options.port, options.certificate, options.key, books))
        if books is not None:
            books.write(options.books)
    except (OSError, ssl.SSLError) as error:
        sys.stderr.write(f"null_sink: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
