"""The Locust user that submits messages, and what all users of a process share.

The only modules that import Locust are this one and those that build on it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path
from typing import Any

import gevent
from locust import User, events

from loadtests.content import MessageTemplate, tokens
from loadtests.gevent_channel import GeventChannel, patrol
from loadtests.measurement import Recorder
from loadtests.phase import Phase
from loadtests.plan import EHLO_NAME, PASSWORD_VARIABLE, PLAN_VARIABLE, Plan
from loadtests.submission_client import (
    Credentials,
    Lost,
    Refused,
    Stamps,
    SubmissionClient,
    SubmissionFailed,
)

# A service that refuses sessions must not be hammered, and its refusals must not fill the report.
_PAUSE_SECONDS = 0.5
_REQUEST_TYPE = "SMTP"


class Room:
    """What the users of one process share.

    Attributes:
        plan: Whom to load.
        recorder: Where everything is counted.
        template: The message.
        context: One TLS context for all sessions.
        credentials: Of AUTH.
    """

    def __init__(self, plan: Plan, password: str, worker: int) -> None:
        self.plan = plan
        self.recorder = Recorder(Path(plan.folder), worker)
        self.template = MessageTemplate.render(plan.sender, plan.recipients[0], plan.octets)
        self.context = plan.tls_context()
        self.credentials = Credentials(plan.username, password)
        self.worker = worker
        self.users = count()
        self.mail = f"MAIL FROM:<{plan.sender}>\r\n".encode()


class SubmissionUser(User):  # type: ignore[misc]  # Locust is not there where types are checked
    """Someone who submits messages; a scenario names the tasks.

    Counts each message once as `message`; with the plan's `has_phase_entries` Locust gets entries
    for the phases of each message too, which make a message a third dearer to send.
    """

    abstract = True

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        room: Room = environment.submission_room
        number = next(room.users)
        self.room = room
        self._fire = environment.events.request.fire
        self._client: SubmissionClient | None = None
        self._tokens: Iterator[bytes] = tokens(room.plan.run, room.worker, number)
        paths = room.plan.recipients
        first = number % len(paths)
        lines = [f"RCPT TO:<{path}>\r\n".encode() for path in (*paths[first:], *paths[:first])]
        self._recipients = cycle(lines)

    def on_stop(self) -> None:
        """End the session properly."""
        if self._client is not None:
            self._client.quit()
            self._client = None

    def open_session(self) -> SubmissionClient:
        """Connect, start TLS and authenticate; each of them is an entry.

        Raises:
            SubmissionFailed: One of them did not work; it has been counted.
        """
        room, plan = self.room, self.room.plan
        with self._measured(Phase.CONNECT):
            try:
                client = SubmissionClient(GeventChannel(plan.address, plan.port))
            except OSError as error:
                reason = "no answer" if isinstance(error, TimeoutError) else error.strerror
                raise Lost(Phase.CONNECT, reason or type(error).__name__) from None
            self._client = client
            client.greet(EHLO_NAME)
        with self._measured(Phase.TLS):
            client.start_tls(room.context, plan.host, EHLO_NAME)
        with self._measured(Phase.AUTH):
            client.authenticate(room.credentials)
        return client

    def close_session(self) -> None:
        """Let go of the connection without a word."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def submit(self) -> None:
        """Send one message through the session, which is opened if there is none."""
        client = self._client
        if client is None:
            try:
                client = self.open_session()
            except SubmissionFailed:
                self.close_session()
                gevent.sleep(_PAUSE_SECONDS)
                return
        token = next(self._tokens)
        room = self.room
        begun = time.perf_counter()
        room.recorder.begin(begun)
        try:
            stamps = client.submit(room.mail, (next(self._recipients),), room.template.data(token))
        except SubmissionFailed as error:
            self._failed(error, time.perf_counter() - begun)
            self._recover(client, error)
        else:
            self._accepted(token, stamps)
        finally:
            # Also when Locust ends this greenlet in the middle.
            if client.is_in_doubt:
                client.is_in_doubt = False
                room.recorder.doubt(token)
                # There is no use in a QUIT either.
                self.close_session()

    def _accepted(self, token: bytes, stamps: Stamps) -> None:
        begun, enveloped, sent, acknowledged = stamps
        recorder = self.room.recorder
        recorder.accept(token, acknowledged)
        phases = recorder.measurement.phases
        phases[Phase.ENVELOPE].record(enveloped - begun)
        phases[Phase.CONTENT].record(sent - enveloped)
        phases[Phase.ACKNOWLEDGEMENT].record(acknowledged - sent)
        phases[Phase.MESSAGE].record(acknowledged - begun)
        if self.room.plan.has_phase_entries:
            self._entry(Phase.ENVELOPE, enveloped - begun)
            self._entry(Phase.CONTENT, sent - enveloped)
            self._entry(Phase.ACKNOWLEDGEMENT, acknowledged - sent)
        self._entry(Phase.MESSAGE, acknowledged - begun, self.room.plan.octets)

    def _failed(self, error: SubmissionFailed, seconds: float) -> None:
        self.room.recorder.measurement.failures[str(error)] += 1
        self._entry(Phase.MESSAGE, seconds, 0, error)

    def _recover(self, client: SubmissionClient, error: SubmissionFailed) -> None:
        """Go on with the session after a refusal that left it usable."""
        if isinstance(error, Refused) and not error.closes:
            with contextlib.suppress(SubmissionFailed):
                client.reset()
                return
        self.close_session()
        gevent.sleep(_PAUSE_SECONDS)

    @contextlib.contextmanager
    def _measured(self, phase: Phase) -> Iterator[None]:
        begun = time.perf_counter()
        measurement = self.room.recorder.measurement
        try:
            yield
        except SubmissionFailed as error:
            measurement.failures[str(error)] += 1
            self._entry(phase, time.perf_counter() - begun, 0, error)
            raise
        seconds = time.perf_counter() - begun
        measurement.phases[phase].record(seconds)
        self._entry(phase, seconds)

    def _entry(
        self, phase: Phase, seconds: float, octets: int = 0, error: Exception | None = None
    ) -> None:
        self._fire(
            request_type=_REQUEST_TYPE,
            name=phase.value,
            response_time=seconds * 1000,
            response_length=octets,
            exception=error,
            context={},
        )


def _prepare(environment: Any, **_: Any) -> None:
    """Give the environment its room, once Locust has made it."""
    try:
        plan = Plan.read(Path(os.environ[PLAN_VARIABLE]))
        password = os.environ.pop(PASSWORD_VARIABLE)
    except (KeyError, OSError, ValueError) as error:
        sys.stderr.write(f"no plan to follow ({error}): start with `python -m loadtests`\n")
        sys.exit(2)
    # Locust numbers its workers from 0 and a process that is alone with -1.
    number = getattr(environment.runner, "worker_index", -1)
    environment.submission_room = Room(plan, password, max(number, 0))
    # The loop's clock stands still while modules load, and Locust's run time would begin back then.
    gevent.get_hub().loop.update_now()


def _run_begins(environment: Any, **_: Any) -> None:
    gevent.spawn(patrol)


def _run_ended(environment: Any, **_: Any) -> None:
    environment.submission_room.recorder.close()


events.init.add_listener(_prepare)
events.test_start.add_listener(_run_begins)
events.test_stop.add_listener(_run_ended)
