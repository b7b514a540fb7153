"""Whoever proves domains, put together from a configuration."""

from __future__ import annotations

from collections.abc import Sequence

from reference_relay.clock import Clock
from reference_relay.config import Config
from reference_relay.lookup.resolver import DNSResolver
from reference_relay.verification.domain import DomainVerifier


def domain_verifier(config: Config, clock: Clock) -> DomainVerifier:
    """Make what looks at DNS, through the name servers that delivery asks."""
    delivery = config.delivery

    def resolver() -> DNSResolver:
        return DNSResolver(delivery.name_servers, clock, delivery.timeouts.name_lookup_seconds)

    def outgoing_addresses(region: str) -> Sequence[str]:
        # Public and private endpoints of a region may share addresses: each is asked for once.
        found = (
            address
            for settings in config.endpoints
            if settings.endpoint.region == region
            for address in settings.endpoint.outgoing_addresses
        )
        return tuple(dict.fromkeys(found))

    return DomainVerifier(resolver, outgoing_addresses, clock)
