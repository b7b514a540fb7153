"""The status of a message as a document of plain values, on its way from a worker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reference_relay.mail.address import Mailbox
from reference_relay.queue.queued_message import (
    MessageState,
    MessageStatus,
    RecipientState,
    RecipientStatus,
    StatusEvent,
)


def to_document(status: MessageStatus) -> dict[str, Any]:
    """Write a status down."""
    return {
        "queue_id": status.queue_id,
        "accepted_at": status.accepted_at,
        "configuration_id": status.configuration_id,
        "reverse_path": status.reverse_path
        and [status.reverse_path.local_part, status.reverse_path.domain],
        "octets": status.octets,
        "state": status.state.value,
        "attempts": status.attempts,
        "next_attempt": status.next_attempt,
        "recipients": [
            [
                *(recipient.mailbox.local_part, recipient.mailbox.domain),
                [[step.at, step.state.value, step.text] for step in recipient.history],
            ]
            for recipient in status.recipients
        ],
    }


def from_document(document: Mapping[str, Any]) -> MessageStatus:
    """Read a status that `to_document` wrote."""
    return MessageStatus(
        document["queue_id"],
        document["accepted_at"],
        tuple(
            RecipientStatus(
                Mailbox(local_part, domain),
                tuple(StatusEvent(at, RecipientState(state), text) for at, state, text in history),
            )
            for local_part, domain, history in document["recipients"]
        ),
        document["configuration_id"],
        document["reverse_path"] and Mailbox(*document["reverse_path"]),
        document["octets"],
        MessageState(document["state"]),
        document["attempts"],
        document["next_attempt"],
    )
