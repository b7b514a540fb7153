"""`python -m loadtests.capacity`: how much a submission service carries, and why not more."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from rich.console import Console

from fixtures.peers.programs import Missing
from fixtures.profile import ProfileError
from fixtures.relay_process import RelayNotReady
from fixtures.transcript import SECRETS
from loadtests.__main__ import ExitCode
from loadtests.capacity import compare, grounds, page, report, session, sweep, under_load
from loadtests.capacity.grounds import Opened
from loadtests.capacity.objectives import STANDARD, BadObjectives, load_objectives
from loadtests.capacity.search import Verdict
from loadtests.capacity.session import Effort, Session
from loadtests.instrument import InstrumentTooSmall
from loadtests.progress import Progress
from loadtests.schedule import Schedule
from loadtests.site import NotReady
from loadtests.trial import INTERRUPTED, GeneratorFailed, Load, NoRoom

_EFFORTS = {
    "smoke": Effort(1.0, 1.5, 3.0, 1, 2.5, 0.25, 9),
    "standard": Effort(),
    "long": Effort(5.0, 10.0, 60.0, 3, 60.0, 0.05, 40),
}
# Longer than the checks take; the load ends with them.
_CHECK_SECONDS = 450.0
_KILL_SECONDS = 6.0
_EPILOG = """\
also: compare BEFORE.json AFTER.json, and plan --rate R (each has --help)

targets: relay, relay-no-dkim, postfix, exim, or a profile file

exit codes:
  0  every target has a confirmed interval, and its ledger balances at it
  1  a target meets the objectives at no rate, loses mail, or is worse than the baseline
  2  usage: wrong option, objectives or profile, or the target does not take a message
  3  the search was cut short, or a second one (--repeat) came to another interval
  4  harness fault: Locust broke down
  5  the generator, or others on this machine, were the limit: "at least" is all that can be said
  6  the results could not be written
  130  interrupted; what there was is written and marked as partial
