"""The HTTP control API, for tests that are not written in Python.

Errors are JSON, {"error": "…"}. Without a login: for laboratories only.
"""

from __future__ import annotations

import itertools
from http import HTTPStatus
from typing import Annotated, Any, Final

import anyio.to_thread
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi import Query as QueryParameters
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from fake_dns import control_model as model
from fake_dns.control_body import Refused, read_body, read_origin, read_zone_text
from fake_dns.name_server import FakeDNS, Snapshot
from fake_dns.query_log import NotAsked, Query

MAX_WAIT_SECONDS: Final = 60.0
# A test keeps one or two; who forgets to drop them keeps the last hundred.
MAX_SNAPSHOTS: Final = 100

_ZONE_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"type": "object", "required": ["records"]}},
            "application/toml": {"schema": {"type": "string"}},
            "text/dns": {"schema": {"type": "string", "description": "RFC 1035 §5, RFC 4027"}},
        },
    }
}
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": model.Problem, "description": HTTPStatus(status).phrase}
    for status in (400, 404, 413, 422)
}


def build_app(dns: FakeDNS) -> FastAPI:
    """Build the control API of one FakeDNS."""
    app = FastAPI(
        title="fake-dns control",
        version="1",
        # No pages that load scripts from elsewhere; the description itself is enough.
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    for routes in (_zone_routes(dns), _query_routes(dns), _fault_routes(dns), _state_routes(dns)):
        app.include_router(routes, prefix="/v1", responses=_PROBLEMS)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return _problem(error.status, str(error))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> Response:
        one = error.errors()[0]
        if one["loc"] == ("body",) and "json" not in request.headers.get("Content-Type", ""):
            text = "the body: expected Content-Type: application/json"
            return _problem(HTTPStatus.BAD_REQUEST, text)
        where = ".".join(str(part) for part in one["loc"][1:]) or "the body"
        return _problem(HTTPStatus.BAD_REQUEST, f"{where}: {one['msg']}")

    @app.exception_handler(HTTPException)
    async def declined(request: Request, error: HTTPException) -> Response:
        text = f"{request.method} {request.url.path}: no such resource"
        return _problem(HTTPStatus(error.status_code), text)

    return app


def _problem(status: HTTPStatus, text: str) -> Response:
    # JSON may bring lone surrogates; what complains of them has to be sent all the same.
    sendable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return JSONResponse({"error": sendable}, status)


def _zone_routes(dns: FakeDNS) -> APIRouter:
    routes = APIRouter(tags=["zones"])

    @routes.get("/zones")
    async def zones() -> model.Origins:
        """Name the zones in force."""
        return model.Origins(zones=[zone.origin.text for zone in dns.zones])

    @routes.get("/zones/{origin:path}")
    async def read_zone(origin: str) -> dict[str, Any]:
        """Read a zone as the table that PUT takes."""
        zone = dns.zone(read_origin(origin).absolute_text)
        if zone is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"{origin}: no such zone")
        return zone.as_table()

    @routes.put("/zones/{origin:path}", openapi_extra=_ZONE_BODY)
    async def put_zone(origin: str, request: Request) -> model.ZonePut:
        """Put a whole zone in place: as a JSON or TOML table, or as a master file."""
        name, kind = read_origin(origin), request.headers.get("Content-Type", "").lower()
        body = await read_body(request)
        # A big zone takes a while; others are answered meanwhile.
        zone = await anyio.to_thread.run_sync(read_zone_text, body, kind, name)
        dns.replace(zone)
        return model.ZonePut(origin=zone.origin.text, sets=len(zone.record_sets))

    @routes.delete("/zones/{origin:path}", status_code=HTTPStatus.NO_CONTENT)
    async def delete_zone(origin: str) -> None:
        """Serve a zone no longer."""
        if not dns.remove(read_origin(origin).absolute_text):
            raise Refused(HTTPStatus.NOT_FOUND, f"{origin}: no such zone")

    return routes


