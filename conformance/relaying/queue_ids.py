"""From a final reply to the state of the message: queue IDs and status look-ups."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from conformance.judgement import must, not_claimed
from fixtures.probe import Reply
from fixtures.target import Target

_POLL_SECONDS = 0.02


def queue_id_of(target: Target, reply: Reply) -> str:
    """Return the queue ID in a final reply; one without any fails the check."""
    if target.claims("queue_id") is False:
        not_claimed("the profile promises no queue ID")
    found = target.queue_id_pattern.search(reply.text)
    must(found is not None, expected="a queue ID in the final reply", observed=reply.raw)
    return found["queue_id"] if found else ""


def states_of(target: Target, queue_id: str) -> dict[str, dict[str, Any]]:
    """Return what the control plane says of each recipient, by the address it shows.

    Without a control plane, or for an ID it does not know, this is empty.
    """
    control_plane = target.control_plane
    status = control_plane.message_status(queue_id) if control_plane else None
    return {str(each["address"]): each for each in (status or {}).get("recipients", ())}


def wait_for_states(
    target: Target, queue_id: str, count: int, wanted: Collection[str], within: float = 10.0
) -> list[str]:
    """Wait until so many recipients are in one of these states; return all states, sorted."""
    deadline = time.monotonic() + within
    while True:
        states = sorted(str(each["state"]) for each in states_of(target, queue_id).values())
        if sum(state in wanted for state in states) >= count or time.monotonic() > deadline:
            return states
        time.sleep(_POLL_SECONDS)
