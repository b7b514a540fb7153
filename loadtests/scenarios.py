"""Scenarios: what a submitting user does, over and over.

A new one is a class here. `SubmissionUser` gives it `open_session`, `submit`, `close_session`,
`measured` and `entry`; `own_client.py` shows how to bring another client altogether.
"""

from __future__ import annotations

import contextlib
import time

import gevent
from locust import constant, constant_pacing

from loadtests.content import token
from loadtests.phase import Phase
from loadtests.plan import EHLO_NAME
from loadtests.smtp_user import SubmissionUser
from loadtests.submission_client import Credentials, Refused, SubmissionFailed

ADMITTED_FOREIGNER = "fails open: a foreign sender was admitted"
ADMITTED_STRANGER = "fails open: wrong credentials were admitted"
_FOREIGN_SENDER = "someone@foreign.example"
# So often one of the users who should be refused tries; they check, they are not the load.
_ABUSE_SECONDS = 0.2


class KeptSession(SubmissionUser):
    """One session for the whole run, AUTH once, one message after the other without a pause."""

    weight = 1
    wait_time = constant(0)
    tasks = (SubmissionUser.submit,)


class NewSession(KeptSession):
    """A new session, with a full TLS handshake and AUTH, for each message."""

    messages_per_session = 1


class ResumedSession(NewSession):
    """A new session for each message, whose TLS session is resumed."""

    resumes = True


class ManyRecipients(KeptSession):
    """Fifty recipients for each message."""

    recipients_each = 50


class PacedUser(KeptSession):
    """A closed loop as most load tests have it: a user, a pause, a message."""

    def wait_time(self) -> float:
        """Seconds until the next message, so that they begin at an even pace if replies come."""
        return float(constant_pacing(self.room.plan.pace_seconds)(self))


class _Unwelcome(SubmissionUser):
    abstract = True
    wait_time = constant(_ABUSE_SECONDS)
    # One of them beside the others, however many there are.
    fixed_count = 1

    def on_start(self) -> None:
        """They come when they come."""


class WrongCredentials(_Unwelcome):
    """Someone who guesses passwords; a refusal is what should happen."""

    def guess(self) -> None:
        """Try a password that nobody has."""
        room = self.room
        with contextlib.suppress(SubmissionFailed), self.measured(Phase.CONNECT):
            self.connect()
        client = self._client
        if client is None:
            return
        try:
            client.start_tls(room.context, room.plan.host, EHLO_NAME)
            client.authenticate(Credentials(room.plan.username, "not the password"))
        except Refused as refused:
            room.recorder.measurement.refused[f"{refused.phase.value}: {refused.kind}"] += 1
        except SubmissionFailed as error:
            room.recorder.measurement.failures[str(error)] += 1
        else:
            room.recorder.measurement.failures[ADMITTED_STRANGER] += 1
        self.close_session()

    tasks = (guess,)


class AbusiveSender(_Unwelcome):
    """Someone with good credentials who sends in a foreign name; every message must be refused."""

    def abuse(self) -> None:
        """Send one message whose sender's domain is not ours, complete with content."""
        room = self.room
        client = self._client
        if client is None:
            try:
                client = self.open_session()
            except SubmissionFailed:
                gevent.sleep(_ABUSE_SECONDS)
                return
        number = next(room.numbers)
        data = self._template.data(token(room.run, room.worker, number), int(time.time() * 1e6))
        mail = f"MAIL FROM:<{_FOREIGN_SENDER}>\r\n".encode()
        try:
            client.submit(mail, (next(self._recipients),), data)
        except Refused as refused:
            kind = f"{refused.phase.value}: {refused.kind}"
            room.recorder.measurement.refused[kind] += 1
            self._recover(client, refused)
        except SubmissionFailed as error:
            room.recorder.measurement.failures[str(error)] += 1
            self.close_session()
        else:
            room.recorder.measurement.failures[ADMITTED_FOREIGNER] += 1
        client.is_in_doubt = False

    tasks = (abuse,)
