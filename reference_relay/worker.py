"""A worker: doors, spool and delivery inside one event loop, and everything that feeds them.

The whole relay of a single process is one of these with the management API beside it; with more,
each is a process of its own (`supervision`). Randomness and ids enter here, the clock is given.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace

from reference_relay.clock import Clock
from reference_relay.config import Config
from reference_relay.doors import Door
from reference_relay.event_loop import raise_descriptor_limit
from reference_relay.logs import LineLog
from reference_relay.metrics import Row, delivery_rows, queue_rows, submission_rows
from reference_relay.prepared import Prepared
from reference_relay.queue.discard import Discard
from reference_relay.queue.queue import Queue
from reference_relay.queue.queue_id import shard_of
from reference_relay.queue.queued_message import MessageStatus, Obeyed, Order
from reference_relay.queue.schedule import Place
from reference_relay.queue.spool_reader import Selection
from reference_relay.queue.status import in_all, latest_first
from reference_relay.service.directory import Directory
from reference_relay.service.passwords import PasswordVerifier
from reference_relay.shard import Outgoing, Shard
from reference_relay.smtp import replies
from reference_relay.submission import answers
from reference_relay.submission.context import CommitsMail, SubmissionContext
from reference_relay.submission.listener import Listener

_log = logging.getLogger(__name__)


class Worker:
    """One worker inside the running event loop.

    Args:
        number: Which of the workers it is; its own shard has the same number.
        prepared: What it serves.
        clock: The relay's clock (D-25).
        lines: Where the lines of sessions and attempts go; None takes the standard library's way.
    """

    def __init__(
        self, number: int, prepared: Prepared, clock: Clock, lines: LineLog | None
    ) -> None:
        self.number = number
        self._prepared = prepared
        self._clock = clock
        self._lines = lines
        self._running = AsyncExitStack()
        self._shards: list[Shard] = []
        self._listeners: dict[int, Listener] = {}
        self._passwords: PasswordVerifier | None = None
        self._context: SubmissionContext | None = None

    @property
    def directory(self) -> Directory:
        """The snapshot in force."""
        return self._prepared.directory

    async def start(self, doors: Sequence[Door], left_behind: Iterable[int] = ()) -> None:
        """Start every room, the doors last.

        Args:
            doors: Sockets to serve, which become the worker's.
            left_behind: Shards without a worker of their own, to be delivered from as well.

        Raises:
            ConfigError: A shard cannot be used; nothing is left running.
        """
        try:
            await self._start(doors, left_behind)
        except BaseException:
            await self._running.aclose()
            raise

    async def stop(self) -> None:
        """Close the doors, let open answers be given, and put everything away."""
        await self._running.aclose()

    async def ended(self) -> None:
        """Wait for a delivery agent to break; without one, for ever.

        Raises:
            Exception: Whatever it broke with.
        """
        waiting = [asyncio.create_task(shard.ended()) for shard in self._shards]
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in waiting:
                task.cancel()

    def adopt(self, prepared: Prepared) -> None:
        """Change to something else in one step; open connections keep all but the directory."""
        gone = self._prepared.credentials - prepared.credentials
        self._prepared = prepared
        context = self._context
        if context is None:
            return
        if gone and self._passwords is not None:
            # D-28: deletion and rotation empty the cache.
            self._passwords.forget()
        config = prepared.config
        self._context = replace(
            context, limits=config.limits, rates=config.rates, switches=config.switches
        )
        for number, listener in self._listeners.items():
            settings = config.endpoints[number]
            tls_context = prepared.tls_contexts[number]
            listener.adopt(settings.endpoint, tls_context, self._context, settings.proxy_trusted)

    def status(self, queue_id: str) -> MessageStatus | None:
        """Return what became of a message of one of this worker's shards.

        Raises:
            QueueError: The spool cannot be read.
        """
        number = shard_of(queue_id)
        for shard in self._shards:
            if shard.number == number:
                return shard.queue.status(queue_id)
        return None

    async def select(self, selection: Selection) -> list[MessageStatus]:
        """List messages of this worker's shards, the latest first.

        Raises:
            QueueError: A spool cannot be read.
        """
        found = [await shard.queue.select(selection) for shard in self._shards]
        return latest_first(found, selection.limit)

    async def obey(self, order: Order, queue_ids: Collection[str] | None) -> Obeyed:
        """Do what an operator wants to mail of this worker's shards; see `Queue.obey`.

        Raises:
            QueueError: It is not durable yet.
        """
        if queue_ids is None:
            return in_all([await shard.queue.obey(order, None) for shard in self._shards])
        own: dict[int | None, list[str]] = {shard.number: [] for shard in self._shards}
        strangers = [each for each in queue_ids if shard_of(each) not in own]
        for queue_id in queue_ids:
            own.get(shard_of(queue_id), []).append(queue_id)
        obeyed = [await shard.queue.obey(order, own[shard.number]) for shard in self._shards]
        return in_all([*obeyed, Obeyed(0, unknown=tuple(strangers))])

    def places(self) -> dict[str, int]:
        """Count unsettled messages by where they are."""
        counts: Counter[str] = Counter({place.value: 0 for place in Place})
        for shard in self._shards:
            counts.update({place.value: count for place, count in shard.queue.places().items()})
        return dict(counts)

    def measure(self) -> list[Row]:
        """Read all counters."""
        rows: list[Row] = []
        if self._context is not None:
            rows += submission_rows(self._context.counters, self._context.guard.connections)
        rows += queue_rows([shard.queue for shard in self._shards])
        rows += delivery_rows([shard.agent.counters for shard in self._shards])
        return rows

    async def _start(self, doors: Sequence[Door], left_behind: Iterable[int]) -> None:
        outgoing = Outgoing(
            signer=lambda configuration_id: self._prepared.signers.get(configuration_id),
            addresses=self._outgoing_addresses,
            log_line=self._line_writer("reference_relay.delivery.attempt"),
        )
        config = self._prepared.config
        raise_descriptor_limit(config.limits.connections)
        self._running.push_async_callback(self._stop_shards)
        self._clock.on_move(self._wake)
        for number in (self.number, *left_behind):
            shard = Shard.open(number, config, outgoing, self._clock)
            shard.start()
            self._shards.append(shard)
        passwords = self._passwords = PasswordVerifier(
            hash for _, hash in self._prepared.credentials
        )
        self._running.callback(passwords.close)
        queue = self._shards[0].queue
        self._context = SubmissionContext(
            hostname=config.hostname,
            directory=lambda: self._prepared.directory,
            queue=_accepting(config, queue),
            passwords=passwords,
            next_queue_id=self._shards[0].ids.next,
            now=self._clock,
            wording=replies.BOOKS[config.profile],
            limits=config.limits,
            rates=config.rates,
            switches=config.switches,
            log_line=self._line_writer(answers.__name__),
        )
        self._running.push_async_callback(self._close_doors)
        for door in doors:
            listener = self._listener(door.endpoint)
            await listener.serve(door.listening, is_encrypted=door.is_encrypted)

    def _wake(self) -> None:
        for shard in self._shards:
            shard.queue.wake()

    def _listener(self, number: int) -> Listener:
        """Return the listener of an endpoint, which serves all of its sockets."""
        listener = self._listeners.get(number)
        if listener is None:
            assert self._context is not None  # noqa: S101 - made before the doors are opened
            settings = self._prepared.config.endpoints[number]
            listener = self._listeners[number] = Listener(
                settings.endpoint,
                self._prepared.tls_contexts[number],
                self._context,
                settings.proxy_trusted,
            )
        return listener

    def _outgoing_addresses(self, endpoint_key: str) -> Sequence[str]:
        for settings in self._prepared.config.endpoints:
            if settings.endpoint.key == endpoint_key:
                return settings.endpoint.outgoing_addresses
        return ()

    def _line_writer(self, name: str) -> Callable[[str], None]:
        if self._lines is not None:
            return self._lines.writer(name)
        logger = logging.getLogger(name)

        def write(text: str) -> None:
            logger.info("%s", text)

        return write

    async def _stop_shards(self) -> None:
        # All at once: each may wait for deliveries under way.
        await asyncio.gather(*(shard.stop() for shard in self._shards))

    async def _close_doors(self) -> None:
        # All at once: each may wait for the answers that its clients are owed.
        await asyncio.gather(*(listener.stop() for listener in self._listeners.values()))


def _accepting(config: Config, queue: Queue) -> CommitsMail:
    if not config.discards_mail:
        return queue
    _log.warning("event=discarding: [queue] discard is set, a 250 promises nothing")
    return Discard()