"""


def parser() -> argparse.ArgumentParser:
    """Return the command-line parser."""
    program = argparse.ArgumentParser(
        prog="python -m loadtests.capacity",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    program.add_argument(
        "--target", action="append", default=[], metavar="NAME", help="several are searched in turn"
    )
    program.add_argument("--slo", type=Path, metavar="FILE", help="objectives as TOML")
    program.add_argument("--effort", choices=_EFFORTS, default="standard")
    program.add_argument(
        "--quick", action="store_const", const="smoke", dest="effort", help="--effort smoke"
    )
    program.add_argument(
        "--repeat",
        type=int,
        default=1,
        metavar="N",
        help="search each target N times, started anew; intervals that do not overlap are exit 3",
    )
    program.add_argument("--users", type=int, default=20, help="sessions (default: 20)")
    program.add_argument("--size", type=int, default=4096, metavar="OCTETS")
    program.add_argument("--messages-per-session", type=int, default=0, metavar="N")
    program.add_argument("--processes", type=int, default=1, help="generator processes")
    program.add_argument(
        "--apart",
        action="store_true",
        help="the target on the first core, generator and sink on the last",
    )
    program.add_argument("--out", type=Path, default=Path("reports/capacity"), metavar="FOLDER")
    program.add_argument("--cache", type=Path, default=Path(".cache/peers"), metavar="FOLDER")
    program.add_argument("--baseline", type=Path, metavar="CAPACITY.JSON")
    program.add_argument("--budgets", type=Path, metavar="FILE", help="least rates as TOML")
    program.add_argument("--write", type=Path, metavar="FILE.md", help="figures for the docs")
    program.add_argument(
        "--certify",
        action="store_true",
        help="re-check the security requirements at 100 and 120 %%, and kill the relay once",
    )
    program.add_argument("--keep", action="store_true", help="keep the raw files of every trial")
    return program


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["compare"]:
        return compare.main(given[1:])
    if given[:1] == ["plan"]:
        return sweep.main(given[1:])
    options = parser().parse_args(given)
    console = Console(highlight=False)
    done: list[Session] = []
    try:
        objectives = load_objectives(options.slo) if options.slo else STANDARD
        budgets = compare.load_budgets(options.budgets) if options.budgets else {}
        out = _made(options.out)
        is_apart = options.apart and len(os.sched_getaffinity(0)) > 1
        cores = sorted(os.sched_getaffinity(0))
        target_core, own_core = (cores[0], cores[-1]) if is_apart else (None, None)
        if own_core is not None:
            os.sched_setaffinity(0, {own_core})
        load = Load(
            users=options.users,
            octets=options.size,
            messages_per_session=options.messages_per_session,
            processes=options.processes,
            generator_core=own_core,
        )
        known = grounds.known(options.cache.resolve())
        facts = report.environment(given)
        if is_apart:
            facts["cores_apart"] = f"target on core {target_core}, generator and sink on {own_core}"
        effort = _EFFORTS[options.effort]
        with Progress(console) as progress:
            for turn, name in _turns(options.target or ["relay"], options.repeat):
                with grounds.opened(name, known, target_core) as opened:
                    progress.stage(f"{name} is up")
                    raw = out / "raw" / f"{Path(name).stem}-{turn}" if options.keep else None
                    look = session.search if turn else session.seek
                    found = look(
                        opened.site,
                        load,
                        objectives,
                        effort,
                        say=progress.stage,
                        detail=progress.detail,
                        folder=raw,
                        target_core=target_core,
                    )
                    if options.certify and not turn and not found.is_partial:
                        found = pressed(found, opened, progress)
                # Written after each of them: what a later one does cannot lose it.
                _keep(done, found, is_again=bool(turn))
                _write(done, facts, out)
                if options.write:
                    page.write(done, facts, options.write)
                if found.is_partial:
                    break
    except (NotReady, BadObjectives, ProfileError, RelayNotReady, Missing) as error:
        return _complain(error, ExitCode.USAGE)
    except InstrumentTooSmall as error:
        return _complain(error, ExitCode.INSTRUMENT)
    except GeneratorFailed as error:
        return _complain(error, ExitCode.HARNESS_FAULT)
    except NoRoom as error:
        return _complain(error, ExitCode.NO_ROOM)
    except KeyboardInterrupt:
        return _complain("interrupted", ExitCode.INTERRUPTED)
    for one in done:
        console.print(one.claim, style="bold")
        for other in one.again:
            word = "overlaps" if other.overlaps(one.interval) else "does not overlap"
            console.print(f"    searched again: {other}, {word}")
        console.print(f"    {one.limiter.name}: {one.limiter.evidence}")
        if one.is_partial:
            _complain(f"partial, cut off: {one.cut_off}", ExitCode.NO_ROOM)
    console.print(f"report: {out / 'capacity.html'}")
    code = judge(done)
    if options.baseline or budgets:
        problems = compare.problems(out / "capacity.json", options.baseline, budgets, console)
        code = code or (ExitCode.NOT_GOOD if problems else ExitCode.GOOD)
    return code


def _turns(names: Sequence[str], repeat: int) -> list[tuple[int, str]]:
    """All targets once, then all of them again: what a machine does for a while hits one turn."""
    return [(turn, name) for turn in range(repeat) for name in names]


def _keep(done: list[Session], found: Session, *, is_again: bool) -> None:
    if not is_again:
        done.append(found)
        return
    place = next(n for n, one in enumerate(done) if one.site.name == found.site.name)
    first = done[place]
    again = first.again if found.is_partial else (*first.again, found.interval)
    done[place] = replace(first, again=again, cut_off=first.cut_off or found.cut_off)


def pressed(found: Session, opened: Opened, progress: Progress) -> Session:
    """Re-check the security requirements at 100 and 120 % of the claim, and kill it once."""
    if opened.target is None or opened.target.dns is None or not found.interval.low:
        return replace(found, remarks=("Conformance under load: not observable here.",))
    remarks = []
    leaks = 0
    for level in (1.0, 1.2):
        rate = found.interval.low * level
        progress.stage(f"{found.site.name}: the suite's checks at {level:.0%}")
        load = replace(found.load, schedule=Schedule.constant(rate, _CHECK_SECONDS, poisson=True))
        seen = under_load.check(opened.site, opened.target, load, rate)
        if not seen.was_loaded:
            remarks.append(f"Conformance at {level:.0%}: not observable, the load ended first.")
            continue
        leaks += not seen.is_met
        counts = ", ".join(f"{count} {verdict}" for verdict, count in seen.verdicts.items())
        failed = f": {', '.join(seen.not_met)}" if seen.not_met else ""
        remarks.append(f"Conformance at {level:.0%} ({rate:,.0f}/s): {counts}{failed}.")
    progress.stage(f"{found.site.name}: killed once at 100 %")
    schedule = Schedule.constant(found.interval.low, _KILL_SECONDS, poisson=True)
    ledger = under_load.survive(opened.site, replace(found.load, schedule=schedule)).ledger
    if ledger is not None:
        leaks += bool(ledger.missing or ledger.changed)
        remarks.append(
            f"Killed once at 100 %: {ledger.accepted:,} accepted, {ledger.missing:,} missing, "
            f"{ledger.changed:,} changed, {ledger.doubled:,} doubled by the crash."
        )
    return replace(found, remarks=tuple(remarks), has_failed_open=bool(leaks))


def judge(done: Sequence[Session]) -> ExitCode:
    """The worst of all targets."""
    codes = [_code(one) for one in done]
    order = (
        ExitCode.INTERRUPTED, ExitCode.NO_ROOM, ExitCode.NOT_GOOD, ExitCode.INCONCLUSIVE,
        ExitCode.INSTRUMENT,
    )  # fmt: skip
    return next((code for code in order if code in codes), ExitCode.GOOD)


def _code(one: Session) -> ExitCode:
    if one.is_partial:
        return ExitCode.INTERRUPTED if one.cut_off == INTERRUPTED else ExitCode.NO_ROOM
    at_claim = [hold for hold in one.holds if hold.kind == "hold 100%"]
    leaks = any(h.outcome.ledger is not None and not h.outcome.ledger.is_balanced for h in at_claim)
    if leaks or one.has_failed_open:
        return ExitCode.NOT_GOOD
    if not one.interval.low and one.interval.high is not None:
        # A search that ran out of trials before it could confirm what it had met accuses nobody.
        has_met = any(trial.verdict is Verdict.MET for trial in one.trials)
        return ExitCode.INCONCLUSIVE if has_met else ExitCode.NOT_GOOD
    if one.interval.high is None:
        return ExitCode.INSTRUMENT
    return ExitCode.GOOD if one.is_confirmed and one.is_repeatable else ExitCode.INCONCLUSIVE


def _made(out: Path) -> Path:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NoRoom(f"{out}: {error.strerror}; name another --out") from None
    return out.resolve()


def _write(done: list[Session], facts: dict[str, object], out: Path) -> None:
    try:
        session.write(done, facts, out / "capacity.json")
        text = report.render(done, facts, "Capacity")
        (out / "capacity.html").write_text(SECRETS.redact_text(text), encoding="utf-8")
    except OSError as error:
        raise NoRoom(f"{out}: {error.strerror}; free some room, or name another --out") from None


def _complain(reason: object, code: ExitCode) -> ExitCode:
    sys.stderr.write(f"capacity: {SECRETS.redact_text(str(reason))}\n")
    return code


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
