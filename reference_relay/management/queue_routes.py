"""The queue from outside: what became of mail, and what an operator may do to it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, Literal, Protocol, TypeVar

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, model_validator

from reference_relay.management.envelope import Problem, Refused
from reference_relay.management.models import Body, Wait, timestamp
from reference_relay.queue.masking import masked, masked_text
from reference_relay.queue.queue import QueueError
from reference_relay.queue.queued_message import (
    MessageState,
    MessageStatus,
    Obeyed,
    Order,
    RecipientStatus,
)
from reference_relay.queue.spool_reader import Selection

# As the vendor's lists: ten at a time unless told, a hundred at most.
_PAGE, _LARGEST_PAGE = 10, 100
# Ours: more than that is a case for --all.
_ORDERED_AT_ONCE = 1000
# Ours: whoever waits has the answer soon after it is there, and costs little when it is not.
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.02, 0.5
# RFC 3339 §5.6; the parser alone would take any number for one.
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

T = TypeVar("T")


def _date_time(text: object) -> object:
    if not (isinstance(text, str) and _DATE_TIME.fullmatch(text)):
        raise ValueError("expected a time like 2026-01-31T00:00:00Z")
    return text


DateTime = Annotated[AwareDatetime, BeforeValidator(_date_time)]
Awaited = Literal["settled", "deferred", "delivered", "bounced"]


class QueueControl(Protocol):
    """The queues of all shards. Each call raises QueueError when a shard cannot be asked now."""

    async def status(self, queue_id: str) -> MessageStatus | None:
        """Find a message by its queue ID."""

    async def select(self, selection: Selection) -> Sequence[MessageStatus]:
        """List messages, the latest first."""

    async def obey(self, what: Order, queue_ids: Collection[str] | None) -> Obeyed:
        """Do something to some messages or to all."""

    async def places(self) -> Mapping[str, int]:
        """Count unsettled messages by where they are."""


class HistoryEntry(BaseModel):
    """One step of a recipient's history; times are RFC 3339 in UTC."""

    at: str
    state: str
    text: str


class RecipientEntry(BaseModel):
    """A recipient, its latest state, and how it got there, oldest first.

    Of the address every second character before the `@` is hidden.
    """

    address: str
    state: str
    history: list[HistoryEntry]


class MessageEntry(BaseModel):
    """An accepted message by its queue ID."""

    queue_id: str
    accepted_at: str
    state: str
    configuration_id: str
    sender: str
    octets: int
    attempts: int
    next_attempt: str | None
    recipients: list[RecipientEntry]


class MessagePage(BaseModel):
    """Some messages, the latest first; `next` is what `before` has to be for those behind."""

    messages: list[MessageEntry]
    next: str | None


class OrderBody(Body):
    """What is to be done, and to which messages."""

    # Its name is what is sent.
    order: Annotated[Order, Field(strict=False)]
    queue_ids: list[str] = Field(default=[], max_length=_ORDERED_AT_ONCE)
    all: bool = False

    @model_validator(mode="after")
    def _is_about_something(self) -> OrderBody:
        if bool(self.queue_ids) is self.all:
            raise ValueError("expected either queue_ids or all")
        return self


class ObeyedEntry(BaseModel):
    """How many messages were changed; those that are being delivered; those not in the queue."""

    done: int
    busy: list[str]
    unknown: list[str]


class QueueEntry(BaseModel):
    """How many messages are not settled, by where they are."""

    messages: int
    waiting: int
    reading: int
    claimed: int
    held: int
    damaged: int


def routes(queue: QueueControl) -> APIRouter:
    """Build the routes under /lab/v1."""
    router = APIRouter(prefix="/lab/v1", tags=["queue"])

    @router.get("/messages/{queue_id}")
    async def message(
        queue_id: str, until: Awaited | None = None, wait: Wait = 30.0
    ) -> MessageEntry:
        """Tell what became of a message.

        With `until`: when it is settled, or every recipient is in that state; at the latest after
        `wait` seconds, as it is then.
        """
        status = await _waited(
            lambda: queue.status(queue_id),
            lambda found: found is None or until is None or _has_come(found, until),
            wait,
        )
        if status is None:
            problem = Problem("message_not_found", f"No message has the queue ID {queue_id!r}.")
            raise Refused(HTTPStatus.NOT_FOUND, problem)
        return _message_entry(status)

    @router.get("/messages")
    async def messages(
        configuration_id: str | None = None,
        accepted_from: DateTime | None = None,
        accepted_before: DateTime | None = None,
        unsettled: bool = False,
        before: str | None = None,
        limit: Annotated[int, Query(ge=1, le=_LARGEST_PAGE)] = _PAGE,
        wait: Wait = 0.0,
    ) -> MessagePage:
        """List messages; with `wait`, when there is one, at the latest after so many seconds."""
        selection = Selection(
            configuration_id,
            None if accepted_from is None else accepted_from.timestamp(),
            None if accepted_before is None else accepted_before.timestamp(),
            unsettled,
            before,
            limit,
        )
        found = await _waited(lambda: queue.select(selection), bool, wait)
        return MessagePage(
            messages=list(map(_message_entry, found)),
            next=found[-1].queue_id if len(found) == limit else None,
        )

    @router.get("/queue")
    async def counts() -> QueueEntry:
        async with asking():
            found = await queue.places()
        return QueueEntry(messages=sum(found.values()), **found)

    @router.post("/queue")
    async def order(body: OrderBody) -> ObeyedEntry:
        async with asking():
            obeyed = await queue.obey(body.order, None if body.all else body.queue_ids)
        return ObeyedEntry(done=obeyed.done, busy=list(obeyed.busy), unknown=list(obeyed.unknown))

    return router


@asynccontextmanager
async def asking() -> AsyncIterator[None]:
    """Answer 503 where the queue cannot be asked."""
    try:
        yield
    except QueueError:
        problem = Problem("queue_unavailable", "The queue cannot be asked now, or not wholly.")
        raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, problem) from None


async def _waited(
    ask: Callable[[], Awaitable[T]], is_enough: Callable[[T], bool], wait: float
) -> T:
    """Ask until the answer is enough, or `wait` seconds are over."""
    loop = asyncio.get_running_loop()
    deadline, pause = loop.time() + wait, _FIRST_PAUSE_SECONDS
    while True:
        async with asking():
            found = await ask()
        left = deadline - loop.time()
        if is_enough(found) or left <= 0:
            return found
        await asyncio.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _has_come(status: MessageStatus, awaited: Awaited) -> bool:
    if awaited == "settled":
        return status.state is MessageState.SETTLED
    return all(recipient.state.value == awaited for recipient in status.recipients)


def _message_entry(status: MessageStatus) -> MessageEntry:
    return MessageEntry(
        queue_id=status.queue_id,
        accepted_at=timestamp(status.accepted_at),
        state=status.state.value,
        configuration_id=status.configuration_id,
        sender="" if status.reverse_path is None else masked(status.reverse_path),
        octets=status.octets,
        attempts=status.attempts,
        next_attempt=None if status.next_attempt is None else timestamp(status.next_attempt),
        recipients=list(map(_recipient_entry, status.recipients)),
    )


def _recipient_entry(recipient: RecipientStatus) -> RecipientEntry:
    return RecipientEntry(
        address=masked(recipient.mailbox),
        state=recipient.state.value,
        history=[
            HistoryEntry(
                at=timestamp(step.at),
                state=step.state.value,
                text=masked_text(step.text, recipient.mailbox),
            )
            for step in recipient.history
        ],
    )
