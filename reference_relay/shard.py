"""One shard of the spool: a queue and the agent that delivers from it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reference_relay.config import Config
from reference_relay.delivery.agent import Agent, Signs
from reference_relay.queue import spool_file
from reference_relay.queue.queue import Queue, QueueError
from reference_relay.queue.queue_id import QueueIdSource
from reference_relay.refusal import reason_of, refusal

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What deliveries need to know, asked for each message anew.

    Attributes:
        signer: Of a configuration, by its id; None sends unsigned.
        addresses: Of an endpoint, by its key (D-23).
        log_line: Takes the line of an attempt.
    """

    signer: Callable[[str], Signs | None]
    addresses: Callable[[str], Sequence[str]]
    log_line: Callable[[str], None]


class Shard:
    """A shard of its own folder; the number is part of its queue IDs (D-3).

    Attributes:
        ids: Issues the queue IDs of whatever is committed here.
    """

    def __init__(
        self, number: int, queue: Queue, ids: QueueIdSource, agent: Agent, *, is_held: bool
    ) -> None:
        self.number = number
        self.queue = queue
        self.ids = ids
        self.agent = agent
        self._is_held = is_held
        self._delivering: asyncio.Task[None] | None = None

    @classmethod
    def open(
        cls, number: int, config: Config, outgoing: Outgoing, now: Callable[[], float]
    ) -> Shard:
        """Open the shard, made if need be, and recover what is not settled.

        Raises:
            ConfigError: Its folder cannot be used, or another relay uses it.
        """
        folder = folder_of(config.state_directory, number)
        try:
            queue = Queue.open(folder, now, config.queue)
        except (OSError, QueueError) as error:
            reason = f"expected a folder for the queue: {folder}: {reason_of(error)}"
            raise refusal(config, "state_directory", reason) from None
        ids = QueueIdSource(now, number, queue.last_queue_id)
        agent = Agent(
            queue,
            config.delivery,
            signer_for=outgoing.signer,
            outgoing_addresses=outgoing.addresses,
            now=now,
            hostname=config.hostname,
            next_queue_id=ids.next,
            log_line=outgoing.log_line,
        )
        return cls(number, queue, ids, agent, is_held=config.delivery.is_held)

    def start(self) -> None:
        """Commit and deliver from now on."""
        self.queue.start(asyncio.get_running_loop())
        if self._is_held:
            _log.warning("event=delivery_held: accepted mail stays in the queue")
            return
        self._delivering = asyncio.create_task(self.agent.run(), name=f"delivery-{self.number}")

    async def stop(self) -> None:
        """End deliveries, then put the queue away."""
        await self.agent.stop()
        await self.queue.stop()

    async def ended(self) -> None:
        """Wait for the end of delivery, which is due at `stop` only.

        Raises:
            Exception: Whatever the agent broke with.
        """
        if self._delivering is None:
            # Held: there is none whose end could be met.
            await asyncio.get_running_loop().create_future()
        else:
            await asyncio.shield(self._delivering)


def folder_of(state_directory: Path, number: int) -> Path:
    """Return the folder of a shard."""
    return state_directory / f"shard-{number}"


def look_at_all(config: Config) -> None:
    """See that no shard is of another version, before anything else is made or changed.

    Raises:
        ConfigError: One is.
    """
    for folder in sorted(config.state_directory.glob("shard-*")):
        try:
            spool_file.look(folder)
        except QueueError as error:
            reason = f"expected a folder for the queue: {folder}: {reason_of(error)}"
            raise refusal(config, "state_directory", reason) from None


def left_behind(state_directory: Path, workers: int) -> list[int]:
    """Find the shards of workers that there are no more: their mail still has to be delivered."""
    found = (
        re.fullmatch(r"shard-(\d{1,4})", path.name) for path in state_directory.glob("shard-*")
    )
    return sorted(number for match in found if match and (number := int(match[1])) >= workers)


def keeper_of(shard: int, workers: int) -> int:
    """Return the worker that keeps a shard: its own, or one that was left behind."""
    return shard if shard < workers else shard % workers
