"""The lab's own routes: where a region's endpoints are."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from fastapi import APIRouter
from pydantic import BaseModel

from reference_relay.management.envelope import Problem, Refused
from reference_relay.service.directory import Directory
from reference_relay.service.endpoints import (
    EndpointType,
    UnknownRegion,
    endpoint_region,
    host_name,
)


class EndpointsEntry(BaseModel):
    """The names of the endpoints that serve a region."""

    public: str
    private: str


def routes(directory: Callable[[], Directory]) -> APIRouter:
    """Build the routes under /lab/v1."""
    router = APIRouter(prefix="/lab/v1", tags=["lab"])

    @router.get("/regions/{region}/endpoints")
    async def endpoints(region: str) -> EndpointsEntry:
        profile = directory().profile
        try:
            own = endpoint_region(profile, region)
        except UnknownRegion:
            text = f"{region!r} is no region of {profile}."
            raise _not_found("region_not_found", text) from None
        return EndpointsEntry(
            public=host_name(own, EndpointType.PUBLIC),
            private=host_name(own, EndpointType.PRIVATE),
        )

    return router


def _not_found(code: str, message: str) -> Refused:
    return Refused(HTTPStatus.NOT_FOUND, Problem(code, message))
