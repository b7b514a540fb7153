"""What a generator process must know, handed over in a file; the password goes by environment."""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

PLAN_VARIABLE = "LOADTESTS_PLAN"
PASSWORD_VARIABLE = "LOADTESTS_PASSWORD"

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

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read what `write` wrote.

        Raises:
            OSError: There is no such file.
            ValueError: It is no plan.
        """
        table: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if table.keys() != {field.name for field in fields(cls)}:
            raise ValueError(f"{path}: not a plan")
        return cls(**{**table, "recipients": tuple(table["recipients"])})

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
