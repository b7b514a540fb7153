"""The Locust user that submits messages; `generator` gives it its room."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import Any

import gevent
from locust import User

from loadtests.content import END_OF_DATA, token
from loadtests.gevent_channel import GeventChannel
from loadtests.phase import Phase
from loadtests.plan import EHLO_NAME
from loadtests.room import Room
from loadtests.submission_client import Lost, Refused, Stamps, SubmissionClient, SubmissionFailed

# A service that refuses sessions must not be hammered, and its refusals must not fill the report.
_PAUSE_SECONDS = 0.5
_REQUEST_TYPE = "SMTP"


class SubmissionUser(User):  # type: ignore[misc]  # Locust is not there where types are checked
    """Someone who submits messages; a scenario names the tasks.

    With a schedule in the plan a user takes the next planned message and waits for its moment;
    without one it begins when it likes (a closed loop). Counts each message once; with the plan's
    `has_phase_entries` Locust gets entries for the phases of each message too, which make a message
    a third dearer to send.

    Attributes:
        recipients_each: Recipients of each message.
        messages_per_session: After so many a new session; None takes the plan's, 0 keeps it.
        resumes: Whether a new session resumes the TLS session of the last one.
    """

    abstract = True
    recipients_each = 1
    messages_per_session: int | None = None
    resumes = False

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        room: Room = environment.submission_room
        plan = room.plan
        number = next(room.users)
        self.room = room
        self._fire = environment.events.request.fire
        self._client: SubmissionClient | None = None
        self._resumable: ssl.SSLSession | None = None
        self._template = room.template
        self._sent_in_session = 0
        each = self.messages_per_session
        self._most_in_session = plan.messages_per_session if each is None else each
        paths = plan.recipients
        first = number % len(paths)
        lines = [f"RCPT TO:<{path}>\r\n".encode() for path in (*paths[first:], *paths[:first])]
        self._recipients = cycle(lines)

    def on_start(self) -> None:
        """Open the session before the schedule begins."""
        if self._most_in_session != 1:
            with contextlib.suppress(SubmissionFailed):
                self.open_session()

    def on_stop(self) -> None:
        """End the session properly."""
        if self._client is not None:
            self._client.quit()
            self._client = None

    # --- sessions --------------------------------------------------------------------------------

    def open_session(self) -> SubmissionClient:
        """Connect, start TLS and authenticate; each of them is an entry.

        Raises:
            SubmissionFailed: One of them did not work; it has been counted.
        """
        room, plan = self.room, self.room.plan
        try:
            with self.measured(Phase.CONNECT):
                client = self.connect()
            with self.measured(Phase.TLS):
                client.start_tls(room.context, plan.host, EHLO_NAME, self._resumable)
            with self.measured(Phase.AUTH):
                client.authenticate(room.credentials)
        except SubmissionFailed:
            self.close_session()
            raise
        self._sent_in_session = 0
        return client

    def connect(self) -> SubmissionClient:
        """Connect and be greeted.

        Raises:
            SubmissionFailed: Nobody answers, or not with consent.
        """
        try:
            client = SubmissionClient(GeventChannel(self.room.plan.address, self.room.plan.port))
        except OSError as error:
            reason = "no answer" if isinstance(error, TimeoutError) else error.strerror
            raise Lost(Phase.CONNECT, reason or type(error).__name__) from None
        self._client = client
        client.greet(EHLO_NAME)
        return client

    def close_session(self) -> None:
        """Let go of the connection without a word."""
        if self._client is not None:
            self._client.close()
            self._client = None

    # --- messages --------------------------------------------------------------------------------

    def submit(self) -> None:
        """Send the next message through the session, which is opened if there is none."""
        room = self.room
        if not room.has_schedule:
            self._submit(time.perf_counter())
            return
        due = room.take()
        if due is None:
            gevent.sleep(_PAUSE_SECONDS)
            return
        with room:
            self._submit(due)

    def _submit(self, due: float) -> None:
        client, recorder = self._client, self.room.recorder
        recorder.begin(time.perf_counter())
        if not self.room.has_schedule:
            recorder.measurement.planned += 1
            recorder.second(due - self.room.begins_at)[0] += 1
        if client is None:
            try:
                client = self.open_session()
            except SubmissionFailed:
                # Counted already, in the phase it failed in: this message was never begun.
                recorder.second(due - self.room.begins_at)[2] += 1
                gevent.sleep(_PAUSE_SECONDS)
                return
        number = next(self.room.numbers)
        try:
            stamps = self._dialogue(client, due, number)
        except SubmissionFailed as error:
            self._failed(error, due)
            self._recover(client, error)
        else:
            self._accepted(number, due, stamps)
            self._sent_in_session += 1
            if self._sent_in_session == self._most_in_session:
                self._end_session(client)
        finally:
            # Also when Locust ends this greenlet in the middle.
            if client.is_in_doubt:
                client.is_in_doubt = False
                recorder.doubt(number)
                # There is no use in a QUIT either.
                self.close_session()

    def _dialogue(self, client: SubmissionClient, due: float, number: int) -> Stamps:
        room = self.room
        begun = int((due + room.recorder.clock_offset) * 1e6)
        data = self._template.data(token(room.run, room.worker, number), begun)
        recipients: Sequence[bytes] = tuple(islice(self._recipients, self.recipients_each))
        match room.plan.dialogue:
            case "stepwise":
                return client.submit(room.mail, recipients, data)
            case "pipelined":
                return client.submit_pipelined(room.mail, recipients, data)
            case "chunked":
                content = data[: -len(END_OF_DATA)]
                return client.submit_chunked(room.mail, recipients, content)

    def _end_session(self, client: SubmissionClient) -> None:
        if self.resumes:
            self._resumable = client.tls_session
        client.quit()
        self._client = None

    def _accepted(self, number: int, due: float, stamps: Stamps) -> None:
        begun, enveloped, sent, acknowledged = stamps
        room = self.room
        recorder = room.recorder
        recorder.accept(number, acknowledged)
        response = acknowledged - due
        row = recorder.second(due - room.begins_at)
        row[1] += 1
        row[3] = max(row[3], int(response * 1e6))
        if room.is_measured(due):
            recorder.envelope.record(enveloped - begun)
            recorder.content.record(sent - enveloped)
            recorder.acknowledgement.record(acknowledged - sent)
            recorder.message.record(acknowledged - begun)
            recorder.response.record(response)
        if room.plan.has_phase_entries:
            self.entry(Phase.ENVELOPE, enveloped - begun)
            self.entry(Phase.CONTENT, sent - enveloped)
            self.entry(Phase.ACKNOWLEDGEMENT, acknowledged - sent)
        self.entry(Phase.MESSAGE, response, room.plan.octets)

    def _failed(self, error: SubmissionFailed, due: float) -> None:
        recorder = self.room.recorder
        recorder.measurement.failures[str(error)] += 1
        recorder.second(due - self.room.begins_at)[2] += 1
        self.entry(Phase.MESSAGE, time.perf_counter() - due, 0, error)

    def _recover(self, client: SubmissionClient, error: SubmissionFailed) -> None:
        """Go on with the session after a refusal that left it usable."""
        if isinstance(error, Refused) and not error.closes:
            with contextlib.suppress(SubmissionFailed):
                client.reset()
                return
        self.close_session()
        gevent.sleep(_PAUSE_SECONDS)

    # --- entries ---------------------------------------------------------------------------------

    @contextlib.contextmanager
    def measured(self, phase: Phase) -> Iterator[None]:
        """Measure a phase of the session, and count its failure."""
        begun = time.perf_counter()
        measurement = self.room.recorder.measurement
        try:
            yield
        except SubmissionFailed as error:
            measurement.failures[str(error)] += 1
            self.entry(phase, time.perf_counter() - begun, 0, error)
            raise
        seconds = time.perf_counter() - begun
        measurement.phases[phase].record(seconds)
        self.entry(phase, seconds)

    def entry(
        self, phase: Phase, seconds: float, octets: int = 0, error: Exception | None = None
    ) -> None:
        """Tell Locust."""
        self._fire(
            request_type=_REQUEST_TYPE,
            name=phase.value,
            response_time=seconds * 1000,
            response_length=octets,
            exception=error,
            context={},
        )
