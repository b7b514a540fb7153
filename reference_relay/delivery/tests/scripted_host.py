"""An MX host on loopback that follows a script and keeps what it was given."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Answer = Callable[[str], str | None]
"""Given a command line, the reply to it; None for the usual one.

"." stands for the end of the content, "content" for its beginning.

"drop" cuts the connection, "silence" says nothing any more.
"""


@dataclass(slots=True)
class Mail:
    """What one transaction brought."""

    peer: str
    sender: str = ""
    recipients: list[str] = field(default_factory=list)
    content: bytes = b""


class ScriptedHost:
    """Speaks SMTP; `mails` and `commands` tell what happened."""

    def __init__(
        self,
        answer: Answer = lambda line: None,
        greeting: str = "220 mx",
        extensions: tuple[str, ...] = ("PIPELINING", "SIZE 0", "8BITMIME", "SMTPUTF8"),
    ) -> None:
        self._answer = answer
        self._greeting = greeting
        self._extensions = extensions
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self.mails: list[Mail] = []
        self.commands: list[str] = []
        self.connections = 0
        self.arrived = asyncio.Condition()

    async def start(self, address: str, port: int = 0) -> int:
        """Listen; return the port."""
        self._server = await asyncio.start_server(self._session, address, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def answer_with(self, answer: Answer) -> None:
        """Follow another script from now on."""
        self._answer = answer

    async def wait_for(self, count: int) -> list[Mail]:
        """Wait until that many mails arrived."""
        async with asyncio.timeout(10), self.arrived:
            await self.arrived.wait_for(lambda: len(self.mails) >= count)
        return self.mails

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        finally:
            self._sessions.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{self._greeting}\r\n".encode())
        usual: Mapping[str, str] = {"DATA": "354 go on", "QUIT": "221 bye"}
        ehlo = "\r\n".join(f"250-{name}" for name in ("mx", *self._extensions)) + "\r\n250 OK"
        mail = Mail(writer.get_extra_info("peername")[0])
        while line := (await reader.readuntil(b"\r\n")).decode().removesuffix("\r\n"):
            self.commands.append(line)
            verb = line.upper().partition(" ")[0]
            reply = self._answer(line) or (ehlo if verb == "EHLO" else usual.get(verb, "250 ok"))
            if await _is_end(reply):
                return
            if verb == "MAIL":
                mail = Mail(mail.peer, line)
            elif verb == "RCPT" and reply[0] == "2":
                mail.recipients.append(line.partition("<")[2].partition(">")[0])
            elif verb == "DATA" and not mail.recipients:
                reply = "503 nobody to send to"
            writer.write(f"{reply}\r\n".encode())
            if verb == "DATA" and reply[0] == "3":
                await _is_end(self._answer("content") or "")
                mail.content = await _content(reader)
                reply = self._answer(".") or "250 2.0.0 queued"
                if await _is_end(reply):
                    return
                writer.write(f"{reply}\r\n".encode())
                if reply[0] == "2":
                    async with self.arrived:
                        self.mails.append(mail)
                        self.arrived.notify_all()
            if verb == "QUIT" or reply.startswith("421"):
                return


async def _is_end(reply: str) -> bool:
    if reply == "silence":
        await asyncio.Event().wait()
    return reply == "drop"


async def _content(reader: asyncio.StreamReader) -> bytes:
    lines = []
    while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
        lines.append(line.removeprefix(b"."))
    return b"".join(lines)
