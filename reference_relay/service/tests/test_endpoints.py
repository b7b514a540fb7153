"""The endpoint tables of both profiles (EPT-01 to EPT-03)."""

from __future__ import annotations

import pytest

from reference_relay.service.endpoints import (
    REGION_ENDPOINTS,
    Endpoint,
    EndpointType,
    UnknownRegion,
    endpoint_region,
    host_name,
)

DALLAS = ["us-south", "ca-tor", "jp-tok", "jp-osa", "au-syd", "eu-gb", "br-sao"]
FRANKFURT = ["eu-de", "eu-es"]
LATER = ["ca-mon", "us-east", "in-che", "in-mum"]


def test_the_seed_knows_nine_regions() -> None:
    """Seven regions are served from us-south and two from eu-de, London from us-south."""
    table = REGION_ENDPOINTS["seed-2025"]
    assert table == dict.fromkeys(DALLAS, "us-south") | dict.fromkeys(FRANKFURT, "eu-de")


def test_the_vendor_profile_adds_four_regions() -> None:
    """The later profile keeps the nine and adds four on the endpoint of us-south."""
    expected = dict(REGION_ENDPOINTS["seed-2025"]) | dict.fromkeys(LATER, "us-south")
    assert REGION_ENDPOINTS["vendor-2026"] == expected


@pytest.mark.parametrize("region", ["us-west", "", "US-South", "eu-de ", " eu-de", *LATER])
def test_an_unknown_region_is_an_error(region: str) -> None:
    """Unknown, empty, mixed-case and padded codes never fall back to an endpoint (EPT-03)."""
    with pytest.raises(UnknownRegion):
        endpoint_region("seed-2025", region)


def test_an_unknown_profile_is_an_error() -> None:
    """A profile that does not exist has no regions."""
    with pytest.raises(UnknownRegion):
        endpoint_region("seed-1999", "us-south")


def test_names_carry_the_region_of_the_endpoint() -> None:
    """The private name is the public one behind `private.` (EPT-02)."""
    tokyo = endpoint_region("seed-2025", "jp-tok")
    public = "smtp.us-south.event-notifications.cloud.ibm.com"
    assert host_name(tokyo, EndpointType.PUBLIC) == public
    assert host_name(tokyo, EndpointType.PRIVATE) == f"private.{public}"
    assert Endpoint(tokyo, EndpointType.PRIVATE, "host").key == "us-south/private"
