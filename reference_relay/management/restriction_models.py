"""The shapes of the context-based restrictions API, as the vendor's SDK writes and reads them."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from reference_relay.management.models import Body
from reference_relay.service.address_set import AddressSet

_TEXT = r"^[^\x00]*$"
AccountId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9\-]+$")]
ZoneName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9 \-_]+$")]
Description = Annotated[str, Field(max_length=300, pattern=_TEXT)]
Word = Annotated[str, Field(min_length=1, max_length=256, pattern=_TEXT)]
Crn = Annotated[str, Field(min_length=2, max_length=512, pattern=r"^crn:[^\x00]*$")]


class ServiceReference(Body):
    """A service, one of its instances, or a location of it."""

    account_id: AccountId
    service_type: Word | None = None
    service_name: Word | None = None
    service_instance: Word | None = None
    location: Word | None = None


class PlainAddress(Body):
    """An address, a range ("first-last") or a subnet."""

    type: Literal["ipAddress", "ipRange", "subnet"]
    value: Annotated[str, Field(min_length=2, max_length=96)]

    @model_validator(mode="after")
    def _is_of_its_type(self) -> Self:
        expected = {
            "ipAddress": "an address like 192.0.2.1 or 2001:db8::1",
            "ipRange": "a range like 192.0.2.1-192.0.2.9",
            "subnet": "a subnet like 192.0.2.0/24 or 2001:db8::/64",
        }[self.type]
        shape = "subnet" if "/" in self.value else "ipRange" if "-" in self.value else "ipAddress"
        if shape != self.type:
            raise ValueError(f"expected {expected}, found {self.value!r}")
        try:
            AddressSet.parse(self.value)
        except ValueError as error:
            raise ValueError(f"expected {expected}: {error}") from None
        return self


class CloudAddress(Body):
    """Whatever addresses a VPC or an instance has, by its CRN."""

    type: Literal["vpc", "instance"]
    value: Crn


class ReferenceAddress(Body):
    """Whatever addresses a service has."""

    type: Literal["serviceRef"]
    ref: ServiceReference


Address = Annotated[PlainAddress | CloudAddress | ReferenceAddress, Field(discriminator="type")]


class NewZone(Body):
    """All of a zone."""

    name: ZoneName
    account_id: AccountId
    addresses: Annotated[list[Address], Field(min_length=1, max_length=1000)]
    description: Description = ""
    excluded: Annotated[list[PlainAddress], Field(max_length=1000, default_factory=list)]


class ContextAttribute(Body):
    """A condition."""

    name: Literal["networkZoneId", "endpointType", "mfa"]
    value: Annotated[str, Field(min_length=1, max_length=4096, pattern=_TEXT)]


class RuleContext(Body):
    """Conditions that must hold together."""

    attributes: Annotated[list[ContextAttribute], Field(min_length=1, max_length=10)]


class ResourceAttribute(Body):
    """What a rule is about, or a part of that."""

    name: Word
    value: Word
    operator: Literal["stringEquals", "stringMatch"] | None = None


class ResourceTag(Body):
    """A tag of what a rule is about."""

    name: Word
    value: Word
    operator: Word | None = None


class Resource(Body):
    """What a rule is about."""

    attributes: Annotated[list[ResourceAttribute], Field(min_length=1, max_length=20)]
    tags: Annotated[list[ResourceTag], Field(max_length=10, default_factory=list)]


class ApiTypeId(Body):
    """An API type, by its id."""

    api_type_id: Word


class Operations(Body):
    """Which APIs a rule is about."""

    api_types: Annotated[list[ApiTypeId], Field(min_length=1, max_length=100)]


class NewRule(Body):
    """All of a rule."""

    contexts: Annotated[list[RuleContext], Field(min_length=1, max_length=1000)]
    resources: Annotated[list[Resource], Field(min_length=1, max_length=1)]
    description: Description = ""
    operations: Operations | None = None
    enforcement_mode: Literal["enabled", "disabled", "report"] = "enabled"


class Kept(BaseModel):
    """What everything kept has."""

    id: str
    crn: str
    description: str
    href: str
    created_at: str
    created_by_id: str
    last_modified_at: str
    last_modified_by_id: str


class Zone(Kept):
    """A zone."""

    address_count: int
    excluded_count: int
    name: str
    account_id: str
    addresses: list[Address]
    excluded: list[PlainAddress]


class ZoneSummary(Kept):
    """A zone in a list, with its first three addresses."""

    name: str
    account_id: str
    addresses_preview: list[Address]
    address_count: int
    excluded_count: int


class ZoneList(BaseModel):
    """The zones of an account."""

    count: int
    zones: list[ZoneSummary]


class Rule(Kept):
    """A rule."""

    contexts: list[RuleContext]
    resources: list[Resource]
    operations: Operations | None = None
    enforcement_mode: str


class RuleList(BaseModel):
    """The rules of an account."""

    count: int
    rules: list[Rule]


class AccountSettings(BaseModel):
    """How much an account may have, and has."""

    id: str
    crn: str
    rule_count_limit: int
    zone_count_limit: int
    tags_rule_count_limit: int
    current_rule_count: int
    current_zone_count: int
    current_tags_rule_count: int
    href: str


class Action(BaseModel):
    """Something that can be done through an API."""

    action_id: str
    description: str


class ApiType(BaseModel):
    """An API that rules can be about."""

    api_type_id: str
    display_name: str
    description: str
    type: str
    actions: list[Action]
    enforcement_modes: list[str]


class OperationsList(BaseModel):
    """The APIs that rules can be about."""

    api_types: list[ApiType]


class Location(BaseModel):
    """Where a service is."""

    name: str


class ServiceTarget(BaseModel):
    """A service that zones can refer to."""

    service_name: str
    service_type: str
    locations: list[Location]
    display_name: str


class ServiceTargetList(BaseModel):
    """The services that zones can refer to."""

    count: int
    targets: list[ServiceTarget]
