"""The program: `reference-relay serve`, `demo` and `hash-password`.

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
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from reference_relay.config import Config, ConfigError, load_config
from reference_relay.lifetime import stop_event, until_stopped
from reference_relay.logs import log_to_stderr
from reference_relay.relay import Ready, Relay
from reference_relay.service.passwords import hash_password

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
    log_to_stderr(config.log_level)
    return asyncio.run(serve_until_signalled(config))


async def serve_until_signalled(config: Config) -> int:
    """Run a relay until SIGTERM or SIGINT; say on stdout when it is ready.

    Raises:
        ConfigError: It cannot start.
    """
    stopping = stop_event()
    relay = Relay(config)
    _announce(await relay.start())
    try:
        return await until_stopped(relay, stopping)
    finally:
        await relay.stop()
        _log.info("event=stopped")


def _announce(ready: Ready) -> None:
    line = {
        "event": "ready",
        "pid": os.getpid(),
        "endpoints": [asdict(one) for one in ready.endpoints],
        "management": ready.management and asdict(ready.management),
    }
    # Whoever started us may have gone already; that is no reason to stop.
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    if ready.new_token is not None:
        # Beside the log, which must hold no secret.
        _complain(f"management token, shown once: {ready.new_token}")


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
