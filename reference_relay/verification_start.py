"""Whoever proves domains, put together from a configuration, beside whatever kind of relay."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reference_relay.clock import Clock
from reference_relay.config import Config
from reference_relay.lookup.resolver import DNSResolver
from reference_relay.service.verification import KeepsVerifications, StoreUnavailable
from reference_relay.verification.domain import DomainVerifier
from reference_relay.verification.rechecker import Rechecker

_log = logging.getLogger(__name__)

# Ours: for one look-up with its repetition. Somebody waits for the answer, and to know nothing for
# now is one.
_LOOK_UP_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Verifying:
    """What looks at DNS when it is asked to, and what does so by itself."""

    domains: DomainVerifier
    rechecker: Rechecker | None

    def start(self) -> None:
        """Begin to look at what is due."""
        if self.rechecker is not None:
            self.rechecker.start()

    async def stop(self) -> None:
        """Look no more."""
        if self.rechecker is not None:
            await self.rechecker.stop()

    async def settle(self) -> None:
        """Return when what is due by the clock was looked at, and is enforced."""
        if self.rechecker is not None:
            try:
                await self.rechecker.check_due()
            except* StoreUnavailable:
                _log.warning("event=recheck_put_off: the store does not answer")


def verifying(
    config: Callable[[], Config], clock: Clock, store: KeepsVerifications | None
) -> Verifying:
    """Put it together, over the name servers that delivery asks.

    Args:
        config: What holds now.
        clock: The relay's.
        store: Where verifications are kept; None has nothing to look at again.
    """

    def resolver() -> DNSResolver:
        return DNSResolver(config().delivery.name_servers, clock, _LOOK_UP_SECONDS)

    def outgoing_addresses(region: str) -> Sequence[str]:
        # Public and private endpoints of a region may share addresses: each is asked for once.
        found = (
            address
            for settings in config().endpoints
            if settings.endpoint.region == region
            for address in settings.endpoint.outgoing_addresses
        )
        return tuple(dict.fromkeys(found))

    domains = DomainVerifier(resolver, outgoing_addresses, clock)
    rechecker = None if store is None else Rechecker(store, domains, clock)
    return Verifying(domains, rechecker)
