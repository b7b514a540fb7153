"""`python -m conformance certify`: judge a submission service and write the reports."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance.certification import Order, certify, console_beside_pytest
from conformance.verdict import ExitCode

_EXIT_CODES = """\
exit codes:
  0  conformant: every requirement that was judged is met
  1  not conformant: at least one MUST or SERVICE requirement is not met
  2  usage: unknown requirement, wrong profile, nothing selected
  3  inconclusive: the target or the network did not let us measure
  4  harness fault: our own error

Arguments after -- go to pytest, such as -n 2.
"""


def parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    program = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    commands = program.add_subparsers(dest="command", required=True)
    certify_command = commands.add_parser(
        "certify",
        help="run the checks and write report.html, results.json, junit.xml and summary.md",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    certify_command.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="ID,GROUP",
        help="judge only these requirements, such as TLS,AUTH-03",
    )
    certify_command.add_argument(
        "--target", metavar="PROFILE", help="profile of the service to judge"
    )
    certify_command.add_argument(
        "--relay-command",
        metavar="COMMAND",
        help="start this relay instead of the embedded one; {config} stands for its file",
    )
    certify_command.add_argument(
        "--patience",
        type=float,
        metavar="SECONDS",
        help="wait this long in all for a target that throttles (default: the profile's)",
    )
    certify_command.add_argument(
        "--out",
        type=Path,
        default=Path("reports/certify"),
        metavar="DIR",
        help="folder for the four report files (default: %(default)s)",
    )
    return program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit codes are part of its promise."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    split = given.index("--") if "--" in given else len(given)
    options = parser().parse_args(given[:split])
    names = [name for only in options.only for name in only.split(",")]
    order = Order(
        only=tuple(names),
        target=options.target,
        relay_command=options.relay_command,
        patience_seconds=options.patience,
        out=options.out,
        pytest_arguments=tuple(given[split + 1 :]),
    )
    with console_beside_pytest() as console:
        try:
            return certify(order, console)
        except OSError as error:
            sys.stderr.write(f"{options.out}: the reports cannot be written: {error}\n")
            return ExitCode.USAGE


if __name__ == "__main__":
    sys.exit(main())
