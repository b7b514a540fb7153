"""The HTTP control port, for tests that are not written in Python.

    GET    /v1/health                       is it up, and where does it answer
    GET    /v1/zones                        origins
    GET    /v1/zones/ORIGIN                 the zone as a table
    PUT    /v1/zones/ORIGIN                 the same table as JSON, or as TOML: put in place whole
    DELETE /v1/zones/ORIGIN
    GET    /v1/queries?name=&type=&transport=&within=   what was asked; within waits for one
    DELETE /v1/queries                      forget them

Errors are JSON, {"error": "…"}. Loopback by default and without a login: for laboratories only.
"""

from __future__ import annotations

import json
import threading
import tomllib
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, unquote, urlsplit

from fake_dns.name import MalformedName, Name
from fake_dns.name_server import FakeDNS
from fake_dns.query_log import NotAsked, Query
from fake_dns.sockets import CannotListen, describe
from fake_dns.zone import Zone
from fake_dns.zone_error import ZoneError

MAX_BODY_OCTETS: Final = 4 * 1024 * 1024
MAX_WAIT_SECONDS: Final = 60.0
REQUEST_TIMEOUT_SECONDS: Final = 10.0
_QUERY_FILTERS: Final = frozenset({"name", "type", "transport", "within"})


class _Problem(Exception):
    """What goes back instead of a result."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status: Final = status


class Control:
    """Serves the control port of one FakeDNS until closed."""

    def __init__(self, dns: FakeDNS, *, address: str = "127.0.0.1", port: int = 0) -> None:
        """Bind at once; requests are answered between `start` and `stop`.

        Raises:
            CannotListen: Port in use, no permission, or no address of this machine.
        """
        handler = type("_BoundRequest", (_Request,), {"dns": dns})
        try:
            self._server: Final = _Server((address, port), handler)
        except (OSError, OverflowError) as error:
            raise CannotListen(f"control {describe(address, port, error)}") from error
        self.address: Final = address
        self.port: Final[int] = self._server.server_address[1]
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Answer requests, in threads."""
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="fake-dns-control", daemon=True
        )
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close the port."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up in the middle is no event."""


class _Request(BaseHTTPRequestHandler):
    dns: FakeDNS
    timeout = REQUEST_TIMEOUT_SECONDS
    server_version = "fake-dns"
    sys_version = ""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged: the query log is what people look at."""

    def _answer(self, method: str) -> None:
        try:
            status, body = self._route(method)
        except _Problem as problem:
            status, body = problem.status, {"error": str(problem)}
        octets = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if body is not None:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def _route(self, method: str) -> tuple[HTTPStatus, object]:
        url = urlsplit(self.path)
        match method, [unquote(part) for part in url.path.strip("/").split("/")]:
            case "GET", ["v1", "health"]:
                return HTTPStatus.OK, {
                    "status": "ok",
                    "address": self.dns.address,
                    "port": self.dns.port,
                    "packets": self.dns.counters,
                }
            case "GET", ["v1", "zones"]:
                return HTTPStatus.OK, {"zones": [zone.origin.text for zone in self.dns.zones]}
            case "GET", ["v1", "zones", origin]:
                zone = self.dns.zone(_origin(origin).absolute_text)
                if zone is None:
                    raise _Problem(HTTPStatus.NOT_FOUND, f"{origin}: no such zone")
                return HTTPStatus.OK, zone.as_table()
            case "PUT", ["v1", "zones", origin]:
                zone = self._zone(_origin(origin))
                self.dns.replace(zone)
                return HTTPStatus.OK, {"origin": zone.origin.text, "sets": len(zone.record_sets)}
            case "DELETE", ["v1", "zones", origin]:
                if not self.dns.remove(_origin(origin).absolute_text):
                    raise _Problem(HTTPStatus.NOT_FOUND, f"{origin}: no such zone")
                return HTTPStatus.NO_CONTENT, None
            case "GET", ["v1", "queries"]:
                return HTTPStatus.OK, {"queries": [asdict(q) for q in self._queries(url.query)]}
            case "DELETE", ["v1", "queries"]:
                self.dns.forget_queries()
                return HTTPStatus.NO_CONTENT, None
            case _:
                raise _Problem(HTTPStatus.NOT_FOUND, f"{method} {url.path}: no such resource")

    def _zone(self, origin: Name) -> Zone:
        body = self._body()
        is_toml = "toml" in self.headers.get("Content-Type", "").lower()
        try:
            text = body.decode("utf-8")
            table = tomllib.loads(text) if is_toml else json.loads(text)
        except (ValueError, RecursionError) as error:
            form = "TOML" if is_toml else "JSON"
            raise _Problem(HTTPStatus.BAD_REQUEST, f"the body is not {form}: {error}") from error
        if isinstance(table, dict):
            table.setdefault("origin", origin.absolute_text)
        try:
            zone = Zone.from_table(table)
        except ZoneError as error:
            raise _Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
        if zone.origin.key != origin.key:
            raise _Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                f"origin: {zone.origin.text}; expected {origin.text} as in the path",
            )
        return zone

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit() and len(length) < 12):
            raise _Problem(HTTPStatus.LENGTH_REQUIRED, "expected a Content-Length")
        if int(length) > MAX_BODY_OCTETS:
            raise _Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {MAX_BODY_OCTETS} octets"
            )
        return self.rfile.read(int(length))

    def _queries(self, query: str) -> tuple[Query, ...]:
        given = {key: values[-1] for key, values in parse_qs(query).items()}
        if unknown := given.keys() - _QUERY_FILTERS:
            known = ", ".join(sorted(_QUERY_FILTERS))
            raise _Problem(
                HTTPStatus.BAD_REQUEST,
                f"{', '.join(sorted(unknown))}: unknown filter; expected {known}",
            )
        name, type, transport = given.get("name"), given.get("type"), given.get("transport")
        if "within" in given and name is None:
            raise _Problem(HTTPStatus.BAD_REQUEST, "within: expected a name to wait for")
        try:
            if "within" in given and name is not None:
                seconds = min(max(float(given["within"]), 0.0), MAX_WAIT_SECONDS)
                self.dns.wait_for(name, type, seconds, transport=transport)
            return self.dns.queries(name, type, transport)
        except NotAsked:
            return ()
        except ValueError as error:
            raise _Problem(HTTPStatus.BAD_REQUEST, f"{query}: {error}") from error


def _origin(text: str) -> Name:
    try:
        return Name.parse(text)
    except MalformedName as error:
        raise _Problem(HTTPStatus.BAD_REQUEST, f"origin: {error}") from error
