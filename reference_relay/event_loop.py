"""Which event loop runs, and how many connections the process may hold."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Callable

_log = logging.getLogger(__name__)

# Ours: spool, listeners, channel, pool of outgoing connections and look-ups.
_OTHER_DESCRIPTORS = 500


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return what makes the loop: "asyncio", or "uvloop", an extra of this package."""
    if name == "uvloop":
        import uvloop

        factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
        return factory
    return asyncio.new_event_loop


def raise_descriptor_limit(connections: int) -> None:
    """Allow as many open files as that many connections need, or say that they are not to be had.

    Args:
        connections: The limit of connections that the configuration grants.
    """
    wanted = connections + _OTHER_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        _log.warning("event=few_descriptors wanted=%d allowed=%d", wanted, allowed)
