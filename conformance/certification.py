"""One certification: choose, run, judge, report.

Whatever happens (an unknown selection, a target that is down, a fault of our own), the report
files are written and the exit code says which of these it was.
"""

from __future__ import annotations

import io
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from conformance import report, waivers
from conformance.catalogue import DIRECTORY, Catalogue, CatalogueError, SelectionError
from conformance.collector import Collector
from conformance.outcome import redacted
from conformance.progress import Progress
from conformance.report.results import Ordered, RequirementResult, Results, Run, judged
from conformance.sanity import Stage
from conformance.verdict import Conclusion, ExitCode, Verdict, conclude, nothing_run
from fixtures.profile import ProfileError
from fixtures.run_token import new_run, run_token
from fixtures.transcript import SECRETS

HOME = Path(__file__).parent
ROOT = HOME.parent

# Plugins that happen to be installed change no verdict: each one in use is named.
# Options by environment could leave checks out, and the report would not know.
_ENVIRONMENT = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_ADDOPTS": "",
    "PYTEST_PLUGINS": "",
}
# What the project's own pytest settings say, without what they add for developers.
_PYTEST = (
    *("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)),
    *("-o", "addopts=", "--import-mode=importlib", "--strict-markers", "--strict-config"),
    *("-p", "conformance.plugin", "-p", "no:cacheprovider"),
    # By the names under which workers, too, can import them.
    *("-p", "xdist", "-p", "pytest_timeout"),
    # Checks judge with must(), so rewriting their asserts would only cost time.
    *("--assert=plain", "--tb=native"),
)

# Whoever is free takes the next check; the longest come first.
_AS_THEY_COME = ("--dist", "load", "--maxschedchunk", "1")


@dataclass(frozen=True, slots=True)
class Order:
    """What a certification is asked to do.

    Attributes:
        command: "certify", or "check" for what may leave checks out and waive failures.
        only: Ids and groups to judge; empty is everything.
        target: A profile file; None is the relay that comes with the project.
        relay_command: What starts the relay instead of the embedded one.
        loop: The event loop of the embedded relay, "asyncio" or "uvloop"; None: its profile's.
        workers: In how many processes the checks run, each with a world of its own.
        patience_seconds: How long to wait in all for a target that throttles; None: its choice.
        waivers: A list of known failures; only a check may have one, a certification may not.
        out: The folder for the report files.
        pytest_arguments: Handed on to pytest.
        plugins: The pytest plugins that bring the fixture `target` and its world.
        checks: Files or folders with checks; empty is all there are.
        fault: Why nothing is judged, such as a control sample that failed; "" if nothing is wrong.
        notes: What the report is to say besides, such as the control samples of the instrument.
    """

    command: str = "certify"
    only: tuple[str, ...] = ()
    target: str | None = None
    relay_command: str | None = None
    loop: str | None = None
    workers: int = 1
    patience_seconds: float | None = None
    waivers: Path | None = None
    out: Path = Path("reports/certify")
    pytest_arguments: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ("fixtures.plugin",)
    checks: tuple[Path, ...] = ()
    fault: str = ""
    notes: tuple[str, ...] = ()
    catalogue: Path = field(default=DIRECTORY)


def certify(order: Order, console: Console) -> ExitCode:
    """Run a certification and write its reports.

    Args:
        order: What to do.
        console: Where progress and the verdict are shown.

    Raises:
        OSError: The report files cannot be written.
    """
    clean = report.cleaned(measure(order, console), SECRETS)
    report.tell(clean, report.write(clean, order.out), console)
    return clean.conclusion.exit_code


def measure(order: Order, console: Console) -> Results:
    """Run a certification; what comes back has not passed the redaction gate.

    Args:
        order: What to do; `out` is for others.
        console: Where progress is shown.
    """
    new_run()
    began = time.monotonic()
    started_at = datetime.now(UTC)
    try:
        catalogue = Catalogue.load(order.catalogue)
    except CatalogueError as error:
        catalogue = Catalogue((), {})
        conclusion = nothing_run(0, ExitCode.HARNESS_FAULT, f"harness fault: {error}")
        results: tuple[RequirementResult, ...] = ()
        run = Run(started_at, 0.0, _target_name(order), order.only, order=_ordered(order))
    else:
        run, conclusion, results = _measure(order, catalogue, console, started_at, began)
    return Results(
        run=run,
        conclusion=conclusion,
        groups=catalogue.groups,
        requirements=results,
        fingerprint=catalogue.fingerprint(),
    )


def check_folders() -> tuple[Path, ...]:
    """Return the folders of this package that hold checks."""
    found = {file.parent for file in HOME.glob("*/test_*.py")}
    folders = (folder for folder in found if folder.name not in ("tests", "selfcheck"))
    # Searches come last: what a check with examples of its own has found needs none.
    return tuple(sorted(folders, key=lambda folder: (folder.name == "properties", folder)))


def _measure(
    order: Order, catalogue: Catalogue, console: Console, started_at: datetime, began: float
) -> tuple[Run, Conclusion, tuple[RequirementResult, ...]]:
    collector = Collector(Progress(console, {row.id: row.group for row in catalogue}))
    total = len(catalogue)
    notes = list(order.notes)
    trouble = to_waive = ""
    known: tuple[waivers.Waiver, ...] = ()
    try:
        chosen = catalogue.select(order.only) if order.only else None
        if order.waivers is not None:
            known = waivers.read(order.waivers, [row.id for row in catalogue])
    except (SelectionError, ProfileError) as error:
        chosen = frozenset()
        conclusion = nothing_run(total, ExitCode.USAGE, f"usage error: {error}")
    else:
        status, said = (pytest.ExitCode.OK, "") if order.fault else _run_pytest(order, collector)
        early = _early_end(status, collector.usage_error or said, total)
        trouble = _trouble(collector, status)
        conclusion = (not collector.faults and early) or Conclusion(ExitCode.CONFORMANT, "", {})
        if order.fault:
            conclusion = nothing_run(total, ExitCode.HARNESS_FAULT, f"harness fault: {order.fault}")
        if status == pytest.ExitCode.INTERNAL_ERROR or collector.faults:
            notes += [*collector.faults, redacted(said, SECRETS)]
    results = judged(
        catalogue, chosen, collector.outcomes, collector.whole_examination(), collector.with_check
    )
    if not conclusion.headline:
        applied = waivers.apply(known, results, started_at.date())
        if order.command == "check":
            notes += _told(applied)
            to_waive = applied.proposals
        verdicts = [
            Verdict.WARNING if each.requirement.id in applied.waived else each.verdict
            for each in results
        ]
        conclusion = conclude(verdicts, trouble=trouble, harness_fault=_fault(collector))
        if applied.waived:
            waived = f"{conclusion.headline}; waived: {', '.join(sorted(applied.waived))}"
            conclusion = replace(conclusion, headline=waived)
        if applied.broken:
            sentence = f"the list of waivers is stale: {'; '.join(applied.broken)}"
            conclusion = replace(conclusion, exit_code=ExitCode.NOT_CONFORMANT, headline=sentence)
    run = Run(
        started_at=started_at,
        duration_seconds=time.monotonic() - began,
        target=_target_name(order, collector.profile),
        selection=order.only,
        notes=tuple(notes),
        dialogues=tuple(collector.dialogues),
        sanity_transcripts=tuple(collector.sanity_transcripts),
        token=run_token(),
        order=_ordered(order),
        to_waive=to_waive,
    )
    if run.caveat and conclusion.exit_code is not ExitCode.USAGE:
        conclusion = replace(conclusion, headline=f"{conclusion.headline}; {run.caveat}")
    return run, conclusion, results


def _ordered(order: Order) -> Ordered:
    return Ordered(
        command=order.command,
        target=order.target or "",
        relay_command=order.relay_command or "",
        loop=order.loop or "",
        patience_seconds=order.patience_seconds,
        arguments=order.pytest_arguments,
    )


def _told(applied: waivers.Applied) -> list[str]:
    """Return what a reader must know of the waivers, and the entries to paste."""
    said = []
    if applied.waived:
        said.append(
            f"waived, and shown as warnings in the counts: {', '.join(sorted(applied.waived))}"
        )
    if applied.proposals:
        said.append(f"to waive what is left, sign and paste:\n\n{applied.proposals}")
    return said


def _run_pytest(order: Order, collector: Collector) -> tuple[int, str]:
    paths = order.checks or check_folders()
    arguments = [*_PYTEST, "--controls"]
    for plugin in order.plugins:
        arguments += ["-p", plugin]
    if order.only:
        arguments += ["--only", ",".join(order.only)]
    if order.target is not None:
        arguments += ["--target", order.target]
    if order.relay_command is not None:
        arguments += ["--relay-command", order.relay_command]
    if order.loop is not None:
        arguments += ["--loop", order.loop]
    if order.workers > 1:
        arguments += ["-n", str(order.workers), *_AS_THEY_COME]
    if order.patience_seconds is not None:
        arguments += ["--patience", str(order.patience_seconds)]
    arguments += [*order.pytest_arguments, *map(str, paths)]
    said = io.StringIO()
    # pytest's own report would stand between the reader and the verdict.
    try:
        with redirect_stdout(said), redirect_stderr(said), _environment(_ENVIRONMENT):
            status = int(pytest.main(arguments, plugins=[collector]))
    except KeyboardInterrupt:
        status = int(pytest.ExitCode.INTERRUPTED)
    except Exception as error:  # whatever it is, the reports must say so
        collector.faults.append(f"{type(error).__name__}: {error}")
        said.write(traceback.format_exc())
        status = int(pytest.ExitCode.INTERNAL_ERROR)
    finally:
        collector.close()
    return status, said.getvalue()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the time of a block; the workers of pytest-xdist inherit them."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _early_end(status: int, said: str, total: int) -> Conclusion | None:
    """Conclude a run in which pytest itself says that nothing was judged."""
    match status:
        case pytest.ExitCode.USAGE_ERROR:
            errors = re.findall(r"(?i)^.*?\berror: (.*)$", said, re.MULTILINE) or [said]
            message = redacted(" ".join(" ".join(errors).split()), SECRETS)
            return nothing_run(total, ExitCode.USAGE, f"usage error: {message}")
        case pytest.ExitCode.NO_TESTS_COLLECTED:
            sentence = "usage error: none of the requirements selected has a check yet"
            return nothing_run(total, ExitCode.USAGE, sentence)
        case _:
            return None


def _trouble(collector: Collector, status: int) -> str:
    if status == pytest.ExitCode.INTERRUPTED:
        return "the run was interrupted"
    if not collector.dialogues:
        return ""
    first, last = collector.dialogues[0], collector.dialogues[-1]
    if not first.answers:
        return f"the target does not answer: {first.trouble}"
    if first.stage < Stage.ACCEPTED:
        return f"the sanity dialogue did not get through: {first.trouble}"
    # Who refuses the connection itself is gone, for all that can be seen.
    if last.stage < first.stage and last.is_throttled and last.stage >= Stage.CONNECTED:
        return f"the last sanity dialogue was put off: {last.trouble}"
    if last.stage < first.stage:
        return f"the target no longer answered at the end: {last.trouble}"
    if lost := collector.lost_checks:
        return f"{len(lost)} checks did not run, {lost[0]} first"
    return ""


def _fault(collector: Collector) -> str:
    if collector.faults:
        return collector.faults[0].partition("\n")[0]
    return ""


def _target_name(order: Order, profile: str = "") -> str:
    claims = f", profile {profile}" if profile else ""
    if order.target is not None:
        return f"{order.target}{claims}"
    who = "relay started by a command" if order.relay_command else "embedded reference relay"
    return f"{who}{claims}"


@contextmanager
def console_beside_pytest() -> Iterator[Console]:
    """Give a console on this terminal that pytest's capturing does not reach."""
    sys.stdout.flush()
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as stream:
        yield Console(file=stream, highlight=False, soft_wrap=not stream.isatty())
