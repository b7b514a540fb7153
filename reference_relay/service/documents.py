"""Zones and rules as their API writes them, and what they come to for the SMTP interface.

The shapes are those of the vendor's context-based restrictions; how they are judged is `cbr`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reference_relay.service.address_set import AddressSet
from reference_relay.service.cbr import SMTP_API_TYPE, Context, EnforcementMode, Rule, Zone
from reference_relay.service.endpoints import EndpointType

Document = Mapping[str, Any]

SERVICE_NAME = "event-notifications"
# The vendor's pages print the second, whose service name looks like a slip; both are taken.
SMTP_API_TYPE_IDS = (
    f"crn:v1:bluemix:public:{SERVICE_NAME}::::api-type:{SMTP_API_TYPE}",
    f"crn:v1:bluemix:public:{SERVICE_NAME}-dev::::api-type:{SMTP_API_TYPE}",
)
CONTROL_PLANE_API_TYPE_ID = (
    "crn:v1:bluemix:public:context-based-restrictions::::api-type:control-plane"
)
CONTROL_PLANE = "control-plane"

# Attributes of a rule's resource.
ACCOUNT, SERVICE, INSTANCE, REGION = "accountId", "serviceName", "serviceInstance", "region"


def reference_of(address: Document) -> str:
    """Name what a `vpc`, `serviceRef` or `instance` address refers to, as `reference` keys it."""
    if address["type"] != "serviceRef":
        return str(address["value"])
    ref = address["ref"]
    parts = (ref.get(key) for key in ("service_type", "service_name", "service_instance"))
    return ":".join(["serviceRef", *(str(part or "") for part in parts), ref.get("location") or ""])


def addresses_of(
    addresses: Iterable[Document], references: Mapping[str, Sequence[str]]
) -> AddressSet:
    """Work out which addresses a zone's list means.

    Args:
        addresses: Objects of type ipAddress, ipRange, subnet, vpc, serviceRef or instance.
        references: What is behind the last three, by name; nothing is behind an unknown one.

    Raises:
        ValueError: A value is no address, range or subnet.
    """
    texts: list[str] = []
    for address in addresses:
        if address["type"] in ("ipAddress", "ipRange", "subnet"):
            texts.append(address["value"])
        else:
            texts.extend(references.get(reference_of(address), ()))
    return AddressSet.union(map(AddressSet.parse, texts))


def zone_of(row: Document, references: Mapping[str, Sequence[str]]) -> Zone:
    """Read a zone."""
    return Zone(
        row["id"],
        addresses_of(row["addresses"], references),
        addresses_of(row["excluded"], references),
    )


def rule_of(row: Document, zones: Mapping[str, Zone]) -> Rule:
    """Read a rule; zones that are gone have no addresses."""
    api_types = row["api_types"]
    return Rule(
        tuple(_context(one, zones) for one in row["contexts"]),
        EnforcementMode(row["enforcement_mode"]),
        None if not api_types else frozenset(map(_api_type, api_types)),
    )


def applies(row: Document, *, account_id: str, instance_id: str, region: str) -> bool:
    """Tell whether a rule is about an instance."""
    actual = {
        ACCOUNT: account_id,
        SERVICE: SERVICE_NAME,
        INSTANCE: instance_id,
        REGION: region,
    }
    for resource in row["resources"]:
        if all(_matches(one, actual) for one in resource["attributes"]):
            return True
    return False


def attributes_of(context: Document) -> dict[str, list[str]]:
    """Collect a context's attributes by name; one value may hold several, with commas."""
    found: dict[str, list[str]] = {}
    for one in context["attributes"]:
        values = (text.strip() for text in one["value"].split(","))
        found.setdefault(one["name"], []).extend(text for text in values if text)
    return found


def _matches(attribute: Document, actual: Mapping[str, str]) -> bool:
    name, value = attribute["name"], attribute["value"]
    if name not in actual:
        # Resource groups and the like: the lab has one of each.
        return True
    if attribute.get("operator", "stringEquals") == "stringMatch":
        head, star, _ = value.partition("*")
        return actual[name].startswith(head) if star else actual[name] == value
    return bool(actual[name] == value)


def _context(context: Document, zones: Mapping[str, Zone]) -> Context:
    found = attributes_of(context)
    ids = found.get("networkZoneId", ())
    known = {one.value: one for one in EndpointType}
    types = found.get("endpointType", ())
    # A type the service does not have ("direct") admits on none of those that it has.
    wanted = frozenset(known[one] for one in types if one in known)
    if (types and not wanted) or "mfa" in found:
        # SMTP knows no second factor either.
        return Context(())
    return Context(tuple(zones[id] for id in ids if id in zones), wanted)


def _api_type(id: str) -> str:
    if id in SMTP_API_TYPE_IDS:
        return SMTP_API_TYPE
    return CONTROL_PLANE if id == CONTROL_PLANE_API_TYPE_ID else id
