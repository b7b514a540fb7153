"""One attempt at one destination: hosts in order, until every recipient has an outcome."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reference_relay.delivery.back_off import BackOff
from reference_relay.delivery.connection import Connection
from reference_relay.delivery.connection_pool import AddressPair, ConnectionPool
from reference_relay.delivery.route import Address, Route, Router, parsed, written
from reference_relay.delivery.settings import DeliverySettings, TLSMode
from reference_relay.mail.envelope import Envelope
from reference_relay.queue.queued_message import Deferred, Delivered, Failed, Outcome
from reference_relay.smtp.client_session import SessionRefused, TransactionEnded
from reference_relay.smtp.host_reply import Disposition, Verdict
from reference_relay.smtp.outgoing import OutgoingContent, Transaction

_log = logging.getLogger(__name__)

_REPLY = re.compile(r"[2-5][0-9]{2}(?![^ ])")


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
        settings: DeliverySettings,
        back_off: BackOff,
        log_line: Callable[[str], None],
    ) -> None:
        self._mission = mission
        self._router = router
        self._pool = pool
        self._settings = settings
        self._back_off = back_off
        self._addresses_left = settings.addresses_per_attempt
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
        verified = host if self._settings.tls_mode is TLSMode.VERIFY else ""
        pair = AddressPair(local, written(address), verified)
        resting = self._back_off.reason(pair.remote)
        if resting is not None:
            self._note_for_all(Deferred(f"4.4.1 {host} [{pair.remote}] rests after: {resting}"))
            return True
        clock = asyncio.get_running_loop().time
        started = clock()
        answer = await self._transact(pair)
        may_go_on = True
        if isinstance(answer, SessionRefused):
            self._back_off.failed(pair.remote, answer.verdict.text)
            outcome = _outcome(host, pair.remote, answer.verdict)
            outcomes = dict.fromkeys(self._open, outcome)
            # Not final even if the host said so: it spoke for itself, not for the recipient.
            self._note_for_all(outcome)
        else:
            self._back_off.succeeded(pair.remote)
            verdicts = zip(self._open, answer.verdicts, strict=True)
            outcomes = {
                index: _outcome(host, pair.remote, verdict, is_notifying=answer.is_notifying)
                for index, verdict in verdicts
            }
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
        opened = await self._open_session(pair)
        if (
            isinstance(opened, SessionRefused)
            and opened.is_tls_trouble
            and self._settings.tls_mode is TLSMode.MAY
        ):
            opened = await self._open_session(pair, in_clear=True)
        if isinstance(opened, SessionRefused):
            return opened
        return await self._transact_on(pair, opened, transaction)

    async def _open_session(
        self, pair: AddressPair, *, in_clear: bool = False
    ) -> Connection | SessionRefused:
        try:
            connection = await self._pool.connect(pair, in_clear=in_clear)
        except OSError as error:
            text = f"4.4.1 no connection: {_reason(error)}"
            return SessionRefused(Verdict(Disposition.TRANSIENT, text))
        try:
            opened = await connection.opened()
        except asyncio.CancelledError:
            connection.abort()
            raise
        return opened if isinstance(opened, SessionRefused) else connection

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


def _outcome(host: str, address: str, verdict: Verdict, *, is_notifying: bool = False) -> Outcome:
    text = f"{host} [{address}]: {verdict.text}"
    # What begins with a reply code is the host's; the rest are findings of ours.
    reply = verdict.text if _REPLY.match(verdict.text) else ""
    match verdict.disposition:
        case Disposition.ACCEPTED:
            return Delivered(text, host, reply, is_notifying)
        case Disposition.TRANSIENT:
            return Deferred(text, host, reply)
        case Disposition.PERMANENT:
            return Failed(text, host, reply)


def _text(outcome: Outcome) -> str:
    match outcome:
        case Delivered(remote=text) | Deferred(reason=text) | Failed(reason=text):
            return text


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return error.strerror or type(error).__name__
