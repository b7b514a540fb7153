"""What became of a message: what the disk knows and what memory knows, put together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reference_relay.queue.queued_message import (
    MessageState,
    MessageStatus,
    Obeyed,
    RecipientState,
    RecipientStatus,
    StatusEvent,
)
from reference_relay.queue.schedule import Entry, Place
from reference_relay.queue.spool_reader import Stored


def message_status(
    stored: Stored, unwritten: Sequence[tuple[int, StatusEvent]], entry: Entry | None
) -> MessageStatus:
    """Put a status together.

    Args:
        stored: What is on the disk.
        unwritten: Steps that are on their way there.
        entry: What the queue knows of it; None once it is settled.
    """
    message = stored.message
    recipients = message.envelope.recipients
    submitted = StatusEvent(message.accepted_at, RecipientState.SUBMITTED)
    histories = [[submitted] for _ in recipients]
    for recipient, event in (*stored.events, *unwritten):
        histories[recipient].append(event)
    return MessageStatus(
        message.queue_id,
        message.accepted_at,
        tuple(
            RecipientStatus(recipient.mailbox, tuple(history))
            for recipient, history in zip(recipients, histories, strict=True)
        ),
        message.configuration_id,
        message.envelope.reverse_path,
        stored.octets,
        _state(entry),
        stored.attempts if entry is None else entry.attempts,
        None if entry is None or entry.place is not Place.WAITING else entry.due or None,
    )


def latest_first(pages: Iterable[Sequence[MessageStatus]], limit: int) -> list[MessageStatus]:
    """Put the pages of several shards together: queue IDs are in the order of time."""
    found = (status for page in pages for status in page)
    return sorted(found, key=lambda status: status.queue_id, reverse=True)[:limit]


def in_all(obeyed: Iterable[Obeyed]) -> Obeyed:
    """Add up what several shards did."""
    parts = list(obeyed)
    return Obeyed(
        sum(one.done for one in parts),
        tuple(queue_id for one in parts for queue_id in one.busy),
        tuple(queue_id for one in parts for queue_id in one.unknown),
    )


def _state(entry: Entry | None) -> MessageState:
    if entry is None:
        return MessageState.SETTLED
    if entry.place is Place.DAMAGED:
        return MessageState.DAMAGED
    return MessageState.HELD if entry.is_held else MessageState.QUEUED