def _query_routes(dns: FakeDNS) -> APIRouter:
    routes = APIRouter(tags=["queries"])

    @routes.get("/queries")
    async def queries(
        wanted: Annotated[model.QueryFilter, QueryParameters()],
    ) -> model.Queries:
        """Read what was asked; `within` waits for the first such query."""
        if wanted.within is not None and wanted.name is None:
            raise Refused(HTTPStatus.BAD_REQUEST, "within: expected a name to wait for")
        # Nobody at the end of the program waits for who still waits here.
        found = await anyio.to_thread.run_sync(_queries, dns, wanted, abandon_on_cancel=True)
        return model.Queries(queries=[model.QueryModel.of(query) for query in found])

    @routes.delete("/queries", status_code=HTTPStatus.NO_CONTENT)
    async def forget_queries() -> None:
        """Forget what was asked."""
        dns.forget_queries()

    @routes.get("/queries/unexpected")
    async def unexpected(
        expected: Annotated[list[str], QueryParameters()] = [],  # noqa: B006  # FastAPI copies it
    ) -> model.Queries:
        """Read what nobody should have asked: outside every zone, or not as expected."""
        try:
            found = dns.unexpected(*expected)
        except ValueError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"expected: {error}") from error
        return model.Queries(queries=[model.QueryModel.of(query) for query in found])

    return routes


def _fault_routes(dns: FakeDNS) -> APIRouter:
    routes = APIRouter(tags=["faults"])

    @routes.get("/faults")
    async def faults() -> model.RulesInForce:
        """Read the rules in force and how many queries each has met."""
        return model.RulesInForce(faults=[model.rule_in_force(one) for one in dns.faults])

    @routes.post("/faults", status_code=HTTPStatus.CREATED)
    async def inject(planned: model.PlannedFaults) -> model.RuleNumber:
        """Misbehave on the queries that match; several faults come in turn."""
        values = [fault.value() for fault in planned.faults]
        matching = planned.model_dump(exclude={"faults"})
        try:
            return model.RuleNumber(number=dns.inject(*values, **matching))
        except ValueError as error:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error

    @routes.delete("/faults", status_code=HTTPStatus.NO_CONTENT)
    async def clear_faults() -> None:
        """Behave again."""
        dns.clear_faults()

    @routes.delete("/faults/{number}", status_code=HTTPStatus.NO_CONTENT)
    async def withdraw(number: int) -> None:
        """Forget one rule."""
        if not dns.withdraw(number):
            raise Refused(HTTPStatus.NOT_FOUND, f"{number}: no such rule in force")

    return routes


def _state_routes(dns: FakeDNS) -> APIRouter:
    routes = APIRouter(tags=["state"])
    snapshots: dict[int, Snapshot] = {}
    numbers = itertools.count(1)

    @routes.get("/health")
    async def health() -> model.Health:
        """Say that it is up, and where it answers."""
        return model.Health(
            address=dns.address,
            port=dns.port,
            tls_port=dns.tls_port,
            servers={name: one.port for name, one in dns.servers.items()},
            packets=dns.counters,
        )

    @routes.get("/clock")
    async def clock() -> model.ClockTime:
        """Say what time it is for zones and caches."""
        return model.ClockTime(now=dns.clock(), advanced=dns.clock.added)

    @routes.post("/clock")
    async def advance(step: model.Advance) -> model.ClockTime:
        """Move the clock on."""
        dns.advance(step.advance)
        return model.ClockTime(now=dns.clock(), advanced=dns.clock.added)

    @routes.post("/snapshots", status_code=HTTPStatus.CREATED)
    async def take_snapshot() -> model.SnapshotNumber:
        """Note zones, faults and clock, to come back to."""
        number = next(numbers)
        snapshots[number] = dns.snapshot()
        snapshots.pop(number - MAX_SNAPSHOTS, None)
        return model.SnapshotNumber(snapshot=number)

    @routes.post("/snapshots/{number}/rollback", status_code=HTTPStatus.NO_CONTENT)
    async def rollback(number: int) -> None:
        """Put zones, faults and clock back, and forget what was asked since."""
        dns.rollback(_known(snapshots, number))

    @routes.delete("/snapshots/{number}", status_code=HTTPStatus.NO_CONTENT)
    async def drop_snapshot(number: int) -> None:
        """Forget a snapshot."""
        _known(snapshots, number)
        del snapshots[number]

    return routes


def _known(snapshots: dict[int, Snapshot], number: int) -> Snapshot:
    if number not in snapshots:
        raise Refused(HTTPStatus.NOT_FOUND, f"{number}: no such snapshot")
    return snapshots[number]


def _queries(dns: FakeDNS, wanted: model.QueryFilter) -> tuple[Query, ...]:
    matching = wanted.model_dump(exclude={"within"})
    if wanted.within is not None and wanted.name is not None:
        seconds = min(max(wanted.within, 0.0), MAX_WAIT_SECONDS)
        try:
            dns.wait_for(within=seconds, **matching)
        except NotAsked:
            return ()
    return dns.queries(**matching)
