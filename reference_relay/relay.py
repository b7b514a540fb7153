"""The composition root of a relay in one process: a worker and, beside it, the management API.

`supervision` is the same for several processes. Clock, randomness and ids enter at these two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reference_relay.clock import Clock
from reference_relay.config import Config
from reference_relay.doors import BoundEndpoint, open_doors
from reference_relay.logs import LineLog
from reference_relay.management.metrics_text import Family
from reference_relay.management_start import (
    BoundManagement,
    management_token,
    start_management,
)
from reference_relay.metrics import families
from reference_relay.prepared import prepare
from reference_relay.queue.queued_message import MessageStatus, Obeyed, Order
from reference_relay.queue.spool_reader import Selection
from reference_relay.reload import effective
from reference_relay.service.directory import Directory
from reference_relay.service_start import open_service, seeded
from reference_relay.shard import left_behind, look_at_all
from reference_relay.verification_start import Verifying, verifying
from reference_relay.worker import Worker

if TYPE_CHECKING:
    from reference_relay.service.service import Service

# The only worker, and its shard.
_NUMBER = 0


@dataclass(frozen=True, slots=True)
class Ready:
    """What a started relay has to tell.

    Attributes:
        endpoints: One entry for each address and port of each endpoint.
        management: None when it is off.
        new_token: A management token that was made for this run, to be shown once.
    """

    endpoints: tuple[BoundEndpoint, ...]
    management: BoundManagement | None
    new_token: str | None


class Relay:
    """A whole relay inside the running event loop.

    Args:
        config: What to build.
        clock: The one clock (D-25); by default the one that the configuration asks for.
        lines: Where the lines of sessions and attempts go.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        lines: LineLog | None = None,
    ) -> None:
        self._config = config
        self.clock = clock or Clock(is_virtual=config.clock == "virtual")
        self._lines = lines
        self._running = AsyncExitStack()
        self._prepared = prepare(config)
        self._worker = Worker(_NUMBER, self._prepared, self.clock, lines)
        self._service: Service | None = None
        self._verifying: Verifying | None = None
        self._starts = 0

    async def start(self) -> Ready:
        """Start every room, the doors last.

        Raises:
            ConfigError: Something is not as the configuration says; nothing is left running.
        """
        try:
            return await self._start()
        except BaseException:
            await self._running.aclose()
            raise

    async def stop(self) -> None:
        """Close the doors, let open answers be given, and put everything away."""
        await self._running.aclose()

    async def ended(self) -> None:
        """Wait for the end of delivery, which is due at `stop` only.

        Raises:
            Exception: Whatever it broke with.
        """
        await self._worker.ended()

    async def reload(self, wanted: Config) -> tuple[str, ...]:
        """Change to another configuration, as far as that goes without a restart.

        Returns:
            What stays as it is, one key each.

        Raises:
            ConfigError: It cannot be used; everything stays as it is.
        """
        config, ignored = effective(self._config, wanted)
        prepared = prepare(config)
        if self._service is not None:
            prepared = prepared.with_directory(await seeded(self._service, config))
        self._config, self._prepared = config, prepared
        self._worker.adopt(prepared)
        return ignored

    async def publish(self, directory: Directory) -> None:
        """Enforce another directory; it is enforced on return (D-27).

        Raises:
            ConfigError: A DKIM key cannot be used; the old directory stays.
        """
        self._prepared = self._prepared.with_directory(directory)
        self._worker.adopt(self._prepared)

    async def advance(self, seconds: float) -> None:
        """Move the clock; whoever waits for it is woken, domains that are due are looked at.

        Raises:
            ValueError: The clock is the system's, or the step leads back or too far.
        """
        self.clock.advance(seconds)
        if self._verifying is not None:
            await self._verifying.settle()

    def kill(self) -> None:
        """Nothing to do: there are no other processes."""

    # -- what the management API asks --------------------------------------------------------

    @property
    def directory(self) -> Directory:
        """The snapshot in force."""
        return self._prepared.directory

    @property
    def workers_up(self) -> tuple[int, int]:
        """How many workers serve, and how many there should be."""
        return self._starts, 1

    async def status(self, queue_id: str) -> MessageStatus | None:
        """Return what became of an accepted message.

        Raises:
            QueueError: The spool cannot be read.
        """
        return self._worker.status(queue_id)

    async def select(self, selection: Selection) -> Sequence[MessageStatus]:
        """List messages, the latest first.

        Raises:
            QueueError: The spool cannot be read.
        """
        return await self._worker.select(selection)

    async def obey(self, what: Order, queue_ids: Collection[str] | None) -> Obeyed:
        """Do what an operator wants to some messages or to all.

        Raises:
            QueueError: It is not durable yet.
        """
        return await self._worker.obey(what, queue_ids)

    async def places(self) -> Mapping[str, int]:
        """Count unsettled messages by where they are."""
        return self._worker.places()

    async def metrics(self) -> Sequence[Family]:
        """Read all counters."""
        rows = [
            *self._worker.measure(),
            ("worker_up", "", {}, self._starts),
            ("worker_starts_total", "", {}, self._starts),
        ]
        return families({_NUMBER: rows})

    async def _start(self) -> Ready:
        config = self._config
        token = management_token(config)
        look_at_all(config)
        doors = open_doors(config, 1)
        self._running.callback(doors.close)
        service = self._service = await open_service(config, self.clock)
        if service is not None:
            self._running.push_async_callback(service.stop)
            await self.publish(await seeded(service, config))
            service.start(self.publish)
        await self._worker.start(doors.by_worker[0], left_behind(config.state_directory, 1))
        self._running.push_async_callback(self._worker.stop)
        self._starts = 1
        proving = self._verifying = verifying(lambda: self._config, self.clock, service)
        proving.start()
        self._running.push_async_callback(proving.stop)
        management = await start_management(config, self, service, proving.domains, token)
        if management is None:
            return Ready(doors.bound, None, None)
        self._running.push_async_callback(management.server.stop)
        return Ready(doors.bound, management.bound, management.new_token)
