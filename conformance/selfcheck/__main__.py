"""`python -m conformance.selfcheck`: does the suite notice relays that are broken on purpose?

Certifies each broken relay by the requirements its mutation names, and demands *not met* from
the check's own assertion. The unbroken relay must be green by the same requirements: a check
that accuses everybody would kill every mutation and prove nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from conformance.selfcheck.broken_relay import UNBROKEN
from conformance.selfcheck.mutations import MUTATIONS
from conformance.selfcheck.trial import Trial, attempt, control
from conformance.verdict import ExitCode

# A process certifies this many relays: importing the suite costs more than most trials, and
# the secrets of old worlds make the redaction of new ones slower and slower.
_TRIALS_OF_A_PROCESS = 12
# Ours: a batch takes about a minute; one that takes ten has a relay that hangs.
_BATCH_SECONDS = 600.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mutations named, or all; exit 0 only if every one was killed."""
    options = _parser().parse_args(arguments)
    unknown = [name for name in options.names if name not in MUTATIONS]
    if unknown or not MUTATIONS:
        known = ", ".join(MUTATIONS)
        sys.stderr.write(f"no mutation {', '.join(unknown)}; expected some of {known}\n")
        return ExitCode.USAGE
    chosen = {name: MUTATIONS[name] for name in options.names or MUTATIONS}
    requirements = sorted(
        {name for each in chosen.values() for name in (*each.requirements, *each.traffic)}
    )
    killed = 0
    is_green = False
    with _compiled_once():
        for trial in _trials(requirements, list(chosen), options.jobs):
            if trial.name == UNBROKEN:
                is_green = trial.is_passed
                _tell("control", trial, "The unbroken relay is green by the same requirements.")
            else:
                mutation = chosen[trial.name]
                killed += trial.is_passed
                _tell(f"{','.join(mutation.requirements)} {trial.name}", trial, mutation.sentence)
    sys.stdout.write(f"{killed}/{len(chosen)} killed\n")
    is_sound = is_green and killed == len(chosen)
    return ExitCode.CONFORMANT if is_sound else ExitCode.NOT_CONFORMANT


def _trials(requirements: Sequence[str], names: Sequence[str], jobs: int) -> Iterator[Trial]:
    """Try the control and every mutation, as they end.

    A pool is thrown away after a batch: `max_tasks_per_child` would say the same in one word, but
    in CPython 3.11 an executor that replaces its processes can wait for ever (gh-115634).
    """
    size = jobs * _TRIALS_OF_A_PROCESS
    context = multiprocessing.get_context("spawn")
    # The control takes as long as a hundred mutations: beside them, so that no batch waits for it.
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as apart:
        unbroken = apart.submit(control, requirements)
        for start in range(0, len(names), size):
            with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
                batch = [pool.submit(attempt, name) for name in names[start : start + size]]
                for done in as_completed(batch, timeout=_BATCH_SECONDS):
                    yield done.result()
        yield unbroken.result(timeout=_BATCH_SECONDS)


@contextlib.contextmanager
def _compiled_once() -> Iterator[None]:
    """Where Python may write no bytecode, give the processes a place of their own for it."""
    if not sys.dont_write_bytecode:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="selfcheck-bytecode-") as folder:
        before = os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = folder
        try:
            yield
        finally:
            del os.environ["PYTHONPYCACHEPREFIX"]
            if before is not None:
                os.environ["PYTHONDONTWRITEBYTECODE"] = before


def _tell(what: str, trial: Trial, sentence: str) -> None:
    word = "ok" if trial.is_passed else "FAILED"
    sys.stdout.write(f"{word:<7}{what} ({trial.seconds:.1f} s): {sentence}\n")
    for finding in trial.findings:
        sys.stdout.write(f"       {finding}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance.selfcheck", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutations to try; default all")
    parser.add_argument(
        "--jobs", type=int, default=3, metavar="N", help="mutations at a time (default 3)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
