"""The delivery agent: claims due messages, signs them, and settles what came of each attempt."""

from __future__ import annotations

import asyncio
import functools
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from reference_relay.delivery.attempt import Attempt, Mission, log_attempt
from reference_relay.delivery.back_off import BackOff
from reference_relay.delivery.connection_pool import ConnectionPool
from reference_relay.delivery.counters import DeliveryCounters
from reference_relay.delivery.lanes import Lanes
from reference_relay.delivery.notifier import Notifier
from reference_relay.delivery.route import Router
from reference_relay.delivery.settings import DeliverySettings, Timeouts
from reference_relay.lookup.resolver import DNSResolver, MailExchange, Resolver
from reference_relay.queue.queue import Queue
from reference_relay.queue.queued_message import ClaimedMessage, Deferred, Outcome, QueuedMessage
from reference_relay.smtp.outgoing import OutgoingContent

__all__ = ["Agent", "DeliverySettings", "Timeouts"]

_log = logging.getLogger(__name__)

# RSA takes a quarter of a millisecond and lets go of the interpreter meanwhile.
_SIGNING_THREADS = 1
# A bug of ours is no reason to lose or bounce mail: unknown means later.
_OUR_FAULT = Deferred("4.3.0 Internal error")


class Signs(Protocol):
    """A signer, as far as delivery knows it."""

    def sign(self, content: bytes, timestamp: int) -> bytes:
        """Return the signature field for a content."""
        ...


@dataclass(slots=True, eq=False)
class _Parcel:
    """A claimed message.

    Attributes:
        open_missions: How many of its destinations have not been tried yet.
    """

    claimed: ClaimedMessage
    open_missions: int = 0

    @property
    def octets(self) -> int:
        return len(self.claimed.message.content)


