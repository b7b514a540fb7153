"""The composition root of a relay in several processes: workers, and what they share.

The supervisor binds the sockets, gives each worker its own, holds the management API and the
snapshot of the service, and fills the place of a worker that died. No mail passes through it.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from reference_relay.clock import Clock
from reference_relay.config import Config, ConfigError, no_text
from reference_relay.doors import open_doors
from reference_relay.management.metrics_text import Family
from reference_relay.management_start import management_token, start_management
from reference_relay.metrics import Row, families
from reference_relay.prepared import prepare
from reference_relay.queue import status_document
from reference_relay.queue.queue import QueueError
from reference_relay.queue.queue_id import shard_of
from reference_relay.queue.queued_message import MessageStatus, Obeyed, Order
from reference_relay.queue.schedule import Place
from reference_relay.queue.spool_reader import Selection
from reference_relay.queue.status import in_all, latest_first
from reference_relay.refusal import refusal
from reference_relay.relay import Ready
from reference_relay.reload import effective
from reference_relay.service import snapshot
from reference_relay.service.directory import Directory
from reference_relay.service_start import open_service, seeded
from reference_relay.shard import keeper_of, left_behind, look_at_all
from reference_relay.supervision.control_channel import ChannelClosed, OrderRefused
from reference_relay.supervision.worker_slot import Served, WorkerSlot
from reference_relay.verification_start import Verifying, verifying

if TYPE_CHECKING:
    from reference_relay.service.service import Service

# Ours: what a worker may take to stop beyond the time of its open transactions, for deliveries
# under way and for the last sync.
_STOP_MARGIN_SECONDS = 15.0


class Supervisor:
    """A whole relay: this process, and as many workers as the configuration wants.

    Args:
        config: What to build.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        # Read here as well, so that nothing unusable ever reaches a worker.
        self._prepared = prepare(config)
        self.clock = Clock(is_virtual=config.clock == "virtual")
        self._served = Served(
            0,
            str(config.source),
            {"config": _document(config), "reading": 0, "clock_ahead": 0.0},
        )
        self._slots: list[WorkerSlot] = []
        self._service: Service | None = None
        self._verifying: Verifying | None = None
        self._readings = 0
        self._changing = asyncio.Lock()
        self._running = AsyncExitStack()

    async def start(self) -> Ready:
        """Start all workers, then the management API.

        Raises:
            ConfigError: Something is not as the configuration says; nothing is left running.
        """
        try:
            return await self._start()
        except BaseException:
            await self._running.aclose()
            raise

    async def stop(self) -> None:
        """Let every worker come to an orderly end, all at once."""
        await self._running.aclose()

    async def ended(self) -> None:
        """Wait for ever: a worker that breaks is replaced."""
        await asyncio.Event().wait()

    def kill(self) -> None:
        """End all workers at once; what they have promised is on disk."""
        for slot in self._slots:
            slot.kill()

    async def reload(self, wanted: Config) -> tuple[str, ...]:
        """Change to another configuration, as far as that goes without a restart.

        Returns:
            What stays as it is, one key each.

        Raises:
            ConfigError: It cannot be used; everything stays as it is.
        """
        async with self._changing:
            config, ignored = effective(self._config, wanted)
            prepared = prepare(config)
            fields = {"config": _document(config)}
            if self._service is not None:
                prepared = prepared.with_directory(await seeded(self._service, config))
                fields["directory"] = snapshot.to_document(prepared.directory)
            self._prepared, self._config = prepared, config
            self._readings += 1
            await self._serve(fields)
        return ignored

    async def publish(self, directory: Directory) -> None:
        """Enforce another directory; every worker enforces it on return (D-27).

        Raises:
            ConfigError: A DKIM key cannot be used; the old directory stays.
        """
        async with self._changing:
            self._prepared = self._prepared.with_directory(directory)
            document = snapshot.to_document(directory)
            await self._serve({"config": _document(self._config), "directory": document})

    async def advance(self, seconds: float) -> None:
        """Move the clock of every process; on return, what became due was looked at.

        Raises:
            ValueError: The clock is the system's, or the step leads back or too far.
        """
        async with self._changing:
            self.clock.advance(seconds)
            await self._serve(dict(self._served.fields))
        # Not with the lock: what is found is enforced by everybody, too.
        if self._verifying is not None:
            await self._verifying.settle()

    async def _serve(self, fields: dict[str, Any]) -> None:
        # First the word for whoever is started from now on, then to those who serve already.
        fields |= {"reading": self._readings, "clock_ahead": self.clock.ahead}
        self._served = Served(self._served.version + 1, str(self._config.source), fields)
        await asyncio.gather(*(slot.bring_up_to(self._served) for slot in self._slots))

    # -- what the management API asks --------------------------------------------------------

    @property
    def directory(self) -> Directory:
        """The snapshot in force."""
        return self._prepared.directory

    @property
    def pids(self) -> tuple[int | None, ...]:
        """The process id of each worker; None where there is none now."""
        return tuple(slot.pid for slot in self._slots)

    @property
    def workers_up(self) -> tuple[int, int]:
        """How many workers serve, and how many there should be."""
        return sum(slot.is_up for slot in self._slots), self._config.workers.count

    async def status(self, queue_id: str) -> MessageStatus | None:
        """Return what became of an accepted message.

        Raises:
            QueueError: The worker that knows cannot be asked, or cannot read its spool.
        """
        shard = shard_of(queue_id)
        if shard is None:
            return None
        slot = self._slots[keeper_of(shard, len(self._slots))]
        document = await _ask(slot, "status", queue_id=queue_id)
        return None if document is None else status_document.from_document(document)

    async def select(self, selection: Selection) -> Sequence[MessageStatus]:
        """List messages, the latest first.

        Raises:
            QueueError: A worker cannot be asked, or cannot read its spool.
        """
        pages = await asyncio.gather(
            *(_ask(slot, "select", selection=asdict(selection)) for slot in self._slots)
        )
        return latest_first(
            ([status_document.from_document(each) for each in page] for page in pages),
            selection.limit,
        )

    async def obey(self, what: Order, queue_ids: Collection[str] | None) -> Obeyed:
        """Do what an operator wants to some messages or to all.

        Raises:
            QueueError: A worker cannot be asked; others may have obeyed.
        """
        asked: dict[WorkerSlot, list[str] | None] = dict.fromkeys(self._slots)
        if queue_ids is not None:
            asked = dict(self._by_keeper(queue_ids))
        answers = await asyncio.gather(
            *(_ask(slot, "obey", what=what.value, queue_ids=own) for slot, own in asked.items())
        )
        return in_all(Obeyed(done, tuple(busy), tuple(unknown)) for done, busy, unknown in answers)

    async def places(self) -> Mapping[str, int]:
        """Count unsettled messages by where they are.

        Raises:
            QueueError: A worker cannot be asked.
        """
        counts: Counter[str] = Counter({place.value: 0 for place in Place})
        for own in await asyncio.gather(*(_ask(slot, "places") for slot in self._slots)):
            counts.update(own)
        return dict(counts)

    async def metrics(self) -> Sequence[Family]:
        """Read the counters of all workers; one that is down has none."""
        rows = await asyncio.gather(*map(_measure, self._slots))
        return families({slot.number: own for slot, own in zip(self._slots, rows, strict=True)})

    def _by_keeper(self, queue_ids: Collection[str]) -> Mapping[WorkerSlot, list[str]]:
        found: dict[WorkerSlot, list[str]] = {}
        for queue_id in queue_ids:
            # Anybody can say that he does not know what is no queue ID.
            keeper = keeper_of(shard_of(queue_id) or 0, len(self._slots))
            found.setdefault(self._slots[keeper], []).append(queue_id)
        return found

    async def _start(self) -> Ready:
        config = self._config
        count = config.workers.count
        token = management_token(config)
        look_at_all(config)
        doors = open_doors(config, count)
        self._running.callback(doors.close)
        service = self._service = await open_service(config, self.clock)
        if service is not None:
            self._running.push_async_callback(service.stop)
            # There are no workers yet: they begin with it.
            await self.publish(await seeded(service, config))
            service.start(self.publish)
        orphans = left_behind(config.state_directory, count)
        self._slots = [
            WorkerSlot(
                number,
                own,
                [shard for shard in orphans if keeper_of(shard, count) == number],
                config.workers.loop,
                lambda: self._served,
            )
            for number, own in enumerate(doors.by_worker)
        ]
        self._running.push_async_callback(self._stop_workers)
        # Before the workers are told: nobody shall wait in a queue that is not served any more.
        self._running.callback(doors.close)
        await self._start_workers()
        proving = self._verifying = verifying(lambda: self._config, self.clock, service)
        proving.start()
        self._running.push_async_callback(proving.stop)
        management = await start_management(config, self, service, proving.domains, token)
        if management is None:
            return Ready(doors.bound, None, None)
        self._running.push_async_callback(management.server.stop)
        return Ready(doors.bound, management.bound, management.new_token)

    async def _start_workers(self) -> None:
        results = await asyncio.gather(
            *(slot.start() for slot in self._slots), return_exceptions=True
        )
        for slot, error in zip(self._slots, results, strict=True):
            match error:
                case None:
                    continue
                case OrderRefused(problems=problems):
                    raise ConfigError(problems)
                case ChannelClosed() | TimeoutError() | OSError():
                    reason = f"expected worker {slot.number} to start: {error!r}"
                    raise refusal(self._config, "workers.count", reason)
                case BaseException():
                    raise error

    async def _stop_workers(self) -> None:
        within = self._config.limits.stop_seconds + _STOP_MARGIN_SECONDS
        await asyncio.gather(*(slot.stop(within) for slot in self._slots))


async def _ask(slot: WorkerSlot, order: str, **fields: Any) -> Any:
    try:
        return await slot.ask(order, **fields)
    except (ChannelClosed, OrderRefused, TimeoutError) as error:
        raise QueueError(f"worker {slot.number}: {error!r}") from error


async def _measure(slot: WorkerSlot) -> list[Row]:
    try:
        rows: list[Row] = await slot.ask("measure")
    except (ChannelClosed, OrderRefused, TimeoutError):
        rows = []
    rows.append(("worker_up", "", {}, int(slot.is_up)))
    rows.append(("worker_starts_total", "", {}, slot.starts))
    return rows


def _document(config: Config) -> Any:
    # What the file says, with no value that JSON does not know.
    return json.loads(json.dumps(config.document, default=no_text))
