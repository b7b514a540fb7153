"""What goes wrong in the service, as answers of the API."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from reference_relay.management.envelope import Problem, Refused
from reference_relay.management.models import ErrorEnvelope
from reference_relay.service.refused import (
    ChangeRefused,
    Invalid,
    LimitReached,
    NotFound,
    Stale,
    Taken,
)

_ERRORS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.CONFLICT,
    HTTPStatus.PRECONDITION_FAILED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
# Every route may answer these, always in the envelope.
RESPONSES: dict[int | str, dict[str, Any]] = {
    int(status): {"model": ErrorEnvelope, "description": status.phrase} for status in _ERRORS
}


def not_found(kind: str, id: str) -> Refused:
    """There is no such thing."""
    return refusal_of(NotFound(kind, id))


def refusal_of(error: ChangeRefused) -> Refused:
    """Say with which status and code a change is refused."""
    match error:
        case NotFound(kind=kind):
            status, code = HTTPStatus.NOT_FOUND, f"{kind}_not_found"
        case Taken(kind=kind):
            status, code = HTTPStatus.CONFLICT, f"{kind}_taken"
        case LimitReached():
            status, code = HTTPStatus.CONFLICT, "limit_reached"
        case Stale():
            status, code = HTTPStatus.PRECONDITION_FAILED, "stale"
        case Invalid() | _:
            status, code = HTTPStatus.BAD_REQUEST, "bad_request"
    return Refused(status, Problem(code, str(error)))
