"""The vendor's SDK for context-based restrictions, unmodified, drives every operation."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from ibm_cloud_sdk_core import ApiException
from ibm_cloud_sdk_core.authenticators import BearerTokenAuthenticator
from ibm_platform_services.context_based_restrictions_v1 import ContextBasedRestrictionsV1

from reference_relay.management.tests.asking import asked
from reference_relay.management.tests.served import TOKEN, Served, served
from reference_relay.service.endpoints import Endpoint, EndpointType

SMTP = "crn:v1:bluemix:public:event-notifications::::api-type:smtp-configuration"
DALLAS = Endpoint("us-south", EndpointType.PUBLIC, "smtp.example", ())


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    with served() as running:
        yield running


@pytest.fixture
def account() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def instance(api: Served, account: str) -> str:
    id = str(uuid.uuid4())
    body = {"region": "us-south", "account_id": account}
    assert asked(api, "PUT", f"/lab/v1/instances/{id}", body).status == 201
    return id


@pytest.fixture
def sdk(api: Served) -> ContextBasedRestrictionsV1:
    client = ContextBasedRestrictionsV1(authenticator=BearerTokenAuthenticator(TOKEN))
    client.set_service_url(api.url)
    return client


def subnet(value: str) -> dict[str, str]:
    return {"type": "subnet", "value": value}


def made_zone(sdk: ContextBasedRestrictionsV1, account: str, value: str, **more: Any) -> Any:
    name = more.pop("name", f"zone {uuid.uuid4()}")
    return sdk.create_zone(name=name, account_id=account, addresses=[subnet(value)], **more)


def rule_about(account: str, instance: str, zone: str, **more: Any) -> dict[str, Any]:
    resource = {"accountId": account, "serviceName": "event-notifications"}
    attributes = [
        {"name": name, "value": value}
        for name, value in {**resource, "serviceInstance": instance}.items()
    ]
    return {
        "contexts": [{"attributes": [{"name": "networkZoneId", "value": zone}]}],
        "resources": [{"attributes": attributes}],
        "operations": {"api_types": [{"api_type_id": SMTP}]},
        "enforcement_mode": "enabled",
        **more,
    }


def admits(api: Served, address: str) -> bool:
    return api.relay.directory.admits_connection(DALLAS, address, 0.0)


def refused(call: Any, *arguments: Any, **named: Any) -> int:
    with pytest.raises(ApiException) as raised:
        call(*arguments, **named)
    assert raised.value.message
    return int(raised.value.status_code)


def test_create_and_get_zone(sdk: ContextBasedRestrictionsV1, account: str) -> None:
    """A zone comes back as it was made, with an ETag; its name is the account's only one."""
    made = made_zone(sdk, account, "10.1.0.0/24", name="office", excluded=[subnet("10.1.0.8/29")])
    assert made.get_status_code() == 201
    zone = made.get_result()
    assert (zone["address_count"], zone["excluded_count"]) == (1, 1)
    read = sdk.get_zone(zone["id"])
    assert read.get_result() == zone
    assert read.get_headers()["ETag"] == made.get_headers()["ETag"]
    assert refused(made_zone, sdk, account, "10.9.0.0/24", name="office") == 409


def test_list_zones(sdk: ContextBasedRestrictionsV1, account: str) -> None:
    """An account sees its own zones, with three addresses of each."""
    addresses = [{"type": "ipAddress", "value": f"10.0.0.{n}"} for n in range(5)]
    sdk.create_zone(name="b", account_id=account, addresses=addresses)
    made_zone(sdk, account, "10.2.0.0/24", name="a")
    made_zone(sdk, "somebody", "10.3.0.0/24")
    found = sdk.list_zones(account, sort="name").get_result()
    assert (found["count"], [one["name"] for one in found["zones"]]) == (2, ["a", "b"])
    assert found["zones"][1]["addresses_preview"] == addresses[:3]
    assert sdk.list_zones(account, name="a").get_result()["count"] == 1


def test_replace_zone(
    sdk: ContextBasedRestrictionsV1, api: Served, account: str, instance: str
) -> None:
    """The ETag of the last reading lets one change through, and it counts at once."""
    made = made_zone(sdk, account, "10.4.0.0/24", name="z")
    zone, tag = made.get_result(), made.get_headers()["ETag"]
    sdk.create_rule(**rule_about(account, instance, zone["id"]))
    assert admits(api, "10.4.0.1")
    new = {"name": "z", "account_id": account, "addresses": [subnet("10.5.0.0/24")]}
    answer = sdk.replace_zone(zone["id"], tag, **new)
    assert answer.get_status_code() == 200
    assert (admits(api, "10.4.0.1"), admits(api, "10.5.0.1")) == (False, True)
    assert refused(sdk.replace_zone, zone["id"], tag, **new) == 412
    assert refused(sdk.replace_zone, zone["id"], "abc", **new) == 412
    assert refused(sdk.replace_zone, "nowhere", tag, **new) == 404


def test_delete_zone(sdk: ContextBasedRestrictionsV1, account: str, instance: str) -> None:
    """A zone that no rule names can go."""
    zone = made_zone(sdk, account, "10.6.0.0/24").get_result()["id"]
    rule = sdk.create_rule(**rule_about(account, instance, zone)).get_result()["id"]
    assert refused(sdk.delete_zone, zone) == 409
    sdk.delete_rule(rule)
    assert sdk.delete_zone(zone).get_status_code() == 204
    assert refused(sdk.get_zone, zone) == 404


