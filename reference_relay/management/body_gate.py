"""The gate for bodies: of the right kind, and not too large, whatever the route."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reference_relay.management.envelope import Problem, error_response

# Ours: a zone of a thousand addresses with as many exclusions is a quarter of this.
MOST_OCTETS = 1 << 20


class BodyGate:
    """Refuses bodies that are no JSON (415) or larger than anybody needs (413)."""

    def __init__(self, app: ASGIApp, new_trace: Callable[[], str]) -> None:
        self._app = app
        self._new_trace = new_trace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH"):
            await self._app(scope, receive, send)
            return
        body = b""
        is_more = True
        while is_more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            is_more = message.get("more_body", False)
            if len(body) > MOST_OCTETS:
                text = f"expected a body of at most {MOST_OCTETS} octets"
                await self._refuse(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", text, scope, receive, send
                )
                return
        if body and not _is_json(scope):
            text = "expected a body of type application/json"
            await self._refuse(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                *("unsupported_media_type", text, scope, receive, send),
            )
            return
        is_read = False

        async def again() -> Message:
            nonlocal is_read
            if is_read:
                return await receive()
            is_read = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)

    async def _refuse(
        self,
        status: HTTPStatus,
        code: str,
        text: str,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        answer = error_response(status, self._new_trace(), [Problem(code, text)])
        await answer(scope, receive, send)


def _is_json(scope: Scope) -> bool:
    given = [value for name, value in scope["headers"] if name == b"content-type"]
    return len(given) == 1 and given[0].split(b";")[0].strip().lower() == b"application/json"
