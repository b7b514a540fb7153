"""The application: routes, the gate, and the envelope around every error."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp

from reference_relay.management import (
    clock,
    event_notifications,
    lab,
    lab_service,
    mail_metrics,
    metrics_text,
    problems,
    queue_routes,
    restrictions,
)
from reference_relay.management.body_gate import BodyGate
from reference_relay.management.envelope import Problem, Refused, error_response
from reference_relay.management.metrics_text import Family
from reference_relay.management.token_gate import OPEN_PATHS, TokenGate
from reference_relay.service.directory import Directory
from reference_relay.service.refused import ChangeRefused
from reference_relay.service.service import Service
from reference_relay.service.verification import StoreUnavailable, VerifiesDomains

_log = logging.getLogger(__name__)


class Relay(queue_routes.QueueControl, clock.HasClock, Protocol):
    """The relay, as far as its management knows it."""

    @property
    def directory(self) -> Directory:
        """The snapshot in force."""

    @property
    def workers_up(self) -> tuple[int, int]:
        """How many workers serve, and how many there should be."""

    async def metrics(self) -> Sequence[Family]:
        """Read the counters of all workers."""


@dataclass(frozen=True, slots=True)
class ManagementContext:
    """What the routes work on.

    Attributes:
        relay: Answers the questions.
        service: Who may send, and from where.
        domains: Looks at DNS when a verification is asked for.
        new_trace: Makes the id that ties an error answer to the log.
        open_metrics: Whether the metrics need no token.
    """

    relay: Relay
    service: Service
    domains: VerifiesDomains
    new_trace: Callable[[], str]
    open_metrics: bool = False


def build_app(context: ManagementContext, token: str) -> ASGIApp:
    """Build the whole application, gate included."""
    # No pages that would load scripts from elsewhere; the description itself stays, gated.
    app = FastAPI(
        title="Reference relay management",
        docs_url=None,
        redoc_url=None,
        responses=problems.RESPONSES,
    )
    relay = context.relay
    app.include_router(lab.routes(lambda: relay.directory))
    app.include_router(queue_routes.routes(relay))
    app.include_router(clock.routes(relay))
    app.include_router(lab_service.routes(context.service))
    app.include_router(event_notifications.routes(context.service, context.domains))
    app.include_router(mail_metrics.routes(context.service, relay))
    app.include_router(restrictions.routes(context.service))

    @app.get("/healthz", tags=["health"])
    async def healthz(response: Response) -> dict[str, str]:
        up, wanted = relay.workers_up
        if not up:
            response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
        # A worker that is being restarted is no reason to end all the others.
        is_whole = up == wanted and context.service.is_up
        return {"status": "ok" if is_whole else "degraded" if up else "down"}

    @app.get("/metrics", tags=["health"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        text = metrics_text.render(await relay.metrics())
        return Response(text, media_type=metrics_text.CONTENT_TYPE)

    def answer(status: int, *problems: Problem) -> JSONResponse:
        return error_response(status, context.new_trace(), problems)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return answer(error.status, *error.problems)

    @app.exception_handler(ChangeRefused)
    async def unchanged(_: Request, error: ChangeRefused) -> Response:
        refusal = problems.refusal_of(error)
        return answer(refusal.status, *refusal.problems)

    @app.exception_handler(StoreUnavailable)
    async def unavailable(_: Request, error: StoreUnavailable) -> Response:
        text = "The store cannot be reached now; mail goes on as it was."
        return answer(HTTPStatus.SERVICE_UNAVAILABLE, Problem("store_unavailable", text))

    @app.exception_handler(HTTPException)
    async def declined(request: Request, error: HTTPException) -> Response:
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "_").replace("-", "_")
        response = answer(error.status_code, Problem(code, f"{phrase}."))
        response.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # RFC 9110 §15.5.6: all that the place allows, not what one route of it does.
            response.headers["Allow"] = ", ".join(_allowed(app, request))
        return response

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        problems = (
            Problem("bad_request", f"{_place(one['loc'])}: {one['msg']}") for one in error.errors()
        )
        return answer(HTTPStatus.BAD_REQUEST, *problems)

    @app.exception_handler(Exception)
    async def failed(request: Request, _: Exception) -> Response:
        # The server logs the traceback; the answer gives nothing of it away.
        response = answer(
            HTTPStatus.INTERNAL_SERVER_ERROR,
            Problem("internal_error", "The relay could not answer."),
        )
        trace = response.headers["X-Global-Transaction-ID"]
        _log.error("event=management_error path=%s trace=%s", request.url.path, trace)
        return response

    open_paths = OPEN_PATHS | {"/metrics"} if context.open_metrics else OPEN_PATHS
    app.openapi = partial(_described, app)  # type: ignore[method-assign]
    return TokenGate(BodyGate(app, context.new_trace), token, context.new_trace, open_paths)


def _allowed(app: FastAPI, request: Request) -> list[str]:
    own = request.url.path
    described = app.openapi()["paths"]
    if own in described:
        return sorted(map(str.upper, described[own]))
    return sorted(
        method.upper()
        for path, operations in described.items()
        if re.fullmatch(re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(path)), own)
        for method in operations
    )


def _described(app: FastAPI) -> dict[str, Any]:
    """Describe the API, without the status that FastAPI has for what is a 400 here."""
    if app.openapi_schema is None:
        described = FastAPI.openapi(app)
        for path in described["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
    return app.openapi_schema or {}


def _place(location: Sequence[int | str]) -> str:
    # "body" says nothing to somebody who sent one.
    return ".".join(str(part) for part in location if part != "body") or "body"
