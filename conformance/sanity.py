"""The sanity dialogue: one plain submission that shows the target is up and lets us measure.

It runs first, last and after each check that did not end well, so that "refused" is never the
echo of a relay that had died.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import IntEnum

from fixtures.budget import BudgetSpent, BudgetTooSmall
from fixtures.probe import (
    ConnectionLost,
    HandshakeFailed,
    Refused,
    ReplyMalformed,
    ReplyTimeout,
    SMTPProbe,
    Throttled,
    expect,
)
from fixtures.run_token import FIELD, fresh_token, run_token
from fixtures.target import Target


class Stage(IntEnum):
    """How far a dialogue got; a higher stage is further."""

    NOTHING = 0
    CONNECTED = 1
    GREETED = 2
    ENCRYPTED = 3
    AUTHENTICATED = 4
    ACCEPTED = 5


@dataclass(frozen=True, slots=True)
class Sanity:
    """How one sanity dialogue went."""

    when: str
    stage: Stage
    trouble: str = ""
    is_throttled: bool = False

    @property
    def answers(self) -> bool:
        """Whether the target spoke SMTP at all."""
        return self.stage >= Stage.GREETED

    def to_json(self) -> dict[str, object]:
        """Return plain values; `from_json` is the way back."""
        return asdict(self) | {"stage": self.stage.name.lower()}

    @classmethod
    def from_json(cls, document: dict[str, object]) -> Sanity:
        """Read back what `to_json` wrote."""
        return cls(
            when=str(document["when"]),
            stage=Stage[str(document["stage"]).upper()],
            trouble=str(document["trouble"]),
            is_throttled=bool(document.get("is_throttled")),
        )


def run(target: Target, when: str, *, timeout_seconds: float = 10.0) -> Sanity:
    """Connect, EHLO, STARTTLS, AUTH and hand in one message.

    Args:
        target: The relay under test.
        when: For the report: "first", "last", "after NAME".
        timeout_seconds: How long the connection and each reply may take.
    """
    stage = Stage.NOTHING
    try:
        with _connect(target, timeout_seconds) as probe:
            stage = Stage.CONNECTED
            expect("greeting", probe.read_reply())
            stage = Stage.GREETED
            expect("EHLO", probe.ehlo())
            expect("STARTTLS", probe.starttls())
            stage = Stage.ENCRYPTED
            expect("EHLO", probe.ehlo())
            account = target.account()
            offers_plain = "PLAIN" in (target.claims("auth_mechanisms") or ("PLAIN",))
            expect("AUTH", (probe.auth_plain if offers_plain else probe.auth_login)(account))
            stage = Stage.AUTHENTICATED
            recipient = target.recipient(f"sanity-{run_token()}")
            probe.submit(account.sender, recipient, _message(account.sender, recipient))
            stage = Stage.ACCEPTED
            probe.quit()
    except (BudgetSpent, BudgetTooSmall) as spent:
        # Nothing that the target did: it is as far as we let it come.
        return Sanity(when, stage, str(spent), is_throttled=True)
    except (ConnectionLost, HandshakeFailed, Refused, ReplyMalformed, ReplyTimeout) as trouble:
        if stage < Stage.ACCEPTED:
            is_throttled = isinstance(trouble, Throttled) or (
                stage <= Stage.CONNECTED and isinstance(trouble, ConnectionLost)
            )
            return Sanity(when, stage, str(trouble) or type(trouble).__name__, is_throttled)
    return Sanity(when, stage)


def _connect(target: Target, timeout_seconds: float) -> SMTPProbe:
    endpoint = target.endpoint()
    return SMTPProbe.connect(
        endpoint.addresses[0],
        endpoint.port,
        timeout=timeout_seconds,
        context=target.tls_context,
        server_hostname=endpoint.host,
    )


def _message(sender: str, recipient: str) -> bytes:
    token = fresh_token()
    lines = [
        f"From: <{sender}>",
        f"To: <{recipient}>",
        f"Subject: sanity {token}",
        f"{FIELD}: {run_token()}",
        f"Message-ID: <{token}@{sender.rpartition('@')[2]}>",
        "Date: Thu, 01 Jan 2026 00:00:00 +0000",
        "",
        "A plain message: the target is up.",
        "",
    ]
    return "\r\n".join(lines).encode()
