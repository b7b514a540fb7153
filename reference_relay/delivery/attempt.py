"""One attempt at one destination: hosts in order, until every recipient has an outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reference_relay.delivery.connection import Connection
from reference_relay.delivery.connection_pool import AddressPair, ConnectionPool
from reference_relay.delivery.route import Address, Route, Router, parsed
from reference_relay.mail.envelope import Envelope
from reference_relay.queue.queued_message import Deferred, Delivered, Failed, Outcome
from reference_relay.smtp.client_session import (
    Disposition,
    SessionRefused,
    TransactionEnded,
    Verdict,
)
from reference_relay.smtp.outgoing import OutgoingContent, Transaction

_log = logging.getLogger(__name__)


def log_attempt(line: str) -> None:
    """Send the line of an attempt through the standard library's logging."""
    _log.info("%s", line)


@dataclass(frozen=True, slots=True)
class Mission:
    """A message and those of its recipients that share a domain."""

    queue_id: str
    attempt: int
    envelope: Envelope
    content: OutgoingContent
    domain: str
    recipients: tuple[int, ...]
    """Positions in the envelope."""
    local_addresses: tuple[str, ...]
    """Ours to leave from, in the order of preference; none: any."""


class Attempt:
    """The state of one attempt."""

    def __init__(
        self,
        mission: Mission,
        router: Router,
        pool: ConnectionPool,
        addresses_at_most: int,
        log_line: Callable[[str], None],
    ) -> None:
        self._mission = mission
        self._router = router
        self._pool = pool
        self._addresses_left = addresses_at_most
        self._write_line = log_line
        self._open = list(mission.recipients)
        self._final: dict[int, Outcome] = {}
        self._latest: dict[int, Outcome] = {}
        self._is_logged = False

    async def run(self) -> Mapping[int, Outcome]:
        """Return an outcome for each recipient of the mission."""
        match await self._router.route(self._mission.domain):
            case Route(hosts=hosts):
                await self._try_hosts(hosts)
            case problem:
                self._note_for_all(problem)
        outcomes = self._latest | self._final
        if not self._is_logged:
            self._log_line("-", AddressPair(None, "-"), outcomes, 0.0)
        return outcomes

    async def _try_hosts(self, hosts: Sequence[str]) -> None:
        for host in hosts:
            found = await self._router.addresses(host)
            if not isinstance(found, tuple):
                self._note_for_all(found)
                continue
            for address in found:
                if not await self._try_address(host, address):
                    return

    async def _try_address(self, host: str, address: Address) -> bool:
        """Try one address; return whether another one may be tried for those still open."""
        local = self._local_address(address)
        if local is None and self._mission.local_addresses:
            family = f"IPv{address.version}"
            self._note_for_all(Deferred(f"4.4.1 {host}: no outgoing address for {family}"))
            return True
        pair = AddressPair(local, str(address))
        clock = asyncio.get_running_loop().time
        started = clock()
        answer = await self._transact(pair)
        where = f"{host} [{address}]"
        may_go_on = True
        if isinstance(answer, SessionRefused):
            outcomes = dict.fromkeys(self._open, _outcome(where, answer.verdict))
            # Not final even if the host said so: it spoke for itself, not for the recipient.
            self._note_for_all(_outcome(where, answer.verdict))
        else:
            verdicts = zip(self._open, answer.verdicts, strict=True)
            outcomes = {index: _outcome(where, verdict) for index, verdict in verdicts}
            self._take(outcomes)
            # RFC 5321 §4.5.3.2.6: the host may have the mail; another one must not get it too.
            may_go_on = not answer.is_uncertain
        self._log_line(host, pair, outcomes, clock() - started)
        self._addresses_left -= 1
        return may_go_on and bool(self._open) and self._addresses_left > 0

    def _take(self, outcomes: Mapping[int, Outcome]) -> None:
        for index, outcome in outcomes.items():
            if isinstance(outcome, Deferred):
                self._latest[index] = outcome
            else:
                self._final[index] = outcome
        self._open = [index for index in self._open if index not in self._final]

    def _note_for_all(self, outcome: Outcome) -> None:
        """Note what holds unless a further host says otherwise; hope outweighs a failure."""
        for index in self._open:
            if isinstance(outcome, Deferred) or not isinstance(self._latest.get(index), Deferred):
                self._latest[index] = outcome

    def _local_address(self, remote: Address) -> str | None:
        for local in self._mission.local_addresses:
            if parsed(local).version == remote.version:
                return local
        return None

    async def _transact(self, pair: AddressPair) -> TransactionEnded | SessionRefused:
        recipients = tuple(self._mission.envelope.recipients[index] for index in self._open)
        transaction = Transaction(self._mission.envelope, recipients, self._mission.content)
        while (connection := self._pool.take_idle(pair)) is not None:
            ended = await self._transact_on(pair, connection, transaction)
            if not ended.is_unheard:
                return ended
            # It had been closed while it was idle, and nobody has read a word.
        try:
            connection = await self._pool.connect(pair)
        except OSError as error:
            text = f"no connection: {_reason(error)}"
            return SessionRefused(Verdict(Disposition.TRANSIENT, text))
        try:
            opened = await connection.opened()
        except asyncio.CancelledError:
            connection.abort()
            raise
        if isinstance(opened, SessionRefused):
            return opened
        return await self._transact_on(pair, connection, transaction)

    async def _transact_on(
        self, pair: AddressPair, connection: Connection, transaction: Transaction
    ) -> TransactionEnded:
        try:
            ended = await connection.transact(transaction)
        except BaseException:
            # Cancelled, or a bug: what the host thinks of this session is not known any more.
            connection.abort()
            raise
        self._pool.give_back(pair, connection)
        return ended

    def _log_line(
        self, host: str, pair: AddressPair, outcomes: Mapping[int, Outcome], seconds: float
    ) -> None:
        self._is_logged = True
        mission = self._mission
        kinds = [type(outcome) for outcome in outcomes.values()]
        telling = max(outcomes.values(), key=lambda outcome: not isinstance(outcome, Delivered))
        self._write_line(
            f"attempt queue_id={mission.queue_id} number={mission.attempt}"
            f" destination={mission.domain} host={host} address={pair.remote}"
            f" local={pair.local or '-'} delivered={kinds.count(Delivered)}"
            f" deferred={kinds.count(Deferred)} failed={kinds.count(Failed)}"
            f" seconds={seconds:.3f} text={_text(telling)!a}"
        )


def _outcome(where: str, verdict: Verdict) -> Outcome:
    text = f"{where}: {verdict.text}"
    match verdict.disposition:
        case Disposition.ACCEPTED:
            return Delivered(text)
        case Disposition.TRANSIENT:
            return Deferred(text)
        case Disposition.PERMANENT:
            return Failed(text)


def _text(outcome: Outcome) -> str:
    match outcome:
        case Delivered(remote=text) | Deferred(reason=text) | Failed(reason=text):
            return text


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return error.strerror or type(error).__name__
