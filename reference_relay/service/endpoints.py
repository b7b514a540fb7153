"""Endpoints and the regions they serve (S-15, D-22).

The tables are the facts of the two profiles: the region an instance lives in, and the region of
the endpoint its users have to use. Nothing here falls back to a default: an unknown region is an
error (EPT-03), since a silent one would open a foreign endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

_SEED = {
    "us-south": "us-south",
    "ca-tor": "us-south",
    "jp-tok": "us-south",
    "jp-osa": "us-south",
    "au-syd": "us-south",
    # London is served from Dallas, not from Frankfurt (S-15).
    "eu-gb": "us-south",
    "br-sao": "us-south",
    "eu-de": "eu-de",
    "eu-es": "eu-de",
}

# The vendor's pages of 2026 add four regions, all of them on the endpoint of us-south.
_VENDOR = _SEED | {
    "ca-mon": "us-south",
    "us-east": "us-south",
    "in-che": "us-south",
    "in-mum": "us-south",
}

REGION_ENDPOINTS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"seed-2025": MappingProxyType(_SEED), "vendor-2026": MappingProxyType(_VENDOR)}
)
"""Profile -> instance region -> endpoint region."""

_DOMAIN = "event-notifications.cloud.ibm.com"


class UnknownRegion(ValueError):
    """A region code that the profile does not know, in exactly this spelling."""


class EndpointType(Enum):
    """Which network an endpoint is reached from."""

    # Members are singletons; the inherited hash is Python code and is asked at every MAIL.
    __hash__ = object.__hash__

    PUBLIC = "public"
    PRIVATE = "private"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One listener of the service (D-22).

    Attributes:
        region: The endpoint's own region, which several instance regions may map to.
        type: Public or private.
        host: The name clients connect to, used in the greeting and in certificates.
        outgoing_addresses: Where its deliveries leave from, in turn (D-23); may be empty.
    """

    region: str
    type: EndpointType
    host: str
    outgoing_addresses: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The endpoint's name in queue entries and logs: "us-south/public"."""
        return f"{self.region}/{self.type.value}"


def endpoint_region(profile: str, region: str) -> str:
    """Find the region of the endpoint that serves an instance region.

    Args:
        profile: A key of REGION_ENDPOINTS.
        region: The instance's region code, compared as it is written.

    Raises:
        UnknownRegion: The profile has no such region, or there is no such profile.
    """
    try:
        return REGION_ENDPOINTS[profile][region]
    except KeyError:
        raise UnknownRegion(f"{region!r} is no region of {profile!r}") from None


def host_name(endpoint_region: str, type: EndpointType) -> str:
    """Build the name of an endpoint; a private one names the endpoint's region too (EPT-02)."""
    public = f"smtp.{endpoint_region}.{_DOMAIN}"
    return f"private.{public}" if type is EndpointType.PRIVATE else public
