"""The user that most load tests have: Locust and the standard library's smtplib, done well."""

from __future__ import annotations

import json
import os
import smtplib
import ssl
import time
from pathlib import Path
from typing import Any

import gevent
from locust import User, constant, events

_ORDER = json.loads(os.environ.get("CLIENT_BENCHMARK", "{}"))
_CONTENT: bytes = b"Subject: load\r\n\r\n" + b"x" * 70 + b"\r\n"
_CONTEXT: list[ssl.SSLContext] = []
_COUNT = [0, 0.0, 0.0]


class SmtplibUser(User):  # type: ignore[misc]  # Locust is not there where types are checked
    """One session kept, or one for each message."""

    wait_time = constant(0)

    def on_start(self) -> None:
        """Open the session that is kept."""
        if not _ORDER["is_fresh"]:
            self._smtp = self._session()

    def _session(self) -> smtplib.SMTP:
        smtp = smtplib.SMTP(_ORDER["address"], _ORDER["port"], local_hostname="load.example")
        # smtplib takes the name for SNI and certificate from here.
        smtp._host = _ORDER["host"]  # type: ignore[attr-defined]
        smtp.starttls(context=_CONTEXT[0])
        smtp.login("anyone", "anything")
        return smtp

    def submit(self) -> None:
        """Send one message."""
        begun = time.perf_counter()
        if not _COUNT[0]:
            _COUNT[1] = time.process_time()
        if _ORDER["is_fresh"]:
            self._smtp = self._session()
        self._smtp.sendmail("mailer@example.com", ["nobody@null.example"], _ORDER["content"])
        if _ORDER["is_fresh"]:
            self._smtp.quit()
        _COUNT[0] += 1
        self.environment.events.request.fire(
            request_type="SMTP",
            name="message",
            response_time=(time.perf_counter() - begun) * 1000,
            response_length=0,
            exception=None,
            context={},
        )

    tasks = (submit,)


def _prepare(**_: Any) -> None:
    # The loop's clock stands still while modules load; the run time would begin back then.
    gevent.get_hub().loop.update_now()
    _CONTEXT.append(ssl.create_default_context(cadata=_ORDER["authorities"]))
    _ORDER["content"] = (_CONTENT * (_ORDER["octets"] // len(_CONTENT) + 1))[: _ORDER["octets"]]


def _ended(**_: Any) -> None:
    spent = time.process_time() - _COUNT[1]
    Path(_ORDER["out"]).write_text(json.dumps([_COUNT[0], spent]), encoding="utf-8")


events.init.add_listener(_prepare)
events.test_stop.add_listener(_ended)
