"""The lab's hand on the clock (D-25): read it, wait for it, move it."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Protocol

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from reference_relay.clock import LATEST, Clock
from reference_relay.management.envelope import Problem, Refused
from reference_relay.management.models import Body, Wait


class HasClock(Protocol):
    """The relay, as far as its clock goes."""

    @property
    def clock(self) -> Clock:
        """The clock of this process, which all others follow."""

    async def advance(self, seconds: float) -> None:
        """Move all clocks; return when every worker has the new time and what was due is done.

        Raises:
            ValueError: The clock is the system's, or the step leads back or too far.
        """


class ClockEntry(BaseModel):
    """What time it is."""

    now: str = Field(description="RFC 3339, in UTC")
    seconds: float = Field(description="The same in seconds since the epoch")
    ahead: float = Field(description="Seconds it was moved altogether")
    is_virtual: bool


class Advance(Body):
    """How far to move on."""

    seconds: float = Field(ge=0, le=LATEST, allow_inf_nan=False)


class Set(Body):
    """Which time to move on to, in seconds since the epoch; never back."""

    seconds: float = Field(ge=0, le=LATEST, allow_inf_nan=False)


def routes(relay: HasClock) -> APIRouter:
    """Build the routes of /lab/v1/clock."""
    router = APIRouter(prefix="/lab/v1/clock", tags=["lab"])

    @router.get("")
    async def read(
        until: Annotated[float, Query(ge=0, le=LATEST, allow_inf_nan=False)] = 0.0,
        wait: Wait = 30.0,
    ) -> ClockEntry:
        """Read the clock, at the latest after `wait` seconds, at once if `until` has been."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await relay.clock.wait_until(until)
        return _entry(relay.clock)

    @router.post("/advance", responses={409: {"description": "The clock is the system's"}})
    async def advance(step: Advance) -> ClockEntry:
        """Move the clock on; when this returns, every worker has the new time."""
        return await _moved(relay, step.seconds)

    @router.post("/set", responses={409: {"description": "The clock is the system's"}})
    async def set_to(moment: Set) -> ClockEntry:
        """Move the clock on to a moment; when this returns, every worker has the new time."""
        return await _moved(relay, moment.seconds - relay.clock())

    return router


async def _moved(relay: HasClock, seconds: float) -> ClockEntry:
    if not relay.clock.is_virtual:
        text = 'The clock is the system\'s; expected clock = "virtual" in the configuration file.'
        raise Refused(HTTPStatus.CONFLICT, Problem("clock_not_virtual", text))
    try:
        await relay.advance(seconds)
    except ValueError as error:
        raise Refused(HTTPStatus.BAD_REQUEST, Problem("bad_request", f"seconds: {error}")) from None
    return _entry(relay.clock)


def _entry(clock: Clock) -> ClockEntry:
    seconds = clock()
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return ClockEntry(
        now=text.replace("+00:00", "Z"),
        seconds=seconds,
        ahead=clock.ahead,
        is_virtual=clock.is_virtual,
    )
