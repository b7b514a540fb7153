"""The one shape of every error: the envelope of the vendor's API."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import JSONResponse


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: a code for programs, a message for people."""

    code: str
    message: str
    more_info: str = ""


class Refused(Exception):
    """The call is answered with an error status and these problems."""

    def __init__(self, status: HTTPStatus, *problems: Problem) -> None:
        self.status = status
        self.problems = problems
        super().__init__(status.phrase)


def error_response(status: int, trace: str, problems: Sequence[Problem]) -> JSONResponse:
    """Build the answer of an error.

    Args:
        status: HTTP status code.
        trace: Names this answer in the relay's log.
        problems: At least one.
    """
    errors = [
        {"code": one.code, "message": one.message, "more_info": one.more_info} for one in problems
    ]
    body = {"status_code": status, "trace": trace, "errors": errors}
    headers = {"X-Global-Transaction-ID": trace}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, status_code=status, headers=headers)
