"""The directory: who may connect, who may use which endpoint, and what is unique."""

from __future__ import annotations

import logging

import pytest

from reference_relay.service.address_set import AddressSet
from reference_relay.service.cbr import Context, EnforcementMode, Rule, Zone
from reference_relay.service.directory import Directory
from reference_relay.service.endpoints import UnknownRegion
from reference_relay.service.model import (
    Configuration,
    Endpoint,
    EndpointType,
    Instance,
    Standing,
    User,
    VerificationState,
)

DALLAS = Endpoint("us-south", EndpointType.PUBLIC, "smtp.us-south.example")
DALLAS_PRIVATE = Endpoint("us-south", EndpointType.PRIVATE, "private.smtp.us-south.example")
FRANKFURT = Endpoint("eu-de", EndpointType.PUBLIC, "smtp.eu-de.example")


def rule(*addresses: str, types: frozenset[EndpointType] = frozenset()) -> Rule:
    included = AddressSet.union(map(AddressSet.parse, addresses))
    return Rule((Context((Zone("zone", included),), types),))


def instance(name: str, *rules: Rule, region: str = "us-south", user: str = "") -> Instance:
    owned = Configuration(
        f"{name}-config", f"{name}.example", "s", None, Standing(), (User(user or name, "h"),)
    )
    return Instance(name, region, rules, (owned,))


DIRECTORY = Directory(
    "seed-2025",
    [
        instance("a", rule("10.0.0.1")),
        instance("b", rule("10.0.0.2", types=frozenset({EndpointType.PRIVATE})), region="eu-gb"),
        instance("c", region="ca-tor"),
        instance("d", rule("10.0.0.4"), region="eu-es"),
    ],
)


@pytest.mark.parametrize(
    ("endpoint", "admitted"),
    [
        (DALLAS, {"10.0.0.1"}),
        (DALLAS_PRIVATE, {"10.0.0.1", "10.0.0.2"}),
        (FRANKFURT, {"10.0.0.4"}),
        (Endpoint("eu-de", EndpointType.PRIVATE, "p"), {"10.0.0.4"}),
        (Endpoint("elsewhere", EndpointType.PUBLIC, "e"), set()),
    ],
)
def test_a_connection_needs_any_instance_of_the_endpoint(
    endpoint: Endpoint, admitted: set[str]
) -> None:
    """At connect the union over the instances of exactly this endpoint counts."""
    tried = [f"10.0.0.{n}" for n in range(6)]
    assert {one for one in tried if DIRECTORY.admits_connection(endpoint, one, 0.0)} == admitted


@pytest.mark.parametrize(
    ("username", "endpoint", "address", "expected"),
    [
        ("a", DALLAS, "10.0.0.1", True),
        ("a", DALLAS, "10.0.0.2", False),
        ("a", FRANKFURT, "10.0.0.1", False),
        ("b", DALLAS_PRIVATE, "10.0.0.2", True),
        ("b", DALLAS, "10.0.0.2", False),
        ("b", DALLAS_PRIVATE, "10.0.0.1", False),
        ("c", DALLAS, "10.0.0.1", False),
        ("d", FRANKFURT, "10.0.0.4", True),
    ],
)
def test_an_account_needs_its_own_instance_and_endpoint(
    username: str, endpoint: Endpoint, address: str, expected: bool
) -> None:
    """After AUTH only the user's own rules and endpoint count (CBR-11, EPT-05)."""
    account = DIRECTORY.account(username)
    assert account is not None
    assert DIRECTORY.admits_account(account, endpoint, address, 0.0) is expected


def test_an_account_of_another_snapshot_is_not_admitted() -> None:
    """An account whose instance has gone with a newer snapshot may do nothing any more."""
    account = DIRECTORY.account("a")
    assert account is not None
    assert not Directory("seed-2025", []).admits_account(account, DALLAS, "10.0.0.1", 0.0)


def test_lookups_are_exact() -> None:
    """User names compare octet for octet; configurations are found by id."""
    assert DIRECTORY.account("A") is None
    assert DIRECTORY.account("a ") is None
    found = DIRECTORY.configuration("a-config")
    assert found is not None
    assert found.domain == "a.example"
    assert DIRECTORY.configuration("nope") is None


def test_a_user_name_exists_once_over_all_instances() -> None:
    """Names are unique across configurations and instances (S-19)."""
    with pytest.raises(ValueError, match="exists twice"):
        Directory("seed-2025", [instance("a"), instance("b", user="a")])
    with pytest.raises(ValueError, match="exists twice"):
        Directory("seed-2025", [instance("a"), instance("a", user="b")])


def test_an_unknown_region_is_refused() -> None:
    """No instance lives in a region without an endpoint."""
    with pytest.raises(UnknownRegion):
        Directory("seed-2025", [instance("a", region="ca-mon")])
    assert Directory("vendor-2026", [instance("a", region="ca-mon")]).account("a")


def test_a_report_only_denial_is_logged_and_lets_through(caplog: pytest.LogCaptureFixture) -> None:
    """What a report-only rule would deny passes and leaves a line (CBR-07)."""
    included = AddressSet.parse("10.0.0.9")
    report = Rule((Context((Zone("z", included),)),), EnforcementMode.REPORT)
    directory = Directory("seed-2025", [instance("a", rule("10.0.0.0/24"), report)])
    account = directory.account("a")
    assert account is not None
    with caplog.at_level(logging.INFO):
        assert directory.admits_account(account, DALLAS, "10.0.0.9", 0.0)
        assert not caplog.records
        assert directory.admits_account(account, DALLAS, "10.0.0.1", 0.0)
    assert "decision=deny enforced=false" in caplog.text


def test_missing_verifications_are_named() -> None:
    """D-14's refusal can name exactly what is missing."""
    done, failed = VerificationState.VERIFIED, VerificationState.FAILED
    assert Standing().missing == ("SPF", "DKIM", "approval")
    assert Standing(done, failed, done).missing == ("DKIM",)
    assert Standing(done, done, done).missing == ()


def test_no_hash_in_any_repr() -> None:
    """A user's repr keeps the hash to itself."""
    assert "secret" not in repr(User("name", "secret-hash"))
