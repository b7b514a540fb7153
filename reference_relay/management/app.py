"""The application: routes, the gate, and the envelope around every error."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from reference_relay.management import lab
from reference_relay.management.envelope import Problem, Refused, error_response
from reference_relay.management.token_gate import TokenGate
from reference_relay.service.directory import Directory

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ManagementContext:
    """What the routes work on.

    Attributes:
        queue: Knows the status of every accepted message.
        directory: Gives the snapshot in force.
        new_trace: Makes the id that ties an error answer to the log.
    """

    queue: lab.StatusSource
    directory: Callable[[], Directory]
    new_trace: Callable[[], str]


def build_app(context: ManagementContext, token: str) -> ASGIApp:
    """Build the whole application, gate included."""
    # No pages that would load scripts from elsewhere; the description itself stays, gated.
    app = FastAPI(title="Reference relay management", docs_url=None, redoc_url=None)
    app.include_router(lab.routes(context.queue, context.directory))

    @app.get("/healthz", tags=["health"])
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    def answer(status: int, *problems: Problem) -> JSONResponse:
        return error_response(status, context.new_trace(), problems)

    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> Response:
        return answer(error.status, *error.problems)

    @app.exception_handler(HTTPException)
    async def declined(_: Request, error: HTTPException) -> Response:
        phrase = HTTPStatus(error.status_code).phrase
        code = phrase.lower().replace(" ", "_").replace("-", "_")
        response = answer(error.status_code, Problem(code, f"{phrase}."))
        # 405 must name what is allowed (RFC 9110 §15.5.6).
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        problems = (
            Problem("bad_request", f"{'.'.join(map(str, one['loc']))}: {one['msg']}")
            for one in error.errors()
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

    return TokenGate(app, token, context.new_trace)
