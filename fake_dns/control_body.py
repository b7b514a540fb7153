"""What is sent to the control port: bodies of bearable length, zones in three forms."""

from __future__ import annotations

import json
import tomllib
from http import HTTPStatus
from typing import Final

from starlette.requests import Request

from fake_dns.master_file import read_master_text
from fake_dns.name import MalformedName, Name
from fake_dns.zone import Zone
from fake_dns.zone_error import ZoneError

MAX_BODY_OCTETS: Final = 4 * 1024 * 1024


class Refused(Exception):
    """What goes back instead of a result."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status: Final = status


async def read_body(request: Request) -> bytes:
    """Read a body of bearable length.

    Raises:
        Refused: 413 beyond the bound.
    """
    body = bytearray()
    size = 0
    async for part in request.stream():
        size += len(part)
        # What is too much is read all the same, for a while: a client that still writes hears us.
        if size <= MAX_BODY_OCTETS:
            body += part
        elif size > 16 * MAX_BODY_OCTETS:
            break
    if size > MAX_BODY_OCTETS:
        raise Refused(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {MAX_BODY_OCTETS} octets"
        )
    return bytes(body)


def read_zone_text(body: bytes, kind: str, origin: Name) -> Zone:
    """Read a zone from a body of that media type.

    Raises:
        Refused: 400 for what has not that form, 422 for what is no such zone.
    """
    try:
        text = body.decode("utf-8")
        if "text/dns" in kind:
            zone = read_master_text(text, "the body", origin)
        else:
            zone = Zone.from_table(_table(text, kind, origin))
    except ZoneError as error:
        raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    except (ValueError, RecursionError) as error:
        form = "TOML" if "toml" in kind else "text" if "dns" in kind else "JSON"
        raise Refused(HTTPStatus.BAD_REQUEST, f"the body is not {form}: {error}") from error
    if zone.origin.key != origin.key:
        raise Refused(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"origin: {zone.origin.text}; expected {origin.text} as in the path",
        )
    return zone


def _table(text: str, kind: str, origin: Name) -> object:
    table = tomllib.loads(text) if "toml" in kind else json.loads(text)
    if isinstance(table, dict):
        table.setdefault("origin", origin.absolute_text)
    return table


def read_origin(text: str) -> Name:
    """Read the origin in a path.

    Raises:
        Refused: 400 for what is no name.
    """
    try:
        return Name.parse(text)
    except MalformedName as error:
        raise Refused(HTTPStatus.BAD_REQUEST, f"origin: {error}") from error
