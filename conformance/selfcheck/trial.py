"""One relay, broken or not, certified by some requirements: what does the suite say of it?"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from rich.console import Console

from conformance.certification import Order, check_folders, measure
from conformance.report.results import RequirementResult, Results
from conformance.selfcheck.broken_relay import UNBROKEN
from conformance.selfcheck.early_end import OPTION
from conformance.selfcheck.mutations import MUTATIONS
from conformance.selfcheck.nursery import PROGRAM, forked
from conformance.verdict import ExitCode, Verdict, unmet
from fixtures.relay_process import launching_by

# A quick requirement of each of many groups.
BYSTANDERS = (
    *("GRT-01", "CMD-01", "CTL-02", "PATH-07", "DATA-02", "TLS-01"),
    *("AUTH-08", "SUB-03", "SND-01", "ATT-01", "CBR-03"),
)
_PLUGINS = ("fixtures.plugin", "conformance.selfcheck.early_end")
# Looks through all memory for what was left open, twice a run: the certification of the relay
# under test does that.
_WITHOUT = ("-p", "no:unraisableexception")
# What is said of a neighbour that took the processor, a port or a connection away, too.
_NOISE = (Verdict.INCONCLUSIVE, Verdict.HARNESS_ERROR)


class Ending(Enum):
    """How a trial ended.

    Attributes:
        PASSED: The mutation was killed, or the control was green.
        FAILED: The mutation survived, or the control was accused.
        BROKE_DOWN: The suite could not judge, which says nothing about either.
    """

    PASSED = "ok"
    FAILED = "FAILED"
    BROKE_DOWN = "unsure"


@dataclass(frozen=True, slots=True)
class Sample:
    """A relay to certify.

    Attributes:
        name: The mutation, or `none`.
        requirements: What must be found not met; of a control, what must be found met.
        is_control: Whether it must be green: nothing is broken, or something else.
        traffic: What is judged as well and may be as it likes.
    """

    name: str
    requirements: tuple[str, ...]
    is_control: bool = False
    traffic: tuple[str, ...] = ()

    @classmethod
    def broken(cls, name: str) -> Sample:
        """Return the sample of a mutation."""
        mutation = MUTATIONS[name]
        return cls(name, mutation.requirements, traffic=mutation.traffic)

    @classmethod
    def unbroken(cls, requirements: Iterable[str]) -> Sample:
        """Return a sample of the relay as it is."""
        return cls(UNBROKEN, tuple(sorted(requirements)), is_control=True)

    @classmethod
    def beside(cls, name: str) -> Sample:
        """Return the sample of a mutation that is judged by what it does not break."""
        broken = {_group(each) for each in MUTATIONS[name].requirements}
        others = tuple(each for each in BYSTANDERS if _group(each) not in broken)
        return cls(name, others, is_control=True)


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of a sample.

    Attributes:
        sample: The relay.
        ending: How it ended.
        findings: What is to be said of each requirement that is not as it must be.
        seconds: How long the certification took.
    """

    sample: Sample
    ending: Ending
    findings: tuple[str, ...]
    seconds: float


def tried(sample: Sample) -> Trial:
    """Certify one relay and see whether the suite says of it what it should."""
    began = time.monotonic()
    try:
        results = certified(sample)
    except OSError as error:
        # No file, process or port to be had: nothing was judged.
        found = f"{type(error).__name__}: {error}"
        return Trial(sample, Ending.BROKE_DOWN, (found,), time.monotonic() - began)
    wrong = accusations(results) if sample.is_control else survivors(results, sample.requirements)
    conclusion = results.conclusion
    is_hollow = sample.is_control and conclusion.exit_code is not ExitCode.CONFORMANT
    said = [f"{each.requirement.id} is {each.verdict.value}: {each.reason}" for each in wrong]
    findings = [line.rstrip(": ") for line in said]
    if wrong or is_hollow:
        is_noise = all(each.verdict in _NOISE for each in wrong)
        ending = Ending.BROKE_DOWN if is_noise else Ending.FAILED
        findings.append(conclusion.headline)
    else:
        ending = Ending.PASSED
    return Trial(sample, ending, tuple(findings), time.monotonic() - began)


def certified(sample: Sample) -> Results:
    """Certify one relay, in this process; what comes back has not passed the redaction gate."""
    name = sample.name
    # Whatever else is to be said of a broken relay is not worth the time.
    stop = () if sample.is_control else (OPTION, ",".join(sample.requirements))
    requirements = (*sample.requirements, *sample.traffic)
    order = Order(
        only=requirements,
        target=None if name == UNBROKEN else MUTATIONS[name].target,
        relay_command=" ".join(("{python}", *PROGRAM, name, "serve", "--config", "{config}")),
        pytest_arguments=(*_WITHOUT, *stop),
        plugins=_PLUGINS,
        checks=_files_about(requirements),
    )
    with launching_by(forked):
        return measure(order, Console(file=io.StringIO()))


def survivors(results: Results, requirements: Sequence[str]) -> tuple[RequirementResult, ...]:
    """Return what should have been found not met, and was not."""
    return tuple(
        each
        for each in results.requirements
        if each.requirement.id in requirements and each.verdict is not unmet(each.requirement.level)
    )


def accusations(results: Results) -> tuple[RequirementResult, ...]:
    """Return what is held against the unbroken relay."""
    # Not claimed: a broken relay may hide what the unbroken one offers (UTF8-03). Not observable:
    # what takes minutes to be shown of a relay that is right shows at once of one that is not.
    innocent = (Verdict.MET, Verdict.UNCHECKED, Verdict.NOT_CLAIMED, Verdict.NOT_OBSERVABLE)
    return tuple(each for each in results.requirements if each.verdict not in innocent)


def _group(requirement: str) -> str:
    return requirement.partition("-")[0]


def _files_about(requirements: Sequence[str]) -> tuple[Path, ...]:
    """Find the files of checks that name a requirement: collecting the others takes a second."""
    files = (file for folder in check_folders() for file in sorted(folder.glob("test_*.py")))
    names = [f'"{name}"' for name in requirements]
    return tuple(file for file in files if any(name in file.read_text("utf-8") for name in names))
