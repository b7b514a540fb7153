"""How a running relay ends: on a signal, or because its delivery broke."""

from __future__ import annotations

import asyncio
import logging
import signal

from reference_relay.relay import Relay

_log = logging.getLogger(__name__)


def stop_event() -> asyncio.Event:
    """Make an event that SIGTERM and SIGINT set, from now on and for the rest of the program."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping


async def until_stopped(relay: Relay, stopping: asyncio.Event) -> int:
    """Wait for the end of a started relay.

    Returns:
        The exit status: 0 when it was told to stop, 1 when its delivery broke.
    """
    told = asyncio.create_task(stopping.wait())
    broken = asyncio.create_task(relay.delivery_ended())
    await asyncio.wait((told, broken), return_when=asyncio.FIRST_COMPLETED)
    if told.done():
        broken.cancel()
        await asyncio.wait((broken,))
        return 0
    told.cancel()
    _log.critical("event=delivery_broken", exc_info=broken.exception())
    return 1
