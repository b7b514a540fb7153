"""`python -m conformance.replay results.json TLS-09`: run one thing of an earlier result again.

The same target, the same options and seeds, one requirement or one check of it; then say whether
the verdict is the same. What only the traffic of a whole run can show (RPL) has its run repeated.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from conformance import SUITE_VERSION, single_check
from conformance.catalogue import Catalogue
from conformance.certification import Order, certify, console_beside_pytest
from conformance.report import archive
from conformance.report.results import SCHEMA
from conformance.verdict import ExitCode, Verdict
from fixtures.profile import ProfileError, load_profile
from fixtures.transcript import SECRETS

_EXIT_CODES = """\
exit codes:
  0  the same verdict as before
  1  another verdict
  2  usage: unknown id, results of another version, missing credentials
  3  inconclusive: the target or the network did not let us measure it again
  4  harness fault: our own error
"""
_CODES = {
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
    Verdict.UNCHECKED: ExitCode.INCONCLUSIVE,
    Verdict.HARNESS_ERROR: ExitCode.HARNESS_FAULT,
}
_PASSIVE = "passive"


class ReplayError(Exception):
    """What was asked cannot be run again; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier run says of the thing to repeat.

    Attributes:
        requirement: Its id.
        check: The check to repeat, "" for all of the requirement.
        verdict: What it came to.
        is_passive: Whether only the traffic of the whole run shows it.
        run: The circumstances, as they stand in the file.
    """

    requirement: str
    check: str
    verdict: Verdict
    is_passive: bool
    run: Mapping[str, Any]

    def order(self, out: Path) -> Order:
        """Return what to run, with what it was run with before."""
        ordered = self.run["order"]
        arguments = tuple(ordered["arguments"])
        if self.check:
            arguments = (single_check.OPTION, self.check, *arguments)
        return Order(
            # Nobody may take it for a certification.
            command="check",
            only=tuple(self.run["selection"]) if self.is_passive else (self.requirement,),
            target=ordered["target"] or None,
            relay_command=ordered["relay_command"] or None,
            loop=ordered["loop"] or None,
            patience_seconds=ordered["patience_seconds"],
            pytest_arguments=arguments,
            plugins=("fixtures.plugin", single_check.__name__),
            out=out,
        )


def read(file: Path, name: str) -> Earlier:
    """Find a requirement or a check in a results.json.

    Args:
        file: The results.
        name: An id such as TLS-09, or a check as the file names it.

    Raises:
        ReplayError: It is no results.json of this version of the suite, or it has no such thing.
    """
    document = _document(file)
    requirement, verdict, checks = _found(file, document, name)
    is_check = name in checks
    return Earlier(
        requirement=requirement,
        check=name if is_check else "",
        verdict=checks[name] if is_check else verdict,
        is_passive=not is_check and bool(checks) and all(one == _PASSIVE for one in checks),
        run=document["run"],
    )


def _document(file: Path) -> dict[str, Any]:
    try:
        document = archive.load(file)
        found = (document["schema"], document["suite"]["version"], document["suite"]["catalogue"])
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        why = getattr(error, "strerror", None) or "it is no results.json of this schema"
        raise ReplayError(f"{file}: cannot be read: {why}; give results.json of a run") from None
    due = (SCHEMA, SUITE_VERSION, Catalogue.load().fingerprint())
    for key, was, now in zip(
        ("schema", "suite.version", "suite.catalogue"), found, due, strict=True
    ):
        if was != now:
            remedy = "replay it with the version that wrote it, or certify the target again"
            raise ReplayError(f"{file}: {key}: expected {now}, found {was}; {remedy}")
    if "order" not in document["run"]:
        raise ReplayError(f"{file}: run.order: missing; certify the target again")
    return document


def _found(
    file: Path, document: Mapping[str, Any], name: str
) -> tuple[str, Verdict, dict[str, Verdict]]:
    for row in document["requirements"]:
        checks = {one["check"]: Verdict(one["verdict"]) for one in row["checks"]}
        if row["id"] == name.upper() or (name in checks and name != _PASSIVE):
            if not checks:
                reason = f"{row['id']} did not run: {row['reason']}"
                raise ReplayError(f"{file}: {reason}; name one that did")
            return row["id"], Verdict(row["verdict"]), checks
    raise ReplayError(f"{file}: no requirement and no check {name!r}; ids look like TLS-09")


def again(earlier: Earlier, out: Path, console: Console) -> ExitCode:
    """Run it again and compare.

    Raises:
        OSError: The reports cannot be written.
    """
    ended = certify(earlier.order(out), console)
    if ended is ExitCode.USAGE:
        return ended
    file = out / "results.json"
    _, verdict, checks = _found(file, archive.load(file), earlier.requirement)
    now = checks.get(earlier.check, Verdict.UNCHECKED) if earlier.check else verdict
    is_same = now is earlier.verdict
    console.print(
        f"{earlier.check or earlier.requirement}: {earlier.verdict.value} before, "
        f"{now.value} now: {'the same verdict' if is_same else 'another verdict'}",
        markup=False,
    )
    if is_same:
        return ExitCode.CONFORMANT
    return _CODES.get(now, ExitCode.NOT_CONFORMANT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program."""
    program = argparse.ArgumentParser(
        prog="python -m conformance.replay",
        description=__doc__,
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    program.add_argument("results", type=Path, metavar="results.json")
    program.add_argument("name", metavar="ID", help="TLS-09, or the name of a check in the file")
    program.add_argument(
        "--out", type=Path, default=Path("reports/replay"), metavar="DIR", help="%(default)s"
    )
    options = program.parse_args(arguments)
    try:
        earlier = read(options.results, options.name)
        if target := earlier.run["order"]["target"]:
            load_profile(target)
    except (ReplayError, ProfileError) as error:
        sys.stderr.write(f"{SECRETS.redact_text(str(error))}\n")
        return ExitCode.USAGE
    with console_beside_pytest() as console:
        try:
            return again(earlier, options.out, console)
        except OSError as error:
            sys.stderr.write(f"{options.out}: the reports cannot be written: {error}\n")
            return ExitCode.USAGE


if __name__ == "__main__":
    sys.exit(main())
