"""How a running relay lives: signals stop it or make it look at its configuration again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from reference_relay.config import Config, ConfigError

_log = logging.getLogger(__name__)


class Living(Protocol):
    """A started relay, as far as its life goes."""

    async def ended(self) -> None:
        """Wait until it breaks.

        Raises:
            Exception: What it broke with.
        """

    async def reload(self, wanted: Config) -> tuple[str, ...]:
        """Change to another configuration; return what stays as it is.

        Raises:
            ConfigError: Everything stays as it is.
        """


def stop_event(at_once: Callable[[signal.Signals], None] | None = None) -> asyncio.Event:
    """Make an event that SIGTERM and SIGINT set, from now on and for the rest of the program.

    Args:
        at_once: Called when a second one comes; by default that changes nothing.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        if stopping.is_set() and at_once is not None:
            at_once(number)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return stopping


def reload_event() -> asyncio.Event:
    """Make an event that SIGHUP sets, from now on and for the rest of the program."""
    hung_up = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hung_up.set)
    return hung_up


@contextlib.asynccontextmanager
async def reloading(
    relay: Living,
    hung_up: asyncio.Event,
    load: Callable[[], Config],
    on_reload: Callable[[Config], None],
) -> AsyncIterator[None]:
    """Reload the configuration whenever the event is set, as long as the context lasts.

    Args:
        relay: What is to change.
        hung_up: See `reload_event`.
        load: Reads the configuration anew.
        on_reload: Called with every configuration that was taken over.
    """

    async def reload() -> None:
        while True:
            await hung_up.wait()
            hung_up.clear()
            try:
                wanted = load()
                ignored = await relay.reload(wanted)
            except ConfigError as error:
                for problem in error.problems:
                    _log.error("event=reload_refused problem=%a", problem)
            except Exception:
                _log.exception("event=reload_broken")
            else:
                on_reload(wanted)
                _log.info("event=reloaded")
                for key in ignored:
                    _log.warning("event=needs_restart key=%a", key)

    task = asyncio.create_task(reload(), name="reload")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


async def until_stopped(relay: Living, stopping: asyncio.Event) -> int:
    """Wait for the end of a started relay.

    Returns:
        The exit status: 0 when it was told to stop, 1 when it broke.
    """
    told = asyncio.create_task(stopping.wait())
    broken = asyncio.create_task(relay.ended())
    await asyncio.wait((told, broken), return_when=asyncio.FIRST_COMPLETED)
    if told.done():
        broken.cancel()
        await asyncio.wait((broken,))
        return 0
    told.cancel()
    _log.critical("event=delivery_broken", exc_info=broken.exception())
    return 1
