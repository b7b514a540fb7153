"""`python -m conformance certify`: judge a submission service and write the reports."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance.certification import Order, certify, console_beside_pytest
from conformance.selfcheck import instrument
from conformance.verdict import ExitCode
from fixtures.external import addressed_endpoints
from fixtures.profile import DEFAULT_PROFILE, ProfileError, load_profile

_EXIT_CODES = """\
exit codes:
  0  conformant: every requirement that was judged is met
  1  not conformant: at least one MUST or SERVICE requirement is not met
  2  usage: unknown requirement, wrong profile, nothing selected
  3  inconclusive: the target or the network did not let us measure
  4  harness fault: our own error

Arguments after -- go to pytest, such as -n 2.
"""

# Ours: checks mostly wait, for a delivery or for a time to pass; every worker has a relay, which
# wants a processor now and then.
_WORKERS = min((os.cpu_count() or 1) + 1, 4)
_MOST_WORKERS = 32


def parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    program = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    commands = program.add_subparsers(dest="command", required=True)
    for name, help_text in (
        ("certify", "judge a target; no waivers, no filters but --only"),
        ("check", "the same for everyday use: waivers and pytest's filters are allowed"),
    ):
        command = commands.add_parser(
            name,
            help=help_text,
            epilog=_EXIT_CODES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        _add_options(command)
        if name == "check":
            command.add_argument(
                "--waivers", type=Path, metavar="FILE", help="known failures, see waivers.py"
            )
    return program


def _add_options(certify_command: argparse.ArgumentParser) -> None:
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
        "--loop",
        choices=("asyncio", "uvloop"),
        help="event loop of the embedded relay (default: the profile's)",
    )
    certify_command.add_argument(
        "--workers",
        type=_workers,
        metavar="N",
        help="processes that run the checks, each with an embedded relay of its own"
        f" (default: {_WORKERS} for all checks of an embedded relay without a budget, else 1)",
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
        help="folder for the report files (default: %(default)s)",
    )


def _workers(text: str) -> int:
    number = int(text)
    if not 1 <= number <= _MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"expected a number from 1 to {_MOST_WORKERS}: {text}")
    return number


def _workers_for(target: str, only: Sequence[str]) -> int:
    """Return how many processes a target may be judged by; a wrong profile is told later."""
    if only:
        # Part of them is judged before several worlds are made.
        return 1
    try:
        profile = load_profile(target)
    except ProfileError:
        return 1
    return _WORKERS if profile.is_embedded and not profile.budget.limits_traffic else 1


def _is_somebody_else(target: str) -> bool:
    """Tell whether a profile is of a relay that we do not start; a wrong one is told later."""
    try:
        profile = load_profile(target)
        return not profile.is_embedded and bool(addressed_endpoints(profile))
    except ProfileError:
        return False


# What leaves every check in; anything else could leave some out without a trace in the report.
_HARMLESS = ("-n", "--numprocesses", "--dist", "--maxprocesses", "-p", "--randomly-seed")


def _filter_in(arguments: Sequence[str]) -> str:
    """Return the first of pytest's arguments that a certification does not take, "" if none."""
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        name, equals, value = argument.partition("=")
        short = argument[:2]
        if short in _HARMLESS and len(argument) > 2:
            name, value = short, argument[2:]
        elif not equals and rest:
            value = rest.pop(0)
        if name not in _HARMLESS or value.startswith("no:"):
            return argument
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the exit codes are part of its promise."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    split = given.index("--") if "--" in given else len(given)
    options = parser().parse_args(given[:split])
    if options.command == "certify" and (found := _filter_in(given[split + 1 :])):
        harmless = ", ".join(_HARMLESS)
        sys.stderr.write(
            f"{found}: a certification takes no filter but --only, and behind -- only {harmless}; "
            "use check\n"
        )
        return ExitCode.USAGE
    notes: tuple[str, ...] = ()
    fault = ""
    if options.command == "certify" and options.target and _is_somebody_else(options.target):
        if why := instrument.trouble():
            fault = f"the instrument failed its control samples: {why}"
        else:
            red = ", ".join(instrument.SAMPLES)
            notes = (f"Control samples: the reference relay was green; red were {red}.",)
    names = [name for only in options.only for name in only.split(",")]
    order = Order(
        command=options.command,
        only=tuple(names),
        target=options.target,
        relay_command=options.relay_command,
        loop=options.loop,
        workers=options.workers or _workers_for(options.target or str(DEFAULT_PROFILE), names),
        patience_seconds=options.patience,
        fault=fault,
        notes=notes,
        waivers=getattr(options, "waivers", None),
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
