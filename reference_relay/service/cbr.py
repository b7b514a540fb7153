"""Context-based restrictions for the SMTP interface (S-11 to S-14, D-19), as set algebra.

A zone is its addresses without its excluded ones. A context opens its zones on its endpoint
types; the contexts of a rule are alternatives. The enabled rules of an instance must all allow.
Where none is enabled, report-only rules admit their own zones. Everybody else stays outside:
unlike the restrictions of other services, no rule means nobody (S-11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from operator import and_

from reference_relay.service.address_set import NO_ADDRESS, AddressSet
from reference_relay.service.endpoints import EndpointType

SMTP_API_TYPE = "smtp-configuration"


class EnforcementMode(Enum):
    """What a rule's verdict is good for."""

    ENABLED = "enabled"
    REPORT = "report"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Zone:
    """A network zone: included addresses, from which exclusions are taken away (CBR-06)."""

    id: str
    included: AddressSet
    excluded: AddressSet = NO_ADDRESS

    @property
    def admitted(self) -> AddressSet:
        """The addresses that are in the zone."""
        return self.included - self.excluded


@dataclass(frozen=True, slots=True)
class Context:
    """Conditions that must hold together: an address of the zones, on one of the endpoint types.

    Attributes:
        zones: Their union counts. A context without a zone admits nobody, since it is the
            addresses of the chosen zones that are let in (S-13).
        endpoint_types: Empty means any.
    """

    zones: tuple[Zone, ...]
    endpoint_types: frozenset[EndpointType] = frozenset()

    def admitted(self, endpoint_type: EndpointType) -> AddressSet:
        """The addresses this context lets in through an endpoint of that type."""
        if self.endpoint_types and endpoint_type not in self.endpoint_types:
            return NO_ADDRESS
        return AddressSet.union(zone.admitted for zone in self.zones)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of an instance.

    Attributes:
        contexts: Alternatives; any of them lets in.
        enforcement_mode: Disabled rules count for nothing.
        api_types: What the rule is about; None means every API of the instance (CBR-08).
    """

    contexts: tuple[Context, ...]
    enforcement_mode: EnforcementMode = EnforcementMode.ENABLED
    api_types: frozenset[str] | None = None

    @property
    def is_about_smtp(self) -> bool:
        """Whether the rule has a say on the SMTP interface."""
        return self.api_types is None or SMTP_API_TYPE in self.api_types

    def admitted(self, endpoint_type: EndpointType) -> AddressSet:
        """The addresses the rule allows on endpoints of that type."""
        return AddressSet.union(context.admitted(endpoint_type) for context in self.contexts)


def admitted_addresses(rules: Sequence[Rule], endpoint_type: EndpointType) -> AddressSet:
    """Work out who may use the SMTP interface of an instance with these rules."""
    enforced = _allowed(rules, EnforcementMode.ENABLED, endpoint_type)
    if enforced:
        return reduce(and_, enforced)
    return AddressSet.union(_allowed(rules, EnforcementMode.REPORT, endpoint_type))


def rehearsed_addresses(rules: Sequence[Rule], endpoint_type: EndpointType) -> AddressSet:
    """Work out who would pass if the report-only rules were enforced like the enabled ones.

    An admitted address outside this set is one that a report-only rule would deny (CBR-07).
    """
    judged = _allowed(rules, EnforcementMode.ENABLED, endpoint_type)
    judged += _allowed(rules, EnforcementMode.REPORT, endpoint_type)
    return reduce(and_, judged) if judged else NO_ADDRESS


def _allowed(
    rules: Sequence[Rule], mode: EnforcementMode, endpoint_type: EndpointType
) -> list[AddressSet]:
    return [
        rule.admitted(endpoint_type)
        for rule in rules
        if rule.is_about_smtp and rule.enforcement_mode is mode
    ]
