"""What a generator process must know, handed over in a file; the password goes by environment."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

from loadtests.schedule import Schedule

PLAN_VARIABLE = "LOADTESTS_PLAN"
PASSWORD_VARIABLE = "LOADTESTS_PASSWORD"
FOLDER_VARIABLE = "LOADTESTS_FOLDER"

EHLO_NAME = "load.example"


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom to load and with what.

    Attributes:
        run: Eight characters that no other run has; part of every token.
        address: Where to connect.
        port: Its port.
        host: Name for SNI and certificate.
        username: User of AUTH.
        sender: Reverse-path and From.
        recipients: Forward-paths, taken in turn.
        octets: Size of the content.
        folder: Where each generator process leaves what it measured.
        trust: "system", "none", or "given": the certificates in `authorities`.
        authorities: PEM certificates.
        has_phase_entries: Whether Locust too gets an entry for each phase of each message.
        dialogue: Whether a message's commands wait for each other.
        messages_per_session: After so many a user begins a new session; 0 keeps it for ever.
        schedule: When messages begin; None is a closed loop.
        lead_seconds: What users get for their sessions before the schedule begins.
        warm_up_seconds: The first part of the schedule, whose durations are not counted.
        drain_seconds: What late messages get after the end of the schedule.
        pace_seconds: In a closed loop, the least time between a user's messages.
    """

    run: str
    address: str
    port: int
    host: str
    username: str
    sender: str
    recipients: tuple[str, ...]
    octets: int
    folder: str
    trust: Literal["system", "none", "given"] = "system"
    authorities: str = ""
    has_phase_entries: bool = False
    dialogue: Literal["stepwise", "pipelined", "chunked"] = "stepwise"
    messages_per_session: int = 0
    schedule: Schedule | None = None
    lead_seconds: float = 1.0
    warm_up_seconds: float = 0.0
    drain_seconds: float = 5.0
    pace_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Everything in it."""
        schedule = self.schedule.to_json() if self.schedule else None
        return {**asdict(self), "schedule": schedule}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Self:
        """The plan that `to_json` described.

        Raises:
            ValueError: It is no plan.
        """
        if table.keys() != {field.name for field in fields(cls)}:
            raise ValueError("not a plan")
        schedule = Schedule.from_json(table["schedule"]) if table["schedule"] else None
        changed = {"recipients": tuple(table["recipients"]), "schedule": schedule}
        return cls(**{**table, **changed})

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(self.to_json(), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            OSError: There is no such file.
            ValueError: It is no plan.
        """
        table: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        try:
            return cls.from_json(table)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def tls_context(self) -> ssl.SSLContext:
        """The TLS context that all sessions of a process share."""
        if self.trust == "system":
            return ssl.create_default_context()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.trust == "none":
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context.load_verify_locations(cadata=self.authorities)
        return context
