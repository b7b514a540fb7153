"""`python -m conformance.selfcheck`: does the suite notice relays that are broken on purpose?

Certifies each broken relay by the requirements its mutation names, and demands *not met* from
the check's own assertion. First the unbroken relay must be green by the same requirements: a
check that accuses everybody would kill every mutation and prove nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from conformance.selfcheck.broken_relay import UNBROKEN
from conformance.selfcheck.mutation import Mutation
from conformance.selfcheck.mutations import MUTATIONS
from conformance.verdict import ExitCode, Level, Verdict, unmet

ROOT = Path(__file__).parent.parent.parent
_WITHIN_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one broken relay.

    Attributes:
        name: The mutation, or `none` for the control.
        is_passed: The mutation was killed, or the control was green.
        findings: What the report says of each requirement that is not as it must be.
        seconds: How long the certification took.
    """

    name: str
    is_passed: bool
    findings: tuple[str, ...]
    seconds: float


def certify(name: str, requirements: Sequence[str]) -> tuple[Mapping[str, object] | None, str]:
    """Certify the relay with one mutation.

    Returns:
        Its results.json, and what the certification printed.
    """
    relay = f"{{python}} -m conformance.selfcheck.broken_relay {name} serve --config {{config}}"
    with tempfile.TemporaryDirectory(prefix="selfcheck-") as folder:
        command = [
            *(sys.executable, "-m", "conformance", "certify", "--only", ",".join(requirements)),
            *("--relay-command", relay, "--out", folder),
        ]
        try:
            run = subprocess.run(
                command,
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=_WITHIN_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, f"no end within {_WITHIN_SECONDS} s"
        results = Path(folder) / "results.json"
        document = json.loads(results.read_text("utf-8")) if results.exists() else None
        return document, run.stdout + run.stderr


def survivors(document: Mapping[str, object], requirements: Sequence[str]) -> tuple[str, ...]:
    """Name the requirements that did not notice, with the verdict they gave instead."""
    found = []
    for row in _rows(document):
        due = unmet(Level(row["level"])).value
        if row["id"] in requirements and row["verdict"] != due:
            found.append(f"{row['id']} is {row['verdict']}: {row['reason']}".rstrip(": "))
    return tuple(found)


def accusations(document: Mapping[str, object]) -> tuple[str, ...]:
    """Name what the report holds against the unbroken relay."""
    innocent = (Verdict.MET.value, Verdict.UNCHECKED.value)
    return tuple(
        f"{row['id']} is {row['verdict']}: {row['reason']}".rstrip(": ")
        for row in _rows(document)
        if row["verdict"] not in innocent
    )


def attempt(name: str, mutation: Mutation) -> Trial:
    """Certify one broken relay and see whether it was noticed."""
    began = time.monotonic()
    document, said = certify(name, mutation.requirements)
    findings = survivors(document, mutation.requirements) if document else (said.strip(),)
    return Trial(name, not findings, findings, time.monotonic() - began)


def control(requirements: Sequence[str]) -> Trial:
    """Certify the unbroken relay by the same requirements."""
    began = time.monotonic()
    document, said = certify(UNBROKEN, requirements)
    findings = accusations(document) if document else (said.strip(),)
    is_green = document is not None and _exit_code(document) == ExitCode.CONFORMANT
    return Trial(UNBROKEN, is_green and not findings, findings, time.monotonic() - began)


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the mutations named, or all; exit 0 only if every one was killed."""
    options = _parser().parse_args(arguments)
    unknown = [name for name in options.names if name not in MUTATIONS]
    if unknown or not MUTATIONS:
        known = ", ".join(MUTATIONS)
        sys.stderr.write(f"no mutation {', '.join(unknown)}; expected some of {known}\n")
        return ExitCode.USAGE
    chosen = {name: MUTATIONS[name] for name in options.names or MUTATIONS}
    requirements = sorted({name for each in chosen.values() for name in each.requirements})
    with ThreadPoolExecutor(max_workers=options.jobs) as pool:
        green = pool.submit(control, requirements)
        trials = pool.map(attempt, chosen, chosen.values())
        _tell("control", green.result(), "The unbroken relay is green by the same requirements.")
        killed = 0
        for trial in trials:
            mutation = chosen[trial.name]
            killed += trial.is_passed
            ids = ",".join(mutation.requirements)
            _tell(f"{ids} {trial.name}", trial, mutation.sentence)
    sys.stdout.write(f"{killed}/{len(chosen)} killed\n")
    is_sound = green.result().is_passed and killed == len(chosen)
    return ExitCode.CONFORMANT if is_sound else ExitCode.NOT_CONFORMANT


def _tell(what: str, trial: Trial, sentence: str) -> None:
    word = "ok" if trial.is_passed else "FAILED"
    sys.stdout.write(f"{word:<7}{what} ({trial.seconds:.1f} s): {sentence}\n")
    for finding in trial.findings:
        sys.stdout.write(f"       {finding}\n")
    sys.stdout.flush()


def _rows(document: Mapping[str, object]) -> list[dict[str, str]]:
    rows = document["requirements"]
    assert isinstance(rows, list)
    return rows


def _exit_code(document: Mapping[str, object]) -> int:
    conclusion = document["conclusion"]
    assert isinstance(conclusion, dict)
    return int(conclusion["exit_code"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance.selfcheck", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="mutations to try; default all")
    parser.add_argument(
        "--jobs", type=int, default=2, metavar="N", help="certifications at a time (default 2)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
