"""The vendor's `/metrics` and `/metrics/bounce`, as far as they are about SMTP.

The figures are those of the status look-up: each step of each recipient counts once, at the time
of the step, for as long as the queue keeps the status of settled mail. The relay reads no subject
and keeps no client address, so it has neither to show nor to search by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from math import ceil
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reference_relay.management import models, problems
from reference_relay.management.event_notifications import InstanceId, Limit, Offset
from reference_relay.management.queue_routes import QueueControl, asking
from reference_relay.queue.masking import masked, masked_text
from reference_relay.queue.queued_message import RecipientState, RecipientStatus, StatusEvent
from reference_relay.queue.spool_reader import Selection
from reference_relay.service import configurations
from reference_relay.service.refused import Invalid
from reference_relay.service.service import Service

# The vendor's: at most 48 buckets, and the five keys in this order.
_MOST_BUCKETS = 48
_KEYS: dict[models.MetricKey, RecipientState | None] = {
    "bounced": RecipientState.BOUNCED,
    "deferred": RecipientState.DEFERRED,
    # Nobody looks into mail that came by SMTP.
    "opened": None,
    "success": RecipientState.DELIVERED,
    "submitted": RecipientState.SUBMITTED,
}
_PER_READ = 500
_SECOND = r"^\d{1,4}-\d{1,2}-\d{1,2}T\d{1,2}:\d{1,2}:\d{1,2}Z$"

Step = tuple[RecipientStatus, StatusEvent]


def _second(text: str) -> str:
    try:
        _seconds(text)
    except ValueError:
        raise ValueError("expected a time in UTC like 2026-01-31T00:00:00Z") from None
    return text


def _seconds(text: str) -> float:
    return datetime(*map(int, re.findall(r"\d+", text)), tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


Second = Annotated[
    str,
    Field(max_length=28, pattern=_SECOND, json_schema_extra={"format": "utc-second"}),
    AfterValidator(_second),
]


class Wanted(BaseModel):
    """Which steps: from one second to another, both included, of one configuration."""

    model_config = ConfigDict(extra="forbid")

    gte: Second
    lte: Second
    smtp_config_id: Annotated[str, Field(min_length=1, max_length=256)]
    email_to: models.EmailAddress | None = None

    @property
    def span(self) -> tuple[float, float]:
        """The two seconds since the epoch.

        Raises:
            Invalid: They are in the wrong order.
        """
        first, last = _seconds(self.gte), _seconds(self.lte)
        if first > last:
            raise Invalid(f"gte: expected no later time than lte, {self.lte}")
        return first, last


class WantedPart(Wanted):
    """Which part of the list of steps, the latest first."""

    limit: Limit = 10
    offset: Offset = 0


def routes(service: Service, queue: QueueControl) -> APIRouter:
    """Build the routes under /v1/instances/{instance_id}/metrics."""
    router = APIRouter(
        prefix="/v1/instances/{instance_id}/metrics",
        tags=["event notifications"],
        responses=problems.RESPONSES,
    )

    async def steps(instance_id: str, wanted: Wanted) -> list[Step]:
        id, (first, last) = wanted.smtp_config_id, wanted.span
        await service.read(
            lambda connection: configurations.get(connection, service.profile, instance_id, id)
        )
        # What was accepted long before the span may have ended within it.
        selection = Selection(id, accepted_before=last + 1, limit=_PER_READ)
        found: list[Step] = []
        while True:
            async with asking():
                messages = await queue.select(selection)
            found += (
                (recipient, step)
                for message in messages
                for recipient in message.recipients
                if wanted.email_to is None or is_same(recipient.address, wanted.email_to)
                for step in recipient.history
                if first <= step.at < last + 1
            )
            if len(messages) < _PER_READ:
                return found
            selection = replace(selection, before=messages[-1].queue_id)

    @router.get("", operation_id="get_metrics")
    async def metrics(
        instance_id: InstanceId, wanted: Annotated[Wanted, Query()]
    ) -> models.Metrics:
        """Count what became of recipients, in all and over time."""
        found = await steps(instance_id, wanted)
        times = {
            key: [step.at for _, step in found if step.state is state]
            for key, state in _KEYS.items()
        }
        return models.Metrics(
            metrics=[
                models.Metric(key=key, doc_count=len(own), histogram=histogram(own, *wanted.span))
                for key, own in times.items()
            ]
        )

    @router.get("/bounce", operation_id="get_bounce_metrics")
    async def bounces(
        instance_id: InstanceId, wanted: Annotated[WantedPart, Query()]
    ) -> models.Bounces:
        """List the recipients that were not reached, the latest first, and why."""
        found = [
            (recipient, step)
            for recipient, step in await steps(instance_id, wanted)
            if step.state is RecipientState.BOUNCED
        ]
        found.sort(key=lambda each: each[1].at, reverse=True)
        part = found[wanted.offset : wanted.offset + wanted.limit]
        return models.Bounces(
            metrics=[
                models.Bounce(
                    email_address=masked(recipient.mailbox),
                    subject="",
                    error_message=masked_text(step.text, recipient.mailbox),
                    timestamp=models.timestamp(step.at),
                )
                for recipient, step in part
            ],
            total_count=len(found),
            offset=wanted.offset,
            limit=wanted.limit,
        )

    return router


def is_same(address: str, wanted: str) -> bool:
    """Compare two addresses as people do: without case."""
    return address.casefold() == wanted.casefold()


def histogram(times: Iterable[float], first: float, last: float) -> models.Histogram:
    """Count times in whole minutes from `first` on, in buckets of equal length, 48 at most."""
    minutes = max(1, ceil((last - first) / 60 / (_MOST_BUCKETS - 1)))
    width = minutes * 60
    counts = [0] * (int((last - first) // width) + 1)
    for time in times:
        counts[min(int((time - first) // width), len(counts) - 1)] += 1
    return models.Histogram(
        buckets=[
            models.Bucket(doc_count=count, key_as_string=models.timestamp(first + width * index))
            for index, count in enumerate(counts)
        ]
    )
