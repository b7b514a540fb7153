"""What every connection of a relay shares."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from reference_relay.policy.no_attachment import AttachmentRules
from reference_relay.queue.queued_message import QueuedMessage
from reference_relay.service.directory import Directory
from reference_relay.service.model import Endpoint
from reference_relay.smtp.replies import SEED, ReplyBook
from reference_relay.smtp.settings import SessionSettings
from reference_relay.submission.counters import SubmissionCounters
from reference_relay.submission.guard import Guard
from reference_relay.submission.settings import Limits, Rates, Switches

_log = logging.getLogger(__name__)


class CommitsMail(Protocol):
    """The queue, as far as submission knows it."""

    @property
    def is_full(self) -> bool:
        """Whether mail has to be refused now, for the time being."""
        ...

    def hand_over(self, message: QueuedMessage, done: Callable[[Exception | None], None]) -> None:
        """Take a message and make it durable.

        Args:
            message: What was promised to nobody so far.
            done: Called once in the event loop, maybe at once: with None when the message is
                durable, else with the reason why it is not.

        Raises:
            QueueFull: There is no room for it now; `done` is not called.
            Exception: It is not taken, for whatever reason, and `done` is not called.
        """
        ...


class VerifiesPasswords(Protocol):
    """The password check, as far as submission knows it."""

    def remembers(self, password_hash: str, username: bytes, password: bytes) -> bool:
        """Tell whether the password is known to fit, without any work; False is no verdict."""
        ...

    async def verify(self, password_hash: str | None, username: bytes, password: bytes) -> bool:
        """Tell whether the password fits; None as hash is an unknown user and costs the same."""
        ...


def _log_line(text: str) -> None:
    _log.info("%s", text)


@dataclass(frozen=True, slots=True)
class SubmissionContext:
    """The relay around a connection; `directory` gives the snapshot in force.

    Attributes:
        now: The relay's clock, seconds since the epoch.
        log_line: Takes the line of a session or transaction; the relay brings a cheap one.
    """

    hostname: str
    directory: Callable[[], Directory]
    queue: CommitsMail
    passwords: VerifiesPasswords
    next_queue_id: Callable[[], str]
    now: Callable[[], float]
    wording: ReplyBook = SEED
    limits: Limits = field(default_factory=Limits)
    rates: Rates = field(default_factory=Rates)
    switches: Switches = field(default_factory=Switches)
    guard: Guard = field(default_factory=Guard)
    counters: SubmissionCounters = field(default_factory=SubmissionCounters)
    log_line: Callable[[str], None] = _log_line
    attachment_rules: AttachmentRules = field(init=False)
    """Which leaves besides text may pass (D-13)."""

    def __post_init__(self) -> None:
        switches = self.switches
        rules = AttachmentRules(
            calendar=switches.calendar,
            inline_images=switches.inline_images,
            other_text=switches.other_text,
            enclosed_messages=switches.enclosed_messages,
        )
        object.__setattr__(self, "attachment_rules", rules)

    def session_settings(self, endpoint: Endpoint) -> SessionSettings:
        """The dialogue's side of limits and switches at this endpoint."""
        return SessionSettings(
            host=endpoint.host,
            wording=self.wording,
            message_octets=self.limits.message_octets,
            recipients=self.limits.recipients,
            errors=self.limits.errors,
            allows_lf=self.switches.allows_lf_sessions,
            strict_paths=self.switches.strict_paths,
        )
