"""`fake-dns serve`: everything wired, until a signal ends it."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

from fake_dns.name_server import MAIN, FakeDNS
from fake_dns.options import Options
from fake_dns.query_log import DEFAULT_CAPACITY, Query
from fake_dns.query_writer import LogForm, QueryWriter
from fake_dns.sockets import CannotListen
from fake_dns.zone import Zone
from fake_dns.zone_source import ZoneWatch, read_zones


def serve(options: argparse.Namespace) -> int:
    """Serve zones until SIGTERM or SIGINT; SIGHUP reads them anew.

    Raises:
        ZoneError: A zone file is wrong.
        CannotListen: An address or port cannot be had.
    """
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    zones = read_zones(options.zones, _report)
    with ExitStack() as running:
        on_query = None
        if options.log != LogForm.NONE:
            writer = QueryWriter(sys.stderr, LogForm(options.log), options.log_rate)
            running.callback(writer.close)
            on_query = writer.write
        dns = running.enter_context(_name_server(options, zones.values(), on_query))
        watch = ZoneWatch(dns, zones, _report)
        signal.signal(signal.SIGHUP, lambda *_: _in_background(watch.reload))
        if options.watch:
            running.enter_context(watch)
        if options.tls_certificate:
            _write_certificate(dns, Path(options.tls_certificate))
        control = None
        if options.control_port is not None:
            # Imported here: who has no control port does not wait for a web framework.
            from fake_dns.control import Control

            control = running.enter_context(Control(dns, port=options.control_port))
        ready = {
            "event": "ready",
            "address": dns.address,
            "port": dns.port,
            "tls_port": dns.tls_port,
            "servers": {
                name: {"port": one.port, "tls_port": one.tls_port}
                for name, one in dns.servers.items()
                if name != MAIN
            },
            "control": control and {"address": control.address, "port": control.port},
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        ended.wait()
    return 0


def _name_server(
    options: argparse.Namespace,
    zones: Iterable[Zone],
    on_query: Callable[[Query], None] | None,
) -> FakeDNS:
    if options.tls_certificate and options.tls_port is None:
        raise CannotListen(
            f"--tls-certificate {options.tls_certificate}: there is no TLS; expected --tls-port too"
        )
    try:
        return FakeDNS(
            zones,
            address=options.address,
            port=options.port,
            servers=options.server,
            resolvers=options.resolver,
            tls=options.tls_port is not None,
            on_query=on_query,
            options=_options(options),
        )
    except ValueError as error:
        raise CannotListen(str(error)) from error


def _options(options: argparse.Namespace) -> Options:
    return Options(
        tls_port=options.tls_port or 0,
        keep_queries=options.keep_queries or DEFAULT_CAPACITY,
        event_loop=options.loop,
        workers=options.workers,
    )


def _write_certificate(dns: FakeDNS, path: Path) -> None:
    if dns.certificate is None:
        return
    try:
        path.write_bytes(dns.certificate.pem)
    except OSError as error:
        raise CannotListen(
            f"--tls-certificate {path}: {error.strerror}; expected a file that can be written"
        ) from error


def _in_background(task: Callable[[], None]) -> None:
    """A signal may arrive while a lock is held; what takes that lock runs elsewhere."""
    threading.Thread(target=task, daemon=True).start()


def _report(message: str) -> None:
    sys.stderr.write(f"fake-dns: {message}\n")
