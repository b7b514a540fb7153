"""The lab's own routes around the service: what the vendor's staff or another product would do."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Response
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import Connection

from reference_relay.management import problems
from reference_relay.management.models import Body, EmailAddress, timestamp
from reference_relay.service import configurations, restrictions
from reference_relay.service.address_set import AddressSet
from reference_relay.service.assembly import deadline_of
from reference_relay.service.endpoints import REGION_ENDPOINTS, UnknownRegion, endpoint_region
from reference_relay.service.refused import Invalid
from reference_relay.service.seeding import FILE_ACCOUNT
from reference_relay.service.service import Service
from reference_relay.service.verification import (
    Verification,
    VerificationState,
    VerificationType,
)

_TEXT = r"^[^\x00]*$"
# Ours: a second of the year 9000; what lies beyond is no date any more.
_LAST_SECOND = 221_845_392_000


def _subnet(text: str) -> str:
    AddressSet.parse(text)
    return text


Id = Annotated[str, Path(min_length=1, max_length=256, pattern=_TEXT)]
Subnet = Annotated[
    str,
    Field(min_length=2, max_length=96, json_schema_extra={"format": "addresses"}),
    AfterValidator(_subnet),
]
Answer = Annotated[str, Field(min_length=1, max_length=4000, pattern=_TEXT)]


class NewInstance(Body):
    """An instance of the service, as the resource controller would make it."""

    region: Annotated[
        str, Field(min_length=1, max_length=64, json_schema_extra={"format": "region"})
    ]
    account_id: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9\-]+$")] = (
        FILE_ACCOUNT
    )


class InstanceEntry(BaseModel):
    """An instance."""

    id: str
    region: str
    account_id: str


class ReferenceAddresses(Body):
    """The addresses behind a VPC, an instance or a service."""

    addresses: Annotated[list[Subnet], Field(max_length=1000)]


class LegacyList(Body):
    """An old allowlist, and the second (since the epoch) in which it was deprecated."""

    subnets: Annotated[list[Subnet], Field(min_length=1, max_length=100)]
    deprecated_at: Annotated[float, Field(ge=0, le=_LAST_SECOND, allow_inf_nan=False)]


class LegacyEntry(BaseModel):
    """An old allowlist and the time from which it counts no more."""

    subnets: list[str]
    deprecated_at: str
    valid_until: str


class Use(Body):
    """The third point: what is planned."""

    list_acquisition: Answer
    bounces_and_complaints: Answer
    unsubscribing: Answer
    rate: Answer
    list_cleaning: Answer


class Questionnaire(Body):
    """The eight points that whoever approves wants to know (S-5)."""

    kind: Literal["marketing", "transactional"]
    website: Annotated[str, Field(max_length=2000, pattern=r"^https?://[^\s\x00]+$")]
    use: Use
    contacts: Annotated[list[EmailAddress], Field(min_length=1, max_length=4)]
    reply_to: EmailAddress
    consent: Literal[True]
    unsubscribe_link: Literal[True]
    well_formed_html: Answer


class Rejection(Body):
    """Why the approval is not given."""

    reason: Answer


class VerificationEntry(BaseModel):
    """One verification as it stands; times are RFC 3339 in UTC."""

    type: Literal["spf", "dkim", "en_authorization"]
    state: VerificationState
    reason: str
    last_checked: str | None
    next_check: str | None
    temporary_failures: int


class Verifications(BaseModel):
    """All three, and the name of the DKIM record, which a support case has to tell (S-6)."""

    dkim_name: str
    verifications: list[VerificationEntry]


def routes(service: Service) -> APIRouter:
    """Build the routes under /lab/v1 that need the store."""
    router = APIRouter(prefix="/lab/v1", tags=["lab"], responses=problems.RESPONSES)
    own = "/instances/{instance_id}/configurations/{id}"

    @router.put("/instances/{instance_id}", status_code=HTTPStatus.CREATED)
    async def add_instance(instance_id: Id, body: NewInstance) -> InstanceEntry:
        try:
            endpoint_region(service.profile, body.region)
        except UnknownRegion:
            known = ", ".join(REGION_ENDPOINTS[service.profile])
            text = f"region: expected one of {known}, found {body.region!r}"
            raise problems.refusal_of(Invalid(text)) from None
        await service.change(
            lambda connection: configurations.add_instance(
                connection, instance_id, body.account_id, body.region, service.now()
            )
        )
        return InstanceEntry(id=instance_id, region=body.region, account_id=body.account_id)

    @router.put("/references/{name:path}", status_code=HTTPStatus.NO_CONTENT)
    async def put_reference(name: Id, body: ReferenceAddresses) -> Response:
        await service.change(
            lambda connection: restrictions.put_reference(connection, name, body.addresses)
        )
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.put(f"{own}/legacy_allowlist")
    async def put_legacy(instance_id: Id, id: Id, body: LegacyList) -> LegacyEntry:
        def put(connection: Connection) -> None:
            configurations.get(connection, service.profile, instance_id, id)
            configurations.put_legacy(
                connection, id, body.subnets, body.deprecated_at, service.now()
            )

        await service.change(put)
        return LegacyEntry(
            subnets=body.subnets,
            deprecated_at=timestamp(body.deprecated_at),
            valid_until=timestamp(deadline_of(body.deprecated_at)),
        )

    @router.get(f"{own}/verifications")
    async def verifications(instance_id: Id, id: Id) -> Verifications:
        return await _verifications(service, instance_id, id)

    @router.put(f"{own}/questionnaire")
    async def put_answers(instance_id: Id, id: Id, body: Questionnaire) -> Verifications:
        def put(connection: Connection) -> None:
            configurations.get(connection, service.profile, instance_id, id)
            configurations.put_answers(connection, id, body.model_dump(), service.now())

        await service.change(put)
        return await _verifications(service, instance_id, id)

    @router.post(f"{own}/questionnaire/approve")
    async def approve(instance_id: Id, id: Id) -> Verifications:
        return await _decide(service, instance_id, id, VerificationState.VERIFIED, "")

    @router.post(f"{own}/questionnaire/reject")
    async def reject(instance_id: Id, id: Id, body: Rejection) -> Verifications:
        return await _decide(service, instance_id, id, VerificationState.FAILED, body.reason)

    return router


async def _decide(
    service: Service, instance_id: str, id: str, state: VerificationState, reason: str
) -> Verifications:
    approval = Verification(VerificationType.EN_AUTHORIZATION)
    decided = replace(approval, state=state, reason=reason, last_checked=service.now())

    def decide(connection: Connection) -> None:
        configurations.get(connection, service.profile, instance_id, id)
        if configurations.answers(connection, id) is None:
            raise Invalid("expected the answers of the questionnaire first")
        configurations.put_verification(connection, id, decided)

    await service.change(decide)
    return await _verifications(service, instance_id, id)


async def _verifications(service: Service, instance_id: str, id: str) -> Verifications:
    record = await service.read(
        lambda connection: configurations.get(connection, service.profile, instance_id, id)
    )
    return Verifications(
        dkim_name=record.claim.dkim_name,
        verifications=[
            VerificationEntry(
                type=one.type.value,
                state=one.state,
                reason=one.reason,
                last_checked=None if one.last_checked is None else timestamp(one.last_checked),
                next_check=None if one.next_check is None else timestamp(one.next_check),
                temporary_failures=one.temporary_failures,
            )
            for one in record.claim.verifications
        ],
    )
