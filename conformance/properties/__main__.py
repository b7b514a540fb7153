"""`python -m conformance.properties`: look harder for what breaks a property, or look again.

`--profile explore` spends minutes on each property where a certification spends a second.
`--replay FILE` judges one saved example and nothing else. Reports and exit codes are those of a
certification.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from conformance.certification import ROOT, Order, certify, console_beside_pytest
from conformance.properties.effort import EFFORTS
from conformance.properties.saved import ExampleError, SavedExample
from conformance.verdict import ExitCode

_HOME = Path(__file__).parent
# A property of this effort takes minutes, and pytest-timeout would call that a hang.
_PATIENT = ("-o", "timeout=900")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; exit codes as of `python -m conformance certify`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    split = given.index("--") if "--" in given else len(given)
    options = _parser().parse_args(given[:split])
    only = tuple(name for names in options.only for name in names.split(","))
    checks: tuple[Path, ...] = (_HOME,)
    more: tuple[str, ...] = ("--effort", options.profile)
    if options.replay is not None:
        try:
            saved = SavedExample.read(options.replay)
        except ExampleError as error:
            sys.stderr.write(f"{error}\n")
            return ExitCode.USAGE
        only, checks = (saved.requirement,), (ROOT / saved.check,)
        more = ("--example", str(options.replay.resolve()))
    order = Order(
        only=only,
        target=options.target,
        relay_command=options.relay_command,
        out=options.out,
        checks=checks,
        notes=(f"Only the property suites were run, with the profile {options.profile}.",),
        pytest_arguments=(*_PATIENT, *more, *given[split + 1 :]),
    )
    with console_beside_pytest() as console:
        try:
            return certify(order, console)
        except OSError as error:
            sys.stderr.write(f"{options.out}: the reports cannot be written: {error}\n")
            return ExitCode.USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance.properties", description=__doc__)
    parser.add_argument("--profile", choices=list(EFFORTS), default="ci", help="default: ci")
    parser.add_argument("--target", metavar="PROFILE", help="profile of the service to judge")
    parser.add_argument("--only", action="append", default=[], metavar="ID,GROUP")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="a file of a report's examples")
    parser.add_argument("--relay-command", metavar="COMMAND", help="as of certify")
    parser.add_argument("--out", type=Path, default=Path("reports/properties"), metavar="DIR")
    return parser


if __name__ == "__main__":
    sys.exit(main())
