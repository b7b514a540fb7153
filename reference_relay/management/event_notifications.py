"""The Event Notifications API for SMTP, as the vendor's SDKs call it (twelve operations)."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi import Body as RequestBody
from sqlalchemy import Connection

from reference_relay.dkim import keys
from reference_relay.management import models, problems
from reference_relay.service import configurations, users
from reference_relay.service.assembly import read_directory
from reference_relay.service.configurations import ConfigurationRecord, DkimKey, Page
from reference_relay.service.passwords import hash_password
from reference_relay.service.service import Service
from reference_relay.service.users import NewCredential, UserRecord
from reference_relay.service.verification import (
    VerificationType,
    VerifiesDomains,
)

InstanceId = Annotated[str, Path(min_length=1, max_length=256)]
ConfigurationId = Annotated[str, Path(min_length=1, max_length=256)]
UserId = Annotated[str, Path(min_length=1, max_length=256)]
Limit = Annotated[int, Query(ge=1, le=100)]
# A database counts in 64 bits, and nobody has a list as long as this.
Offset = Annotated[int, Query(ge=0, le=2**31 - 1)]
Search = Annotated[str | None, Query(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]

_TYPE = "(spf|dkim|en_authorization)"
_TYPES = f"^{_TYPE}(,{_TYPE}){{0,9}}$"


def routes(service: Service, domains: VerifiesDomains) -> APIRouter:
    """Build the routes under /v1/instances."""
    router = APIRouter(
        prefix="/v1/instances/{instance_id}/smtp/config",
        tags=["event notifications"],
        responses=problems.RESPONSES,
    )
    profile = service.profile

    @router.post("", status_code=HTTPStatus.CREATED, operation_id="create_smtp_configuration")
    async def create(
        instance_id: InstanceId, body: models.NewConfiguration
    ) -> models.CreatedConfiguration:
        await service.read(lambda connection: configurations.need_instance(connection, instance_id))
        key = await asyncio.to_thread(_new_key)
        record = await service.change(
            lambda connection: configurations.create(
                connection,
                profile,
                instance_id,
                name=body.name,
                domain=body.domain,
                description=body.description or "",
                key=key,
                now=service.now(),
            )
        )
        return models.CreatedConfiguration(
            id=record.id,
            name=record.name,
            description=record.description,
            domain=record.domain,
            config=_parts(record),
            created_at=models.timestamp(record.created_at),
        )

    @router.get("", operation_id="list_smtp_configurations")
    async def list_all(
        request: Request,
        instance_id: InstanceId,
        limit: Limit = 10,
        offset: Offset = 0,
        search: Search = None,
    ) -> models.ConfigurationList:
        wanted = Page(limit, offset, search)
        found, count = await service.read(
            lambda connection: configurations.page(connection, profile, instance_id, wanted)
        )
        return models.ConfigurationList(
            smtp_configurations=list(map(_configuration, found)), **_part(request, wanted, count)
        )

    @router.get("/{id}", operation_id="get_smtp_configuration")
    async def get(instance_id: InstanceId, id: ConfigurationId) -> models.Configuration:
        return _configuration(
            await service.read(
                lambda connection: configurations.get(connection, profile, instance_id, id)
            )
        )

    @router.patch("/{id}", operation_id="update_smtp_configuration")
    async def change(
        instance_id: InstanceId, id: ConfigurationId, body: models.ConfigurationChange
    ) -> models.Configuration:
        return _configuration(
            await service.change(
                lambda connection: configurations.change(
                    connection,
                    profile,
                    instance_id,
                    id,
                    name=body.name,
                    description=body.description,
                    now=service.now(),
                )
            )
        )

    @router.delete(
        "/{id}", status_code=HTTPStatus.NO_CONTENT, operation_id="delete_smtp_configuration"
    )
    async def remove(instance_id: InstanceId, id: ConfigurationId) -> Response:
        await service.change(lambda connection: configurations.remove(connection, instance_id, id))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    @router.patch("/{id}/verify", operation_id="update_verify_smtp")
    async def verify(
        instance_id: InstanceId,
        id: ConfigurationId,
        type: Annotated[
            str,
            Query(
                description="spf, dkim, en_authorization, or several, by comma",
                pattern=_TYPES,
            ),
        ],
    ) -> models.VerificationUpdate:
        wanted = _types(type)
        record = await service.read(
            lambda connection: configurations.get(connection, profile, instance_id, id)
        )
        status = []
        for one in wanted:
            verification = record.claim.verification(one)
            if one is not VerificationType.EN_AUTHORIZATION:
                verification = await domains.verify(record.claim, one)
                if not await service.record(id, verification):
                    raise problems.not_found("configuration", id)
            status.append(
                models.VerificationStatus(type=one.value, verification=verification.state)
            )
        return models.VerificationUpdate(status=status)

    @router.get("/{id}/allowed_ips", operation_id="get_smtp_allowed_ips")
    async def allowed(instance_id: InstanceId, id: ConfigurationId) -> models.AllowedAddresses:
        return await service.read(lambda connection: _allowed(connection, service, instance_id, id))

    @router.post("/{id}/users", status_code=HTTPStatus.CREATED, operation_id="create_smtp_user")
    async def create_user(
        instance_id: InstanceId,
        id: ConfigurationId,
        body: Annotated[models.NewUser | None, RequestBody()] = None,
        username_to_clone: Annotated[
            str | None, Query(min_length=1, max_length=255, pattern=r"^[^\x00]*$")
        ] = None,
    ) -> models.CreatedUser:
        description = body.description if body else None
        if username_to_clone is not None:
            cloned = await service.change(
                lambda connection: users.clone(
                    connection,
                    instance_id,
                    id,
                    username=username_to_clone,
                    description=description,
                    now=service.now(),
                )
            )
            return _created_user(cloned, None)
        password = users.new_password()
        hashed = await asyncio.to_thread(hash_password, password)
        credential = NewCredential(users.new_username(), hashed)
        made = await service.change(
            lambda connection: users.create(
                connection,
                instance_id,
                id,
                credential=credential,
                description=description,
                now=service.now(),
            )
        )
        return _created_user(made, password)

    @router.get("/{id}/users", operation_id="list_smtp_users")
    async def list_users(
        request: Request,
        instance_id: InstanceId,
        id: ConfigurationId,
        limit: Limit = 10,
        offset: Offset = 0,
        search: Search = None,
    ) -> models.UserList:
        wanted = Page(limit, offset, search)
        found, count = await service.read(
            lambda connection: users.page(connection, instance_id, id, wanted)
        )
        return models.UserList(users=list(map(_user, found)), **_part(request, wanted, count))

    @router.get("/{id}/users/{user_id}", operation_id="get_smtp_user")
    async def get_user(
        instance_id: InstanceId, id: ConfigurationId, user_id: UserId
    ) -> models.User:
        return _user(
            await service.read(lambda connection: users.get(connection, instance_id, id, user_id))
        )

    @router.patch("/{id}/users/{user_id}", operation_id="update_smtp_user")
    async def change_user(
        instance_id: InstanceId, id: ConfigurationId, user_id: UserId, body: models.UserChange
    ) -> models.User:
        return _user(
            await service.change(
                lambda connection: users.change(
                    connection,
                    instance_id,
                    id,
                    user_id,
                    description=body.description,
                    now=service.now(),
                )
            )
        )

    @router.delete(
        "/{id}/users/{user_id}",
        status_code=HTTPStatus.NO_CONTENT,
        operation_id="delete_smtp_user",
    )
    async def remove_user(
        instance_id: InstanceId, id: ConfigurationId, user_id: UserId
    ) -> Response:
        await service.change(lambda connection: users.remove(connection, instance_id, id, user_id))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    return router


def _new_key() -> DkimKey:
    private = keys.generate()
    return DkimKey(private.decode("ascii"), keys.record(private))


def _types(text: str) -> list[VerificationType]:
    return [VerificationType(name) for name in dict.fromkeys(text.split(","))]


def _parts(record: ConfigurationRecord) -> models.ConfigurationParts:
    claim = record.claim
    spf, dkim, approval = (one.state for one in claim.verifications)
    return models.ConfigurationParts(
        dkim=models.TextRecord(
            txt_name=claim.dkim_name, txt_value=claim.dkim_value, verification=dkim
        ),
        en_authorization=models.Approval(verification=approval),
        spf=models.TextRecord(txt_name=claim.domain, txt_value=claim.spf_value, verification=spf),
    )


def _configuration(record: ConfigurationRecord) -> models.Configuration:
    return models.Configuration(
        id=record.id,
        name=record.name,
        description=record.description,
        domain=record.domain,
        config=_parts(record),
        updated_at=models.timestamp(record.updated_at),
    )


def _created_user(record: UserRecord, password: str | None) -> models.CreatedUser:
    return models.CreatedUser(
        id=record.id,
        smtp_config_id=record.configuration_id,
        username=record.username,
        password=password,
        description=record.description,
        domain=record.domain,
        created_at=models.timestamp(record.created_at),
    )


def _user(record: UserRecord) -> models.User:
    return models.User(
        id=record.id,
        smtp_config_id=record.configuration_id,
        username=record.username,
        description=record.description,
        domain=record.domain,
        created_at=models.timestamp(record.created_at),
        updated_at=models.timestamp(record.updated_at),
    )


def _part(request: Request, wanted: Page, count: int) -> dict[str, Any]:
    def link(offset: int) -> models.Link:
        query: dict[str, object] = {"limit": wanted.limit, "offset": offset}
        if wanted.search is not None:
            query["search"] = wanted.search
        return models.Link(href=str(request.url.replace(query=urlencode(query))))

    before, after = wanted.offset - wanted.limit, wanted.offset + wanted.limit
    return {
        "total_count": count,
        "offset": wanted.offset,
        "limit": wanted.limit,
        "first": link(0),
        "previous": link(max(before, 0)) if wanted.offset > 0 else None,
        "next": link(after) if after < count else None,
    }


def _allowed(
    connection: Connection, service: Service, instance_id: str, id: str
) -> models.AllowedAddresses:
    record = configurations.get(connection, service.profile, instance_id, id)
    listed = configurations.legacy(connection, id)
    if listed is not None:
        updated_at = models.timestamp(listed.updated_at)
        return models.AllowedAddresses(subnets=listed.subnets, updated_at=updated_at)
    # Without an old list: who the rules let in through any endpoint.
    directory = read_directory(connection, service.profile)
    return models.AllowedAddresses(
        subnets=directory.admitted_subnets(instance_id),
        updated_at=models.timestamp(record.updated_at),
    )