class Agent:
    """Delivers what is due until it is stopped."""

    def __init__(
        self,
        queue: Queue,
        settings: DeliverySettings,
        signer_for: Callable[[str], Signs | None],
        outgoing_addresses: Callable[[str], Sequence[str]],
        now: Callable[[], float],
        hostname: str,
        next_queue_id: Callable[[], str],
        *,
        resolver: Resolver | None = None,
        shuffle: Callable[[list[MailExchange]], None] = random.shuffle,
        log_line: Callable[[str], None] = log_attempt,
    ) -> None:
        """Make an agent.

        Args:
            queue: where mail is claimed and settled.
            settings: see DeliverySettings.
            signer_for: the signer of a configuration; None sends unsigned.
            outgoing_addresses: of an endpoint, used in turn (D-23); none means any.
            now: the relay's clock, seconds since the epoch.
            hostname: our name in EHLO.
            next_queue_id: issues the IDs of notifications.
            resolver: answers look-ups; by default the configured name servers.
            shuffle: spreads MX hosts of equal preference.
            log_line: takes the line of an attempt; the relay brings a cheap one.
        """
        self._queue = queue
        self._settings = settings
        self._signer_for = signer_for
        self._outgoing_addresses = outgoing_addresses
        self._now = now
        if resolver is None:
            timeout = settings.timeouts.name_lookup_seconds
            resolver = DNSResolver(settings.name_servers, now, timeout)
        smarthost = None if settings.smarthost is None else settings.smarthost.host
        self._router = Router(resolver, hostname, settings.reachable_networks, shuffle, smarthost)
        self._pool = ConnectionPool(settings, hostname)
        self._signing = ThreadPoolExecutor(_SIGNING_THREADS, "dkim-sign")
        self._back_off = BackOff(now)
        self._under_way: set[_Parcel] = set()
        self._claimed_octets = 0
        self._has_room = asyncio.Event()
        self._lanes = Lanes(
            self._deliver, settings.connections_per_destination, settings.messages_at_once
        )
        self._notifier = Notifier(hostname, now, next_queue_id)
        self._turns: dict[str, int] = {}
        self._signings: set[asyncio.Task[None]] = set()
        self._claiming: asyncio.Task[None] | None = None
        self._log_line = log_line
        self.counters = DeliveryCounters()
        self._is_stopping = False
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Deliver until `stop` is called."""
        if self._is_stopping:
            return
        self._claiming = asyncio.create_task(self._claim())
        try:
            await asyncio.wait([self._claiming])
            if not self._claiming.cancelled():
                # Claiming ends by itself only with an error.
                self._claiming.result()
        finally:
            await self._wind_up()

    async def stop(self) -> None:
        """End soon: transactions under way get a short time, the rest stays in the queue."""
        self._is_stopping = True
        if self._claiming is not None:
            self._claiming.cancel()
            await self._ended.wait()

    async def _claim(self) -> None:
        settings = self._settings
        while True:
            while (
                len(self._under_way) >= settings.claimed_messages
                or self._claimed_octets > settings.claimed_octets
            ):
                self._has_room.clear()
                await self._has_room.wait()
            parcel = _Parcel(await self._queue.claim())
            self._under_way.add(parcel)
            self._claimed_octets += parcel.octets
            self._begin(parcel)

    def _begin(self, parcel: _Parcel) -> None:
        """Send a message on its way, signed if it has to be."""
        message = parcel.claimed.message
        try:
            signer = self._signer_for(message.configuration_id)
            if signer is None:
                self._dispatch(parcel, message.content)
                return
        except Exception:
            self._broken(parcel)
            return
        signing = asyncio.create_task(self._sign(parcel, signer))
        self._signings.add(signing)
        signing.add_done_callback(self._signings.discard)

    async def _sign(self, parcel: _Parcel, signer: Signs) -> None:
        content = parcel.claimed.message.content
        try:
            signature = await asyncio.get_running_loop().run_in_executor(
                self._signing, signer.sign, content, int(self._now())
            )
            self._dispatch(parcel, signature + content)
        except Exception:
            self._broken(parcel)

    def _dispatch(self, parcel: _Parcel, octets: bytes) -> None:
        """Let each destination of a message have its turn."""
        claimed = parcel.claimed
        message = claimed.message
        by_domain: dict[str, list[int]] = {}
        for index in claimed.pending:
            by_domain.setdefault(self._destination(message, index), []).append(index)
        content = OutgoingContent.of(octets)
        missions = [
            Mission(
                message.queue_id,
                claimed.attempt,
                message.envelope,
                content,
                domain,
                tuple(recipients),
                self._in_turn(message.endpoint),
            )
            for domain, recipients in by_domain.items()
        ]
        parcel.open_missions = len(missions)
        for mission in missions:
            self._lanes.add(mission.domain, (parcel, mission))
        if not missions:
            self._settle(parcel, {})

    def _broken(self, parcel: _Parcel) -> None:
        _log.exception("attempt-broken queue_id=%s", parcel.claimed.message.queue_id)
        self._settle(parcel, dict.fromkeys(parcel.claimed.pending, _OUR_FAULT))

    async def _wind_up(self) -> None:
        if self._claiming is not None:
            self._claiming.cancel()
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._settings.stop_seconds
        if self._signings:
            await asyncio.wait(self._signings, timeout=self._settings.stop_seconds)
        for signing in self._signings:
            signing.cancel()
        await self._lanes.close(max(ends - loop.time(), 0.0))
        for parcel in self._under_way:
            # What has no outcome yet goes back as it was.
            self._queue.release(parcel.claimed.message.queue_id)
        await self._pool.close()
        self._signing.shutdown()
        self._ended.set()

    def _destination(self, message: QueuedMessage, index: int) -> str:
        if self._settings.smarthost is not None:
            return self._settings.smarthost.host
        mailbox = message.envelope.recipients[index].mailbox
        return mailbox.domain_key or mailbox.domain

    def _in_turn(self, endpoint: str) -> tuple[str, ...]:
        """Return the endpoint's addresses, beginning one further each time (D-23)."""
        addresses = tuple(self._outgoing_addresses(endpoint))
        if len(addresses) < 2:
            return addresses
        turn = self._turns.get(endpoint, 0) % len(addresses)
        self._turns[endpoint] = turn + 1
        return addresses[turn:] + addresses[:turn]

    async def _deliver(self, work: tuple[_Parcel, Mission]) -> None:
        parcel, mission = work
        attempt = Attempt(
            mission, self._router, self._pool, self._settings, self._back_off, self._log_line
        )
        outcomes: Mapping[int, Outcome]
        try:
            outcomes = await attempt.run()
        except Exception:
            _log.exception("attempt-broken queue_id=%s", mission.queue_id)
            outcomes = dict.fromkeys(mission.recipients, _OUR_FAULT)
        parcel.open_missions -= 1
        # At once, not when the whole message is through: a crash then repeats less.
        self._settle(parcel, outcomes)

    def _settle(self, parcel: _Parcel, outcomes: Mapping[int, Outcome]) -> None:
        claimed = parcel.claimed
        queue_id = claimed.message.queue_id
        notify = functools.partial(self._notifier.notifications, claimed)
        try:
            recorded = self._queue.settle(queue_id, outcomes, notify)
            self.counters.add(recorded.values())
        except Exception:
            # The lane has to go on; the next start tries this message again.
            _log.exception("attempt-unsettled queue_id=%s", queue_id)
        if not parcel.open_missions:
            self._under_way.discard(parcel)
            self._claimed_octets -= parcel.octets
            self._has_room.set()
