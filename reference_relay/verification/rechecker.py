"""Looks at every domain again when its time has come (D-18)."""

from __future__ import annotations

import asyncio
import logging

from reference_relay.clock import Clock
from reference_relay.service.verification import (
    DomainClaim,
    KeepsVerifications,
    StoreUnavailable,
    Verification,
    VerificationType,
    VerifiesDomains,
)
from reference_relay.verification.finding import INTERVAL_SECONDS, is_due

_log = logging.getLogger(__name__)

# Ours: looks under way at once; each is a few questions to the name servers.
_AT_ONCE = 16
# Ours: a store that is away is asked again after this long.
_PATIENCE_SECONDS = 60.0


class Rechecker:
    """Checks what is due, for as long as it runs.

    Args:
        store: Keeps the verifications.
        domains: Proves them.
        clock: Says when.
    """

    def __init__(self, store: KeepsVerifications, domains: VerifiesDomains, clock: Clock) -> None:
        self._store = store
        self._domains = domains
        self._clock = clock
        self._checking = asyncio.Lock()
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Check from now on."""
        self._running = asyncio.create_task(self._run(), name="rechecker")

    async def stop(self) -> None:
        """Stop checking; what is under way is given up and will be due again."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait((self._running,))

    async def check_due(self) -> float:
        """Check what is due now; every result is enforced on return.

        Returns:
            When to look again at the latest.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        async with self._checking:
            now = self._clock()
            claims = await self._store.domain_claims()
            due = [
                (claim, one.type)
                for claim in claims
                for one in claim.verifications
                if is_due(one, now)
            ]
            async with asyncio.TaskGroup() as group:
                for claim, type in due:
                    group.create_task(self._check(claim, type))
        # Whatever is recorded meanwhile is due an interval later: no sooner than this.
        times = [one.next_check for claim in claims for one in claim.verifications]
        ahead = (time for time in times if time is not None and time > now)
        return min(ahead, default=now + INTERVAL_SECONDS)

    async def _check(self, claim: DomainClaim, type: VerificationType) -> None:
        async with self._slots:
            before = claim.verification(type)
            found = await self._domains.verify(claim, type)
            await self._store.record(claim.configuration_id, found)
        _tell(claim, before, found)

    async def _run(self) -> None:
        while True:
            try:
                next_look = await self.check_due()
            except* StoreUnavailable:
                next_look = self._clock() + _PATIENCE_SECONDS
            except* Exception:
                _log.exception("event=recheck_broken")
                next_look = self._clock() + _PATIENCE_SECONDS
            # An interval after a check at the latest, because others record results too.
            await self._clock.wait_until(min(next_look, self._clock() + INTERVAL_SECONDS))


def _tell(claim: DomainClaim, before: Verification, found: Verification) -> None:
    if before.state is not found.state:
        _log.warning(
            "event=verification configuration=%s type=%s before=%s now=%s reason=%s",
            claim.configuration_id,
            found.type.value,
            before.state.value,
            found.state.value,
            found.reason,
        )
