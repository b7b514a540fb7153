"""A directory as a document of plain values, on its way from the supervisor to its workers.

What it holds is complete: password hashes travel too, so it belongs on no wire but that one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reference_relay.service.address_set import AddressSet
from reference_relay.service.cbr import Context, EnforcementMode, Rule, Zone
from reference_relay.service.directory import Directory
from reference_relay.service.endpoints import EndpointType
from reference_relay.service.model import (
    Configuration,
    Instance,
    LegacyAllowlist,
    Standing,
    User,
    VerificationState,
)

Document = Mapping[str, Any]


def to_document(directory: Directory) -> dict[str, Any]:
    """Write a directory down."""
    zones = {
        zone.id: zone
        for instance in directory.instances
        for rule in instance.rules
        for context in rule.contexts
        for zone in context.zones
    }
    return {
        "profile": directory.profile,
        # Each once: rules share zones, and a zone may hold a thousand addresses.
        "zones": {
            id: [zone.included.intervals, zone.excluded.intervals] for id, zone in zones.items()
        },
        "instances": [
            {
                "id": instance.id,
                "region": instance.region,
                "rules": [_rule(rule) for rule in instance.rules],
                "configurations": [_configuration(one) for one in instance.configurations],
            }
            for instance in directory.instances
        ],
    }


def from_document(document: Document) -> Directory:
    """Read a directory that `to_document` wrote."""
    zones = {
        id: Zone(id, _addresses(included), _addresses(excluded))
        for id, (included, excluded) in document["zones"].items()
    }
    return Directory(
        document["profile"],
        [
            Instance(
                one["id"],
                one["region"],
                tuple(_read_rule(rule, zones) for rule in one["rules"]),
                tuple(map(_read_configuration, one["configurations"])),
            )
            for one in document["instances"]
        ],
    )


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "contexts": [
            [
                [zone.id for zone in context.zones],
                sorted(one.value for one in context.endpoint_types),
            ]
            for context in rule.contexts
        ],
        "enforcement_mode": rule.enforcement_mode.value,
        "api_types": None if rule.api_types is None else sorted(rule.api_types),
    }


def _read_rule(document: Document, zones: Mapping[str, Zone]) -> Rule:
    return Rule(
        tuple(
            Context(tuple(zones[id] for id in ids), frozenset(map(EndpointType, types)))
            for ids, types in document["contexts"]
        ),
        EnforcementMode(document["enforcement_mode"]),
        None if document["api_types"] is None else frozenset(document["api_types"]),
    )


def _configuration(configuration: Configuration) -> dict[str, Any]:
    verification, key_file = configuration.verification, configuration.dkim_key_file
    legacy = configuration.legacy
    return {
        "id": configuration.id,
        "domain": configuration.domain,
        "dkim_selector": configuration.dkim_selector,
        "dkim_key_file": None if key_file is None else str(key_file),
        "verification": [
            one.value
            for one in (verification.spf, verification.dkim, verification.en_authorization)
        ],
        "users": [[user.username, user.password_hash] for user in configuration.users],
        "dkim_private_key": configuration.dkim_private_key,
        "legacy": None if legacy is None else [legacy.addresses.intervals, legacy.deadline],
    }


def _read_configuration(document: Document) -> Configuration:
    key_file = document["dkim_key_file"]
    return Configuration(
        id=document["id"],
        domain=document["domain"],
        dkim_selector=document["dkim_selector"],
        dkim_key_file=None if key_file is None else Path(key_file),
        verification=Standing(*map(VerificationState, document["verification"])),
        users=tuple(User(username, password_hash) for username, password_hash in document["users"]),
        dkim_private_key=document["dkim_private_key"],
        legacy=_read_legacy(document["legacy"]),
    )


def _read_legacy(document: Sequence[Any] | None) -> LegacyAllowlist | None:
    if document is None:
        return None
    intervals, deadline = document
    return LegacyAllowlist(_addresses(intervals), deadline)


def _addresses(intervals: Sequence[Sequence[int]]) -> AddressSet:
    return AddressSet(tuple((first, last) for first, last in intervals))
