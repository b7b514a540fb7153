"""The program: `fake-dns serve ZONE…` and `fake-dns check ZONE…`.

Standard output carries one JSON line when the server is ready; queries go to standard error.
Bad input is one message on standard error and exit status 2.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from importlib import metadata

from fake_dns.control import Control
from fake_dns.name_server import FakeDNS
from fake_dns.query_log import Query
from fake_dns.sockets import CannotListen
from fake_dns.zone import Zone
from fake_dns.zone_error import ZoneError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status.

    Args:
        arguments: Words of the command line; None takes those of the process.
    """
    options = _parser().parse_args(arguments)
    try:
        zones = _load(options.zones)
        if options.command == "check":
            return _check(zones)
        return _serve(zones, options)
    except (ZoneError, CannotListen) as error:
        sys.stderr.write(f"fake-dns: {error}\n")
        return 2


def _load(paths: Sequence[str]) -> dict[str, Zone]:
    zones: dict[str, Zone] = {}
    for path in paths:
        zone = Zone.from_toml(path)
        for other_path, other in zones.items():
            if other.origin.key == zone.origin.key:
                raise ZoneError(
                    f"{path}: origin: {zone.origin.text} is also that of {other_path};"
                    " expected one file per zone"
                )
        zones[path] = zone
    return zones


def _check(zones: Mapping[str, Zone]) -> int:
    for path, zone in zones.items():
        sys.stdout.write(f"{path}: {zone.origin.text}, {len(zone.record_sets)} record sets: OK\n")
    return 0


def _serve(zones: Mapping[str, Zone], options: argparse.Namespace) -> int:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with ExitStack() as running:
        dns = running.enter_context(
            FakeDNS(
                zones.values(),
                address=options.address,
                port=options.port,
                on_query=_LOGS[options.log],
            )
        )
        control = None
        if options.control_port is not None:
            control = running.enter_context(Control(dns, port=options.control_port))
        ready = {
            "event": "ready",
            "address": dns.address,
            "port": dns.port,
            "control": control and {"address": control.address, "port": control.port},
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        ended.wait()
    return 0


def _log_json(query: Query) -> None:
    _log_line(json.dumps({"event": "query", **asdict(query)}))


def _log_text(query: Query) -> None:
    client = f"{query.client[0]} port {query.client[1]}"
    outcome = query.rcode or "no reply"
    _log_line(f"{query.name} {query.type} {query.transport} from {client}: {outcome}")


def _log_line(line: str) -> None:
    # Who closed the log still wants answers.
    with suppress(OSError):
        sys.stderr.write(f"{line}\n")


_LOGS: dict[str, Callable[[Query], None] | None] = {
    "none": None,
    "text": _log_text,
    "json": _log_json,
}


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a number from 0 to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fake-dns", description="A name server for tests: zones from TOML, on loopback."
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve zones until SIGTERM or SIGINT")
    serve.add_argument("zones", nargs="*", metavar="ZONE", help="a zone file (TOML)")
    serve.add_argument("--address", default="127.0.0.1", help="where to listen (127.0.0.1)")
    serve.add_argument(
        "--port", type=_port, default=0, help="for UDP and TCP; 0 is the kernel's choice"
    )
    serve.add_argument("--control-port", type=_port, help="open the HTTP control port on loopback")
    serve.add_argument(
        "--log", choices=sorted(_LOGS), default="none", help="write queries to standard error"
    )
    check = commands.add_parser("check", help="check zone files and end")
    check.add_argument("zones", nargs="+", metavar="ZONE", help="a zone file (TOML)")
    return parser


def _version() -> str:
    try:
        return metadata.version("submission-conformance")
    except metadata.PackageNotFoundError:
        return "not installed"
