"""The lab's own routes: what became of a message, and where a region's endpoints are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Protocol

from fastapi import APIRouter
from pydantic import BaseModel

from reference_relay.management.envelope import Problem, Refused
from reference_relay.queue.queue import QueueError
from reference_relay.queue.queued_message import MessageStatus
from reference_relay.service.directory import Directory
from reference_relay.service.endpoints import (
    EndpointType,
    UnknownRegion,
    endpoint_region,
    host_name,
)


class StatusSource(Protocol):
    """The queues of all shards, as far as their status look-up goes."""

    async def status(self, queue_id: str) -> MessageStatus | None:
        """Find a message by its queue ID.

        Raises:
            QueueError: Its shard cannot be asked now.
        """


class HistoryEntry(BaseModel):
    """One step of a recipient's history; times are RFC 3339 in UTC."""

    at: str
    state: str
    text: str


class RecipientEntry(BaseModel):
    """A recipient, its latest state, and how it got there, oldest first."""

    address: str
    state: str
    history: list[HistoryEntry]


class MessageEntry(BaseModel):
    """An accepted message by its queue ID."""

    queue_id: str
    accepted_at: str
    recipients: list[RecipientEntry]


class EndpointsEntry(BaseModel):
    """The names of the endpoints that serve a region."""

    public: str
    private: str


def routes(queue: StatusSource, directory: Callable[[], Directory]) -> APIRouter:
    """Build the routes under /lab/v1."""
    router = APIRouter(prefix="/lab/v1", tags=["lab"])

    @router.get("/messages/{queue_id}")
    async def message(queue_id: str) -> MessageEntry:
        try:
            status = await queue.status(queue_id)
        except QueueError:
            problem = Problem("queue_unavailable", "The queue cannot be read now.")
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, problem) from None
        if status is None:
            raise _not_found("message_not_found", f"No message has the queue ID {queue_id!r}.")
        return _message_entry(status)

    @router.get("/regions/{region}/endpoints")
    async def endpoints(region: str) -> EndpointsEntry:
        profile = directory().profile
        try:
            own = endpoint_region(profile, region)
        except UnknownRegion:
            text = f"{region!r} is no region of {profile}."
            raise _not_found("region_not_found", text) from None
        return EndpointsEntry(
            public=host_name(own, EndpointType.PUBLIC),
            private=host_name(own, EndpointType.PRIVATE),
        )

    return router


def _not_found(code: str, message: str) -> Refused:
    return Refused(HTTPStatus.NOT_FOUND, Problem(code, message))


def _message_entry(status: MessageStatus) -> MessageEntry:
    recipients = [
        RecipientEntry(
            address=recipient.address,
            state=recipient.state.value,
            history=[
                HistoryEntry(at=_time(step.at), state=step.state.value, text=step.text)
                for step in recipient.history
            ],
        )
        for recipient in status.recipients
    ]
    return MessageEntry(
        queue_id=status.queue_id, accepted_at=_time(status.accepted_at), recipients=recipients
    )


def _time(seconds: float) -> str:
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