def test_service_reference_targets(sdk: ContextBasedRestrictionsV1) -> None:
    """The service itself can be referred to."""
    found = sdk.list_available_serviceref_targets().get_result()
    assert [one["service_name"] for one in found["targets"]] == ["event-notifications"]
    one = sdk.get_serviceref_target("event-notifications").get_result()
    assert {"name": "eu-de"} in one["locations"]
    assert refused(sdk.get_serviceref_target, "else") == 404


def test_create_and_get_rule(
    sdk: ContextBasedRestrictionsV1, api: Served, account: str, instance: str
) -> None:
    """A rule opens its zone at once and comes back as it was made."""
    zone = made_zone(sdk, account, "10.7.0.0/24").get_result()["id"]
    assert not admits(api, "10.7.0.1")
    made = sdk.create_rule(**rule_about(account, instance, zone))
    assert made.get_status_code() == 201
    assert admits(api, "10.7.0.1")
    read = sdk.get_rule(made.get_result()["id"])
    assert read.get_result() == made.get_result()
    assert read.get_headers()["ETag"]
    other = rule_about(account, instance, zone)
    other["resources"][0]["attributes"][1]["value"] = "other-service"
    assert refused(sdk.create_rule, **other) == 400
    assert refused(sdk.create_rule, **rule_about(account, instance, "nowhere")) == 400


def test_list_rules(sdk: ContextBasedRestrictionsV1, account: str, instance: str) -> None:
    """Rules are found by what they are about, by zone and by mode."""
    zone = made_zone(sdk, account, "10.8.0.0/24").get_result()["id"]
    sdk.create_rule(**rule_about(account, instance, zone))
    sdk.create_rule(**rule_about(account, instance, zone, enforcement_mode="report"))
    assert sdk.list_rules(account).get_result()["count"] == 2
    assert sdk.list_rules(account, zone_id=zone).get_result()["count"] == 2
    assert sdk.list_rules(account, service_instance=instance).get_result()["count"] == 2
    assert sdk.list_rules(account, enforcement_mode="report").get_result()["count"] == 1
    assert sdk.list_rules(account, region="eu-de").get_result()["count"] == 0
    assert sdk.list_rules(account, service_name="event-notifications").get_result()["count"] == 2


def test_replace_rule(
    sdk: ContextBasedRestrictionsV1, api: Served, account: str, instance: str
) -> None:
    """A rule that is disabled opens nothing; a stale ETag changes nothing."""
    zone = made_zone(sdk, account, "10.9.0.0/24").get_result()["id"]
    made = sdk.create_rule(**rule_about(account, instance, zone))
    id, tag = made.get_result()["id"], made.get_headers()["ETag"]
    off = rule_about(account, instance, zone, enforcement_mode="disabled")
    answer = sdk.replace_rule(id, tag, **off)
    assert answer.get_result()["enforcement_mode"] == "disabled"
    assert not admits(api, "10.9.0.1")
    assert refused(sdk.replace_rule, id, tag, **rule_about(account, instance, zone)) == 412
    assert not admits(api, "10.9.0.1")
    fresh = answer.get_headers()["ETag"]
    sdk.replace_rule(id, fresh, **rule_about(account, instance, zone))
    assert admits(api, "10.9.0.1")


def test_delete_rule(
    sdk: ContextBasedRestrictionsV1, api: Served, account: str, instance: str
) -> None:
    """Without its rule a zone is shut."""
    zone = made_zone(sdk, account, "10.10.0.0/24").get_result()["id"]
    id = sdk.create_rule(**rule_about(account, instance, zone)).get_result()["id"]
    assert admits(api, "10.10.0.1")
    assert sdk.delete_rule(id).get_status_code() == 204
    assert not admits(api, "10.10.0.1")
    assert refused(sdk.delete_rule, id) == 404


def test_account_settings(sdk: ContextBasedRestrictionsV1, account: str) -> None:
    """The account is told how much it may have, and has."""
    made_zone(sdk, account, "10.11.0.0/24")
    found = sdk.get_account_settings(account).get_result()
    assert (found["current_zone_count"], found["current_rule_count"]) == (1, 0)
    assert found["zone_count_limit"] > 0


def test_operations(sdk: ContextBasedRestrictionsV1) -> None:
    """The API type of the SMTP interface is on the list, in both of its spellings."""
    ask = sdk.list_available_service_operations
    found = ask(service_name="event-notifications").get_result()
    ids = {one["api_type_id"] for one in found["api_types"]}
    assert {SMTP, SMTP.replace("notifications:", "notifications-dev:")} < ids
    assert refused(ask, service_name="event-notifications", service_group_id="IAM") == 400


def test_vpc_and_service_references(
    sdk: ContextBasedRestrictionsV1, api: Served, account: str, instance: str
) -> None:
    """A zone that names a VPC or a service has whatever addresses are behind it."""
    vpc = "crn:v1:bluemix:public:is:us-south:a/1::vpc:r006-1"
    reference = {"account_id": account, "service_name": "codeengine"}
    addresses = [{"type": "vpc", "value": vpc}, {"type": "serviceRef", "ref": reference}]
    zone = sdk.create_zone(name="cloud", account_id=account, addresses=addresses).get_result()
    sdk.create_rule(**rule_about(account, instance, zone["id"]))
    assert not admits(api, "10.12.0.1")
    for name, address in ((vpc, "10.12.0.1"), ("serviceRef::codeengine::", "10.12.1.0/24")):
        path = f"/lab/v1/references/{name.replace('/', '%2F')}"
        assert asked(api, "PUT", path, {"addresses": [address]}).status == 204
    assert admits(api, "10.12.0.1")
    assert admits(api, "10.12.1.7")
