"""The program: `reference-relay serve`, `queue`, `demo` and `hash-password`.

Exit status: 0 after an orderly end, 1 after a fault of ours, 2 when it cannot start as asked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import getpass
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from reference_relay import queue_command
from reference_relay.config import Config, ConfigError, load_config
from reference_relay.config_tables import LOOPS
from reference_relay.doors import BoundEndpoint
from reference_relay.event_loop import loop_factory
from reference_relay.lifetime import reload_event, reloading, stop_event, until_stopped
from reference_relay.logs import LineLog, log_to_stderr, set_level
from reference_relay.relay import Ready, Relay
from reference_relay.service.passwords import hash_password

if TYPE_CHECKING:
    from reference_relay.supervision.supervisor import Supervisor

_log = logging.getLogger(__name__)

_PROGRAM = "reference-relay"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Args:
        arguments: The command line without the program's name; None takes the process's own.

    Returns:
        The exit status.
    """
    chosen = _parser().parse_args(arguments)
    try:
        match chosen.command:
            case "serve":
                return _serve(chosen.config)
            case "worker":
                return _worker(chosen.control, chosen.loop)
            case "queue":
                return queue_command.run(chosen)
            case "demo":
                return _demo(chosen.port)
            case _:
                return _hash_password()
    except ConfigError as error:
        for problem in error.problems:
            _complain(problem)
        return 2
    except KeyboardInterrupt:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM, description="A submission relay that everyone can compare with."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="run the relay of a configuration file")
    serve.add_argument("--config", type=Path, required=True, metavar="FILE", help="a TOML file")
    # For `serve` itself: without help, so that it is not listed.
    worker = commands.add_parser("worker")
    worker.add_argument("--control", type=int, required=True)
    worker.add_argument("--loop", choices=LOOPS, required=True)
    queue_command.add_parser(commands)
    demo = commands.add_parser(
        "demo", help="run a relay with its own DNS and mailbox, and print what to try"
    )
    demo.add_argument(
        "--port", type=_port, default=0, help="where to listen; 0, the default, takes a free one"
    )
    commands.add_parser(
        "hash-password", help="read a password on standard input, print what goes into the file"
    )
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, found {text}")
    return port


def _serve(source: Path) -> int:
    config = load_config(source)
    lines = log_to_stderr(config.log_level)
    # A supervisor moves no mail: the loop that was asked for is for its workers.
    loop = config.workers.loop if config.workers.count == 1 else "asyncio"
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        return runner.run(serve_until_signalled(config, lines))


async def serve_until_signalled(config: Config, lines: LineLog | None = None) -> int:
    """Run a relay until SIGTERM or SIGINT; say on stdout when it is ready.

    SIGHUP reloads the configuration file. A second SIGTERM or SIGINT ends everything at once.

    Args:
        config: What to run.
        lines: Where the lines of sessions and attempts go.

    Raises:
        ConfigError: It cannot start.
    """
    relay = _relay(config, lines)

    def end_at_once(number: signal.Signals) -> None:
        relay.kill()
        _log.warning("event=ended_at_once signal=%s", number.name)
        logging.shutdown()
        # What was promised is on disk; everything else was to be given up.
        os._exit(128 + number)

    def load() -> Config:
        return load_config(config.source)

    def reloaded(new: Config) -> None:
        if lines is not None:
            set_level(new.log_level, lines)

    stopping, hung_up = stop_event(end_at_once), reload_event()
    _announce(await relay.start())
    try:
        async with reloading(relay, hung_up, load, reloaded):
            return await until_stopped(relay, stopping)
    finally:
        await relay.stop()
        _log.info("event=stopped")
        if lines is not None:
            lines.flush()


def _relay(config: Config, lines: LineLog | None) -> Relay | Supervisor:
    if config.workers.count == 1:
        # One process is simpler to look at and to kill, and costs nothing for its supervisor.
        return Relay(config, lines=lines)
    from reference_relay.supervision.supervisor import Supervisor

    return Supervisor(config)


def _worker(descriptor: int, loop: str) -> int:
    from reference_relay.supervision.worker_program import serve_orders

    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        return runner.run(serve_orders(descriptor))


def _announce(ready: Ready) -> None:
    line = {
        "event": "ready",
        "pid": os.getpid(),
        "endpoints": [_endpoint(one) for one in ready.endpoints],
        "management": ready.management and asdict(ready.management),
    }
    # Whoever started us may have gone already; that is no reason to stop.
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    if ready.new_token is not None:
        # Beside the log, which must hold no secret.
        _complain(f"management token, shown once: {ready.new_token}")


def _endpoint(bound: BoundEndpoint) -> dict[str, object]:
    entry = asdict(bound)
    if not entry.pop("is_implicit_tls"):
        return entry
    return {**entry, "implicit_tls": True}


def _demo(port: int) -> int:
    # Only the demo needs a certificate maker and a mailbox.
    from reference_relay.demo import run_demo

    log_to_stderr("warning")
    return asyncio.run(run_demo(port))


def _hash_password() -> int:
    password = getpass.getpass() if sys.stdin.isatty() else _read_password()
    if not password or "\0" in password:
        _complain("expected a password on standard input: UTF-8, not empty, without NUL")
        return 2
    sys.stdout.write(hash_password(password) + "\n")
    return 0


def _read_password() -> str:
    # Octets as given: a trailing blank is part of the password, a line end is not.
    octets = sys.stdin.buffer.read().removesuffix(b"\n").removesuffix(b"\r")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _complain(text: str) -> None:
    sys.stderr.write(f"{_PROGRAM}: {text}\n")
    sys.stderr.flush()
