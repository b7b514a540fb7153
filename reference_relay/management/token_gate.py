"""The gate in front of every route: no token, no answer but 401 (D-26)."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection
from http import HTTPStatus

from starlette.types import ASGIApp, Receive, Scope, Send

from reference_relay.management.envelope import Problem, error_response

# Says nothing about the relay but that it lives; watchdogs have no token.
OPEN_PATHS = frozenset({"/healthz"})


class TokenGate:
    """Lets requests through that carry the bearer token (RFC 6750 §2.1).

    It stands outside the routes, so that a path that does not exist is answered like one that does.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        new_trace: Callable[[], str],
        open_paths: Collection[str] = OPEN_PATHS,
    ) -> None:
        self._app = app
        self._open_paths = open_paths
        self._expected = token.encode()
        self._new_trace = new_trace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in self._open_paths or self._admits(scope):
            await self._app(scope, receive, send)
            return
        problem = Problem("unauthenticated", "A valid bearer token is needed.")
        answer = error_response(HTTPStatus.UNAUTHORIZED, self._new_trace(), [problem])
        await answer(scope, receive, send)

    def _admits(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(token, self._expected)
