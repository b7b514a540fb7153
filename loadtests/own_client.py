"""How to bring a client of one's own: aiosmtplib, its asyncio loop inside a greenlet.

A convenience, not an instrument: it costs several times what `SubmissionUser` does, so the
generator is its own limit early (and says so).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Sequence
from typing import Any

import aiosmtplib
import gevent
from gevent.event import AsyncResult
from locust import constant

from loadtests.content import END_OF_DATA
from loadtests.phase import Phase
from loadtests.plan import EHLO_NAME
from loadtests.room import Room
from loadtests.smtp_user import SubmissionUser
from loadtests.submission_client import Lost, Refused, Stamps, SubmissionFailed

_TIMEOUT_SECONDS = 60


class _Loop:
    """An asyncio loop that greenlets of its thread can wait for.

    Under gevent's patches its selector yields to the other greenlets while it waits.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        gevent.spawn(self._loop.run_forever)

    def wait_for(self, phase: Phase, work: Coroutine[Any, Any, Any]) -> Any:
        """Run it; only the calling greenlet waits.

        Raises:
            SubmissionFailed: It failed, in this phase.
        """
        result = AsyncResult()

        def ended(task: asyncio.Task[Any]) -> None:
            error = task.exception()
            result.set_exception(error) if error is not None else result.set(task.result())

        # Also wakes the loop, should it be waiting in its selector.
        self._loop.call_soon_threadsafe(
            lambda: self._loop.create_task(work).add_done_callback(ended)
        )
        try:
            return result.get()
        except aiosmtplib.SMTPResponseException as error:
            raise Refused(phase, f"{error.code} {error.message}\r\n".encode()) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise Lost(phase, type(error).__name__) from None


class _Session:
    """An aiosmtplib session in the shape of SubmissionClient, as far as a user needs it.

    Attributes:
        is_in_doubt: Whether a message may have been accepted although its reply never came.
    """

    tls_session = None

    def __init__(self, loop: _Loop, room: Room) -> None:
        plan = room.plan
        self.is_in_doubt = False
        self._loop = loop
        self._smtp = aiosmtplib.SMTP(
            hostname=plan.address,
            port=plan.port,
            local_hostname=EHLO_NAME,
            start_tls=False,
            timeout=_TIMEOUT_SECONDS,
        )

    def greet(self) -> None:
        self._loop.wait_for(Phase.CONNECT, self._smtp.connect())

    def start_tls(self, room: Room) -> None:
        # Without a context of ours each session would load the trust store anew: 25 ms.
        work = self._smtp.starttls(server_hostname=room.plan.host, tls_context=room.context)
        self._loop.wait_for(Phase.TLS, work)

    def authenticate(self, room: Room) -> None:
        known = room.credentials
        self._loop.wait_for(Phase.AUTH, self._smtp.login(known.username, known.password))

    def submit(self, mail: bytes, recipients: Sequence[bytes], data: bytes) -> Stamps:
        begun = time.perf_counter()
        paths = [line[len(b"RCPT TO:<") : -len(b">\r\n")].decode() for line in recipients]
        sender = mail[len(b"MAIL FROM:<") : -len(b">\r\n")].decode()
        self.is_in_doubt = True
        work = self._smtp.sendmail(sender, paths, data[: -len(END_OF_DATA)])
        try:
            self._loop.wait_for(Phase.MESSAGE, work)
        except Refused:
            self.is_in_doubt = False
            raise
        self.is_in_doubt = False
        # The library does not tell where one phase ends and the next begins.
        return Stamps(begun, begun, begun, time.perf_counter())

    def reset(self) -> None:
        self._loop.wait_for(Phase.ENVELOPE, self._smtp.rset())

    def quit(self) -> None:
        with contextlib.suppress(SubmissionFailed):
            self._loop.wait_for(Phase.MESSAGE, self._smtp.quit())

    def close(self) -> None:
        self._smtp.close()


class OwnClient(SubmissionUser):
    """A kept session of aiosmtplib; everything else is as with the instrument's own user."""

    wait_time = constant(0)
    tasks = (SubmissionUser.submit,)
    _loop: _Loop | None = None

    def open_session(self) -> Any:
        """Connect, start TLS and authenticate; each of them is an entry.

        Raises:
            SubmissionFailed: One of them did not work; it has been counted.
        """
        if OwnClient._loop is None:
            OwnClient._loop = _Loop()
        session = _Session(OwnClient._loop, self.room)
        try:
            with self.measured(Phase.CONNECT):
                session.greet()
            with self.measured(Phase.TLS):
                session.start_tls(self.room)
            with self.measured(Phase.AUTH):
                session.authenticate(self.room)
        except SubmissionFailed:
            session.close()
            raise
        self._client = session  # type: ignore[assignment]  # in the shape of one
        self._sent_in_session = 0
        return session
