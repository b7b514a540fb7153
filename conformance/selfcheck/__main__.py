"""`python -m conformance.selfcheck`: does the suite notice relays that are broken on purpose?

Certifies each broken relay by the requirements its mutation names, and demands *not met* from
the check's own assertion. The unbroken relay must be green by the same requirements, and some
broken ones by requirements of other groups: a check that accuses everybody would kill every
mutation and prove nothing.
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
from pathlib import Path

from conformance.catalogue import Catalogue
from conformance.passive import RULE_IDS
from conformance.selfcheck.broken_relay import UNBROKEN
from conformance.selfcheck.coverage import render
from conformance.selfcheck.mutations import MUTATIONS
from conformance.selfcheck.nursery import LIBRARIES
from conformance.selfcheck.trial import Ending, Sample, Trial, tried
from conformance.verdict import ExitCode

# Ours: all of them take some minutes; a relay that hangs must not take the night.
_MOST_SECONDS = 1500.0
# One of each kind whose harm does not reach beyond its group.
NARROW = (
    *("prompts-in-lower-case", "etrn-left-on", "rset-does-nothing", "untagged-ipv6"),
    *("empty-content-answered-twice", "starttls-twice", "mechanism-by-its-beginning"),
    *("compatible-characters", "unknown-encoding-passes", "approval-not-needed"),
    *("best-spf-record", "octet-255-raises"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mutations named, or all; exit 0 only if every one was killed."""
    options = _parser().parse_args(arguments)
    unknown = [name for name in options.names if name not in MUTATIONS]
    if unknown or not MUTATIONS:
        known = ", ".join(MUTATIONS)
        sys.stderr.write(f"no mutation {', '.join(unknown)}; expected some of {known}\n")
        return ExitCode.USAGE
    names = list(dict.fromkeys(options.names or MUTATIONS))
    trials = []
    with _compiled_once():
        for trial in _trials(samples(names), options.jobs):
            _tell(trial)
            trials.append(trial)
        for noisy in [trial for trial in trials if trial.ending is Ending.BROKE_DOWN]:
            sys.stdout.write(f"once more, with nothing beside it: {_name(noisy.sample)}\n")
            # In a process of its own, as before.
            (again,) = _trials([noisy.sample], 1)
            _tell(again)
            trials[trials.index(noisy)] = again
    passed = [trial.sample for trial in trials if trial.ending is Ending.PASSED]
    killed = sum(not sample.is_control for sample in passed)
    sys.stdout.write(f"{killed}/{len(names)} killed\n")
    if len(passed) != len(trials):
        return ExitCode.NOT_CONFORMANT
    if options.write is not None and set(names) == set(MUTATIONS):
        options.write.write_text(render(Catalogue.load()), encoding="utf-8")
        sys.stdout.write(f"{options.write}\n")
    return ExitCode.CONFORMANT


def samples(names: Sequence[str]) -> list[Sample]:
    """Return what shows that these mutations are killed, each by the checks of its own."""
    beside = [Sample.beside(name) for name in NARROW if name in names]
    return [*_controls(names), *map(Sample.broken, names), *beside]


def _controls(names: Sequence[str]) -> list[Sample]:
    """Return samples of the unbroken relay, one for each group that these mutations name."""
    named = {
        requirement
        for mutation in map(MUTATIONS.__getitem__, names)
        for requirement in (*mutation.requirements, *mutation.traffic)
    }
    # Rules that judge every reply have no check of their own: they go with all the others.
    rules = named.intersection(RULE_IDS)
    groups: dict[str, set[str]] = {}
    for requirement in sorted(named - rules):
        groups.setdefault(requirement.partition("-")[0], set()).add(requirement)
    return [Sample.unbroken(group | rules) for group in groups.values() or [rules]]


def _trials(samples: Sequence[Sample], jobs: int) -> Iterator[Trial]:
    """Try samples side by side; give each as it ends."""
    context = multiprocessing.get_context("forkserver")
    # Suite and libraries are read once, not by every process for itself.
    context.set_forkserver_preload([tried.__module__, *LIBRARIES])
    with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
        under_way = [pool.submit(tried, sample) for sample in samples]
        for done in as_completed(under_way, timeout=_MOST_SECONDS):
            yield done.result()


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


def _tell(trial: Trial) -> None:
    sample = trial.sample
    if sample.name == UNBROKEN:
        sentence = "The unbroken relay is green by the same requirements."
    elif sample.is_control:
        sentence = "Checks of what is not broken stay green."
    else:
        sentence = MUTATIONS[sample.name].sentence
    word = trial.ending.value
    sys.stdout.write(f"{word:<7}{_name(sample)} ({trial.seconds:.1f} s): {sentence}\n")
    for finding in trial.findings:
        sys.stdout.write(f"       {finding}\n")
    sys.stdout.flush()


def _name(sample: Sample) -> str:
    if sample.name == UNBROKEN:
        groups = {each.partition("-")[0] for each in sample.requirements if each not in RULE_IDS}
        return f"control {', '.join(sorted(groups)) or 'RPL'}"
    if sample.is_control:
        return f"control beside {sample.name}"
    return f"{','.join(sample.requirements)} {sample.name}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance.selfcheck", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutations to try; default all")
    parser.add_argument(
        *("--jobs", "-j"),
        type=int,
        # They mostly wait: for a reply that is late on purpose, for mail that does not come.
        default=2 * (os.cpu_count() or 1),
        metavar="N",
        help="relays at a time (default %(default)s: two for each processor)",
    )
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="where the matrix goes when all were killed"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
