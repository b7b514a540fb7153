"""Asking the management API, without anybody's SDK."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reference_relay.management.tests.served import TOKEN, Served


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; the body is parsed if it is JSON."""

    status: int
    headers: Mapping[str, str]
    body: Any


def asked(
    api: Served,
    method: str,
    path: str,
    body: object = None,
    *,
    octets: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Ask, with a document as JSON or octets as they are."""
    own = {"Authorization": f"Bearer {TOKEN}", **(headers or {})}
    if body is not None:
        octets = json.dumps(body).encode()
        own.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=20)
    try:
        connection.request(method, path, octets, own)
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    found = {name.lower(): value for name, value in response.getheaders()}
    is_json = found.get("content-type", "").startswith("application/json")
    return Answer(response.status, found, json.loads(text) if is_json else text)
