"""The program: `fake-dns serve`, `check`, `import`, `export` and `openapi`.

Standard output carries what was asked for, of `serve` one JSON line when it is ready.
Bad input is one message on standard error and exit status 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import metadata

from fake_dns.master_file import read_master_file, write_master_file
from fake_dns.query_writer import DEFAULT_LINES_PER_SECOND, LogForm
from fake_dns.serve import serve
from fake_dns.serving import EventLoop
from fake_dns.sockets import CannotListen
from fake_dns.toml_text import write_toml
from fake_dns.zone_error import ZoneError
from fake_dns.zone_source import read_zone, read_zones


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit status.

    Args:
        arguments: Words of the command line; None takes those of the process.
    """
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    try:
        return command(options)
    except (ZoneError, CannotListen) as error:
        sys.stderr.write(f"fake-dns: {error}\n")
        return 2


def _warn(message: str) -> None:
    sys.stderr.write(f"fake-dns: warning: {message}\n")


def _check(options: argparse.Namespace) -> int:
    for path, zone in read_zones(options.zones, _warn).items():
        sys.stdout.write(f"{path}: {zone.origin.text}, {len(zone.record_sets)} record sets: OK\n")
    return 0


def _import(options: argparse.Namespace) -> int:
    zone = read_master_file(options.file, options.origin, _warn)
    sys.stdout.write(write_toml(zone.as_table()))
    return 0


def _export(options: argparse.Namespace) -> int:
    zone = read_zone(options.zone, _warn)
    try:
        sys.stdout.write(write_master_file(zone))
    except ZoneError as error:
        raise ZoneError(f"{options.zone}: {error}") from error
    return 0


def _openapi(_: argparse.Namespace) -> int:
    import json

    from fake_dns.control_api import build_app
    from fake_dns.name_server import FakeDNS

    sys.stdout.write(json.dumps(build_app(FakeDNS()).openapi(), indent=2) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fake-dns", description="A name server for tests: zones from files, on loopback."
    )
    parser.add_argument("--version", action="version", version=_version())
    commands = parser.add_subparsers(required=True)
    _add_serve(commands.add_parser("serve", help="serve zones until SIGTERM or SIGINT"))

    check = commands.add_parser("check", help="check zone files and end")
    check.add_argument("zones", nargs="+", metavar="ZONE", help=_ZONE)
    check.set_defaults(run=_check)

    importing = commands.add_parser("import", help="write a standard master file as a TOML zone")
    importing.add_argument("file", metavar="FILE", help="a standard master file (RFC 1035 §5)")
    importing.add_argument("--origin", help="what relative names end in before any $ORIGIN")
    importing.set_defaults(run=_import)

    exporting = commands.add_parser("export", help="write a zone as a standard master file")
    exporting.add_argument("zone", metavar="ZONE", help=_ZONE)
    exporting.set_defaults(run=_export)

    openapi = commands.add_parser("openapi", help="write the description of the control port")
    openapi.set_defaults(run=_openapi)
    return parser


def _add_serve(serving: argparse.ArgumentParser) -> None:
    add = serving.add_argument
    add("zones", nargs="*", metavar="ZONE", help=_ZONE)
    add("--address", default="127.0.0.1", help="where to listen (127.0.0.1)")
    add("--port", type=_port, default=0, help="for UDP and TCP; 0 is the kernel's choice")
    add("--tls-port", type=_port, help="answer over TLS too (RFC 7858); 0 is the kernel's choice")
    add("--tls-certificate", metavar="FILE", help="write the certificate made for TLS here")
    add("--server", action="append", default=[], metavar="NAME", help="one more server of the same")
    add("--resolver", action="append", default=[], metavar="NAME", help="one that is a cache")
    add("--control-port", type=_port, help="open the HTTP control port on loopback")
    add("--watch", action="store_true", help="reload zone files that change")
    add("--workers", type=_positive, default=1, help="processes that share the port (1)")
    add("--loop", type=EventLoop, default=EventLoop.AUTO, help="auto, asyncio or uvloop")
    add("--keep-queries", type=_positive, help="how many queries the log looks back on")
    add(
        "--log",
        choices=[form.value for form in LogForm],
        default=LogForm.NONE.value,
        help="write queries to standard error",
    )
    add(
        "--log-rate",
        type=_whole,
        default=DEFAULT_LINES_PER_SECOND,
        metavar="LINES",
        help=f"lines a second, the rest is counted ({DEFAULT_LINES_PER_SECOND}); 0 writes all",
    )
    serving.set_defaults(run=serve)


_ZONE = "a zone file: TOML if it ends in .toml, else a standard master file"


def _port(text: str) -> int:
    return _within(text, 0, 65535)


def _positive(text: str) -> int:
    return _within(text, 1, 10_000_000)


def _whole(text: str) -> int:
    return _within(text, 0, 10_000_000)


def _within(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 9 and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(f"{text!r}; expected a number from {least} to {most}")
    return int(text)


def _version() -> str:
    try:
        return metadata.version("submission-conformance")
    except metadata.PackageNotFoundError:
        return "not installed"
