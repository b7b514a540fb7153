"""The shapes of the Event Notifications API, as the vendor's SDKs write and read them.

Bodies refuse what they do not know; constraints are those that the vendor's own clients state.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reference_relay.mail.address import domain_key
from reference_relay.service.verification import VerificationState

# What names and descriptions may hold, by the vendor's command line.
_PLAIN = r"^[a-zA-Z 0-9\-_/.?:'\";,+=!#@$%^&*() ]*$"
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})+")


def timestamp(seconds: float) -> str:
    """Write a time as the API does: RFC 3339 in UTC, with milliseconds."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _domain(text: str) -> str:
    try:
        key = domain_key(text).removesuffix(".")
    except ValueError:
        key = ""
    if not _DOMAIN.fullmatch(key) or key.rpartition(".")[2].isdigit():
        raise ValueError("expected a domain name like example.com")
    return text


def _address(text: str) -> str:
    local, at, domain = text.rpartition("@")
    if not (at and local and domain) or any(one in text for one in " ,;<>\x00\r\n"):
        raise ValueError("expected an e-mail address like postmaster@example.com")
    return text


# What JSON Schema cannot say is named by a format, for whoever makes examples.
Domain = Annotated[
    str,
    Field(min_length=1, max_length=512, json_schema_extra={"format": "mail-domain"}),
    AfterValidator(_domain),
]
EmailAddress = Annotated[
    str,
    Field(min_length=3, max_length=254, json_schema_extra={"format": "contact"}),
    AfterValidator(_address),
]
Name = Annotated[str, Field(min_length=1, max_length=250, pattern=_PLAIN)]
Description = Annotated[str, Field(min_length=1, max_length=250, pattern=_PLAIN)]
# A user may be made with an empty one, but not changed to it.
FirstDescription = Annotated[str, Field(max_length=250, pattern=_PLAIN)]


# Ours: real seconds; a wait that lasts longer is asked for again.
Wait = Annotated[float, Query(ge=0, le=60, allow_inf_nan=False)]


class Body(BaseModel):
    """A body that is sent to us."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewConfiguration(Body):
    """What an SMTP configuration is made of."""

    name: Name
    domain: Domain
    description: Description | None = None


class ConfigurationChange(Body):
    """What of an SMTP configuration can be changed; the domain cannot."""

    name: Name | None = None
    description: Description | None = None


class NewUser(Body):
    """What a user is made of."""

    description: FirstDescription | None = None


class UserChange(Body):
    """What of a user can be changed."""

    description: Description | None = None


class Link(BaseModel):
    """Where another part of a list is."""

    href: str


class TextRecord(BaseModel):
    """A TXT record to publish, and whether it was found good."""

    txt_name: str
    txt_value: str
    verification: VerificationState


class Approval(BaseModel):
    """Whether a person approved."""

    verification: VerificationState


class ConfigurationParts(BaseModel):
    """The three verifications."""

    dkim: TextRecord
    en_authorization: Approval
    spf: TextRecord


class CreatedConfiguration(BaseModel):
    """A configuration that was made."""

    id: str
    name: str
    description: str
    domain: str
    config: ConfigurationParts
    created_at: str


class Configuration(BaseModel):
    """A configuration."""

    id: str
    name: str
    description: str
    domain: str
    config: ConfigurationParts
    updated_at: str


class Part(BaseModel):
    """A part of a list."""

    total_count: int
    offset: int
    limit: int
    first: Link
    previous: Link | None = None
    next: Link | None = None


class ConfigurationList(Part):
    """A part of the configurations of an instance."""

    smtp_configurations: list[Configuration]


class CreatedUser(BaseModel):
    """A user that was made; this is the only sight of the password, which a clone has none of."""

    id: str
    smtp_config_id: str
    username: str
    password: str | None = None
    description: str | None
    domain: str
    created_at: str


class User(BaseModel):
    """A user."""

    id: str
    smtp_config_id: str
    username: str
    description: str | None
    domain: str
    created_at: str
    updated_at: str


class UserList(Part):
    """A part of the users of a configuration."""

    users: list[User]


class AllowedAddresses(BaseModel):
    """From where the SMTP interface may be used."""

    subnets: list[str]
    updated_at: str


class VerificationStatus(BaseModel):
    """How one verification stands after it was looked at."""

    type: Literal["spf", "dkim", "en_authorization"]
    verification: VerificationState


class VerificationUpdate(BaseModel):
    """How the verifications stand that were asked for."""

    status: list[VerificationStatus]


class Bucket(BaseModel):
    """How many in one stretch of time."""

    doc_count: int
    key_as_string: str


class Histogram(BaseModel):
    """How many, over time."""

    buckets: list[Bucket]


MetricKey = Literal["bounced", "deferred", "opened", "success", "submitted"]


class Metric(BaseModel):
    """How many came to one end."""

    key: MetricKey
    doc_count: int
    histogram: Histogram


class Metrics(BaseModel):
    """What became of mail."""

    metrics: list[Metric]


class Bounce(BaseModel):
    """A recipient that was not reached."""

    email_address: str
    subject: str
    error_message: str
    timestamp: str


class Bounces(BaseModel):
    """A part of the recipients that were not reached."""

    metrics: list[Bounce]
    total_count: int
    offset: int
    limit: int


class ErrorEntry(BaseModel):
    """One thing that is wrong."""

    code: str
    message: str
    more_info: str


class ErrorEnvelope(BaseModel):
    """The body of every error."""

    status_code: int
    trace: str
    errors: list[ErrorEntry]
