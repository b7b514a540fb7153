"""The notifications that an attempt gives rise to (RFC 3461 §5.2, RFC 5321 §6.1)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping

from reference_relay.mail import date_time
from reference_relay.mail.dsn import Action, Notification, Report, is_wanted
from reference_relay.mail.envelope import Envelope, Recipient
from reference_relay.queue.queued_message import (
    ClaimedMessage,
    Deferred,
    Delivered,
    Failed,
    Outcome,
    QueuedMessage,
)

_log = logging.getLogger(__name__)

_STATUS = re.compile(r"(?:\d{3}[ -])?[245](\.\d{1,3}\.\d{1,3})(?!\S)")
# RFC 3464 §2.3.4: the class says the same as the action.
_CLASS = {Action.FAILED: "5", Action.DELAYED: "4", Action.RELAYED: "2"}


class Notifier:
    """Writes to senders in the relay's own name."""

    def __init__(
        self, hostname: str, now: Callable[[], float], next_queue_id: Callable[[], str]
    ) -> None:
        """Make a notifier.

        Args:
            hostname: our own name.
            now: the relay's clock, seconds since the epoch.
            next_queue_id: issues the IDs of the shard that the mail goes into.
        """
        self._hostname = hostname
        self._now = now
        self._next_queue_id = next_queue_id

    def notifications(
        self, claimed: ClaimedMessage, recorded: Mapping[int, Outcome]
    ) -> list[QueuedMessage]:
        """Return the mail that the sender is owed; one for each kind of outcome.

        Never raises: a notification that cannot be written must not hold up what it is about.
        """
        try:
            return self._notifications(claimed, recorded)
        except Exception:
            _log.exception("notification-broken queue_id=%s", claimed.message.queue_id)
            return []

    def _notifications(
        self, claimed: ClaimedMessage, recorded: Mapping[int, Outcome]
    ) -> list[QueuedMessage]:
        envelope = claimed.message.envelope
        by_action: dict[Action, list[Report]] = {}
        for index, outcome in recorded.items():
            recipient = envelope.recipients[index]
            action = _action(outcome, is_overdue=claimed.is_overdue)
            if action is not None and is_wanted(envelope.reverse_path, recipient, action):
                by_action.setdefault(action, []).append(_report(recipient, action, outcome))
        return [self._queued(claimed.message, reports) for reports in by_action.values()]

    def _queued(self, original: QueuedMessage, reports: list[Report]) -> QueuedMessage:
        reverse_path = original.envelope.reverse_path
        if reverse_path is None:
            raise ValueError("nobody is told about mail from the null reverse-path")
        queue_id = self._next_queue_id()
        now = self._now()
        content = Notification(
            envelope=original.envelope,
            content=original.content,
            reports=reports,
            hostname=self._hostname,
            arrival_date=date_time.written(original.accepted_at),
            date=date_time.written(now),
            message_id=f"<{queue_id}@{self._hostname}>",
            name=queue_id,
        ).compose()
        header, _, _ = content.partition(b"\r\n\r\n")
        envelope = Envelope(
            None,
            (Recipient(reverse_path),),
            body="7BIT" if content.isascii() else "8BITMIME",
            is_smtputf8=not (header.isascii() and reverse_path.is_ascii),
        )
        # Nobody's key signs it: it is from us, not from the sender's domain.
        return QueuedMessage(queue_id, envelope, content, original.endpoint, "", now)


def _action(outcome: Outcome, *, is_overdue: bool) -> Action | None:
    match outcome:
        case Failed():
            return Action.FAILED
        case Deferred():
            return Action.DELAYED if is_overdue else None
        case Delivered(is_notifying=is_notifying):
            # RFC 3461 §5.2.2: who knows DSN tells the sender itself.
            return None if is_notifying else Action.RELAYED


def _report(recipient: Recipient, action: Action, outcome: Outcome) -> Report:
    match outcome:
        case Delivered(remote=text) | Deferred(reason=text) | Failed(reason=text):
            # What a host said, or what we found out about it, comes behind its name.
            found = _STATUS.match(text) or _STATUS.match(text.partition("]: ")[2])
            status = _CLASS[action] + (found[1] if found else ".0.0")
            return Report(recipient, action, status, text, outcome.host, outcome.reply)
