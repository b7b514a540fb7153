"""The context-based restrictions API: zones, rules, account settings, operations."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request, Response
from sqlalchemy import Connection, Row

from reference_relay.management import problems
from reference_relay.management import restriction_models as models
from reference_relay.management.envelope import Problem, Refused
from reference_relay.management.models import timestamp
from reference_relay.service import restrictions
from reference_relay.service.documents import (
    ACCOUNT,
    CONTROL_PLANE_API_TYPE_ID,
    REGION,
    SERVICE,
    SERVICE_NAME,
    SMTP_API_TYPE_IDS,
)
from reference_relay.service.documents import INSTANCE as SERVICE_INSTANCE
from reference_relay.service.endpoints import REGION_ENDPOINTS
from reference_relay.service.restrictions import (
    RULES_PER_ACCOUNT,
    ZONES_PER_ACCOUNT,
    RuleDraft,
    ZoneDraft,
)
from reference_relay.service.service import Service

_MAKER = "iam-laptop"
_PREVIEW = 3

Id = Annotated[str, Path(min_length=1, max_length=256, pattern=r"^[^\x00]*$")]
Account = Annotated[
    str, Query(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9\-]+$", description="whose")
]
Filter = Annotated[str | None, Query(max_length=256, pattern=r"^[^\x00]*$")]
IfMatch = Annotated[str, Header(alias="If-Match", min_length=1, max_length=256)]
ZoneSort = Literal["name", "-name", "created_at", "-created_at"]
RuleSort = Literal["id", "-id", "created_at", "-created_at"]


def routes(service: Service) -> APIRouter:
    """Build the routes under /v1/zones, /v1/rules, /v1/account_settings and /v1/operations."""
    router = APIRouter(
        prefix="/v1", tags=["context-based restrictions"], responses=problems.RESPONSES
    )
    _zone_routes(router, service)
    _rule_routes(router, service)
    _look_ups(router, service)
    return router


def _zone_routes(router: APIRouter, service: Service) -> None:
    @router.post("/zones", status_code=HTTPStatus.CREATED, operation_id="create_zone")
    async def create(request: Request, response: Response, body: models.NewZone) -> models.Zone:
        draft = _zone_draft(body)
        row = await service.change(
            lambda connection: restrictions.create_zone(connection, draft, service.now())
        )
        return _zone(request, response, row)

    @router.get("/zones", operation_id="list_zones")
    async def list_all(
        request: Request,
        account_id: Account,
        name: Filter = None,
        sort: Annotated[ZoneSort | None, Query()] = None,
    ) -> models.ZoneList:
        rows = await service.read(lambda connection: restrictions.zones(connection, account_id))
        found = [row for row in rows if name in (None, row.name)]
        _sort(found, sort)
        return models.ZoneList(
            count=len(found), zones=[_zone_summary(request, row) for row in found]
        )

    @router.get("/zones/serviceref_targets", operation_id="list_available_serviceref_targets")
    async def targets(
        type: Annotated[Literal["all", "platform_service"], Query()] = "all",
    ) -> models.ServiceTargetList:
        found = [] if type == "platform_service" else [_target(service)]
        return models.ServiceTargetList(count=len(found), targets=found)

    @router.get("/zones/serviceref_targets/{service_name}", operation_id="get_serviceref_target")
    async def target(service_name: Id) -> models.ServiceTarget:
        if service_name != SERVICE_NAME:
            raise problems.not_found("service", service_name)
        return _target(service)

    @router.get("/zones/{zone_id}", operation_id="get_zone")
    async def get(request: Request, response: Response, zone_id: Id) -> models.Zone:
        row = await service.read(lambda connection: restrictions.get_zone(connection, zone_id))
        return _zone(request, response, row)

    @router.put("/zones/{zone_id}", operation_id="replace_zone")
    async def replace(
        request: Request, response: Response, zone_id: Id, body: models.NewZone, if_match: IfMatch
    ) -> models.Zone:
        draft, revision = _zone_draft(body), _revision(if_match)
        row = await service.change(
            lambda connection: restrictions.replace_zone(
                connection, zone_id, draft, revision, service.now()
            )
        )
        return _zone(request, response, row)

    @router.delete(
        "/zones/{zone_id}", status_code=HTTPStatus.NO_CONTENT, operation_id="delete_zone"
    )
    async def remove(zone_id: Id) -> Response:
        await service.change(lambda connection: restrictions.remove_zone(connection, zone_id))
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _rule_routes(router: APIRouter, service: Service) -> None:
    @router.post(
        "/rules",
        status_code=HTTPStatus.CREATED,
        operation_id="create_rule",
        response_model_exclude_none=True,
    )
    async def create(request: Request, response: Response, body: models.NewRule) -> models.Rule:
        draft = _rule_draft(body)
        row = await service.change(
            lambda connection: restrictions.create_rule(connection, draft, service.now())
        )
        return _rule(request, response, row)

    @router.get("/rules", operation_id="list_rules", response_model_exclude_none=True)
    async def list_all(
        request: Request,
        account_id: Account,
        region: Filter = None,
        resource: Filter = None,
        resource_type: Filter = None,
        service_instance: Filter = None,
        service_name: Filter = None,
        service_type: Filter = None,
        service_group_id: Filter = None,
        zone_id: Filter = None,
        sort: Annotated[RuleSort | None, Query()] = None,
        enforcement_mode: Annotated[
            Literal["enabled", "disabled", "report"] | None, Query()
        ] = None,
    ) -> models.RuleList:
        wanted = {
            REGION: region,
            "resource": resource,
            "resourceType": resource_type,
            SERVICE_INSTANCE: service_instance,
            SERVICE: service_name,
            "serviceType": service_type,
            "service_group_id": service_group_id,
        }
        rows = await service.read(lambda connection: restrictions.rules(connection, account_id))
        found = [
            row
            for row in rows
            if _has(row, wanted)
            and (zone_id is None or zone_id in restrictions.zone_ids(row.contexts))
            and enforcement_mode in (None, row.enforcement_mode)
        ]
        _sort(found, sort)
        return models.RuleList(count=len(found), rules=[_rule(request, None, row) for row in found])

    @router.get("/rules/{rule_id}", operation_id="get_rule", response_model_exclude_none=True)
    async def get(request: Request, response: Response, rule_id: Id) -> models.Rule:
        row = await service.read(lambda connection: restrictions.get_rule(connection, rule_id))
        return _rule(request, response, row)

    @router.put("/rules/{rule_id}", operation_id="replace_rule", response_model_exclude_none=True)
    async def replace(
        request: Request, response: Response, rule_id: Id, body: models.NewRule, if_match: IfMatch
    ) -> models.Rule:
        draft, revision = _rule_draft(body), _revision(if_match)
        row = await service.change(
            lambda connection: restrictions.replace_rule(
                connection, rule_id, draft, revision, service.now()
            )
        )
        return _rule(request, response, row)

    @router.delete(
        "/rules/{rule_id}", status_code=HTTPStatus.NO_CONTENT, operation_id="delete_rule"
    )
    async def remove(rule_id: Id) -> Response:
        await service.change(lambda connection: restrictions.remove_rule(connection, rule_id))
        return Response(status_code=HTTPStatus.NO_CONTENT)


def _look_ups(router: APIRouter, service: Service) -> None:
    @router.get("/account_settings/{account_id}", operation_id="get_account_settings")
    async def settings(
        request: Request,
        account_id: Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9\-]+$")],
    ) -> models.AccountSettings:
        def count(connection: Connection) -> tuple[int, int, int]:
            rules = restrictions.rules(connection, account_id)
            tagged = sum(any(one.get("tags") for one in row.resources) for row in rules)
            return len(rules), len(restrictions.zones(connection, account_id)), tagged

        rules, zones, tagged = await service.read(count)
        return models.AccountSettings(
            id=account_id,
            crn=f"{_crn(account_id)}::account-settings:{account_id}",
            rule_count_limit=RULES_PER_ACCOUNT,
            zone_count_limit=ZONES_PER_ACCOUNT,
            tags_rule_count_limit=RULES_PER_ACCOUNT,
            current_rule_count=rules,
            current_zone_count=zones,
            current_tags_rule_count=tagged,
            href=str(request.url.replace(query="")),
        )

    @router.get("/operations", operation_id="list_available_service_operations")
    async def operations(
        service_name: Filter = None, service_group_id: Filter = None, resource_type: Filter = None
    ) -> models.OperationsList:
        if service_name is not None and service_group_id is not None:
            problem = Problem(
                "bad_request", "expected either service_name or service_group_id, not both"
            )
            raise Refused(HTTPStatus.BAD_REQUEST, problem)
        is_ours = service_name == SERVICE_NAME and resource_type is None
        return models.OperationsList(api_types=_API_TYPES if is_ours else [])


def _api_type(id: str, name: str, description: str, *actions: str) -> models.ApiType:
    return models.ApiType(
        api_type_id=id,
        display_name=name,
        description=description,
        type="all" if not actions else "actions",
        actions=[models.Action(action_id=one, description=one) for one in actions],
        enforcement_modes=["enabled", "report", "disabled"],
    )


_API_TYPES = [
    _api_type(CONTROL_PLANE_API_TYPE_ID, "Control plane", "Managing instances."),
    *(
        _api_type(id, "SMTP configuration", "Sending mail.", "event-notifications.smtp.send")
        for id in SMTP_API_TYPE_IDS
    ),
]


def _target(service: Service) -> models.ServiceTarget:
    return models.ServiceTarget(
        service_name=SERVICE_NAME,
        service_type="service",
        locations=[models.Location(name=one) for one in REGION_ENDPOINTS[service.profile]],
        display_name="Event Notifications",
    )


def _zone_draft(body: models.NewZone) -> ZoneDraft:
    return ZoneDraft(
        body.account_id,
        body.name,
        body.description,
        [one.model_dump(exclude_none=True) for one in body.addresses],
        [one.model_dump(exclude_none=True) for one in body.excluded],
    )


def _rule_draft(body: models.NewRule) -> RuleDraft:
    attributes = {one.name: one.value for one in body.resources[0].attributes}
    for name in (ACCOUNT, SERVICE):
        if name not in attributes:
            raise _bad(f"resources.0.attributes: expected one named {name}")
    if attributes[SERVICE] != SERVICE_NAME:
        raise _bad(
            f"resources.0.attributes: expected the service {SERVICE_NAME}, "
            f"found {attributes[SERVICE]!r}"
        )
    api_types = None
    if body.operations is not None:
        api_types = [one.api_type_id for one in body.operations.api_types]
    known = (*SMTP_API_TYPE_IDS, CONTROL_PLANE_API_TYPE_ID)
    for id in api_types or ():
        if id not in known:
            raise _bad(f"operations: expected API types of {SERVICE_NAME}, found {id!r}")
    return RuleDraft(
        attributes[ACCOUNT],
        body.description,
        [one.model_dump() for one in body.contexts],
        [one.model_dump(exclude_none=True) for one in body.resources],
        api_types,
        body.enforcement_mode,
    )


def _bad(message: str) -> Refused:
    return Refused(HTTPStatus.BAD_REQUEST, Problem("bad_request", message))


def _revision(if_match: str) -> int | None:
    tag = if_match.removeprefix("W/").strip('"')
    return int(tag) if tag.isascii() and tag.isdigit() and len(tag) < 10 else None


def _crn(account_id: str) -> str:
    return f"crn:v1:bluemix:public:context-based-restrictions:global:a/{account_id}"


def _kept(request: Request, response: Response | None, row: Row[Any], kind: str) -> dict[str, Any]:
    if response is not None:
        response.headers["ETag"] = f'"{row.revision}"'
    return {
        "id": row.id,
        "crn": f"{_crn(row.account_id)}::{kind}:{row.id}",
        "description": row.description,
        "href": str(request.base_url) + f"v1/{kind}s/{row.id}",
        "created_at": timestamp(row.created_at),
        "created_by_id": _MAKER,
        "last_modified_at": timestamp(row.modified_at),
        "last_modified_by_id": _MAKER,
        # Of a zone alone.
        **(
            {
                "name": row.name,
                "account_id": row.account_id,
                "address_count": len(row.addresses),
                "excluded_count": len(row.excluded),
            }
            if kind == "zone"
            else {}
        ),
    }


def _zone(request: Request, response: Response, row: Row[Any]) -> models.Zone:
    kept = _kept(request, response, row, "zone")
    return models.Zone(**kept, addresses=row.addresses, excluded=row.excluded)


def _zone_summary(request: Request, row: Row[Any]) -> models.ZoneSummary:
    kept = _kept(request, None, row, "zone")
    return models.ZoneSummary(**kept, addresses_preview=row.addresses[:_PREVIEW])


def _rule(request: Request, response: Response | None, row: Row[Any]) -> models.Rule:
    kept = _kept(request, response, row, "rule")
    operations = None
    if row.api_types is not None:
        own = [models.ApiTypeId(api_type_id=id) for id in row.api_types]
        operations = models.Operations(api_types=own)
    return models.Rule(
        **kept,
        contexts=row.contexts,
        resources=row.resources,
        operations=operations,
        enforcement_mode=row.enforcement_mode,
    )


def _has(row: Row[Any], wanted: dict[str, str | None]) -> bool:
    attributes = {
        one["name"]: one["value"] for resource in row.resources for one in resource["attributes"]
    }
    return all(value is None or attributes.get(name) == value for name, value in wanted.items())


def _sort(rows: list[Row[Any]], order: str | None) -> None:
    if order is not None:
        key: Callable[[Row[Any]], Any] = lambda row: getattr(row, order.lstrip("-"))  # noqa: E731
        rows.sort(key=key, reverse=order.startswith("-"))
