"""Gathers a run in the process that started it, whether the checks run here or in workers."""

from __future__ import annotations

import json
from typing import Protocol

import pytest

from conformance.outcome import PROPERTY, Outcome
from conformance.passive import Examination, combined
from conformance.progress import Progress
from conformance.requirement import ids_of
from conformance.sanity import Sanity


class WorkerNode(Protocol):
    """What pytest-xdist tells about a worker that has ended."""

    workeroutput: dict[str, str]


class Collector:
    """A pytest plugin object; after the run its attributes hold everything there is to report.

    Attributes:
        outcomes: One per check that ran, in the order of their ends.
        dialogues: Every sanity dialogue.
        sanity_transcripts: What was said in them.
        examination: What the passive rules found, over all connections.
        with_check: The requirements that have a check, chosen or not.
        faults: What went wrong on our side outside of any check.
        profile: The name of the target's profile.
        usage_error: What is wrong with the profile, if the world could not be made from it.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._planned: set[str] = set()
        self._ended: set[str] = set()
        self.outcomes: list[Outcome] = []
        self.dialogues: list[Sanity] = []
        self.sanity_transcripts: list[dict[str, object]] = []
        self.examination = Examination()
        self.with_check: set[str] = set()
        self.faults: list[str] = []
        self.usage_error = ""
        self.profile = ""

    @property
    def lost_checks(self) -> tuple[str, ...]:
        """The checks that were to run and never ended."""
        return tuple(sorted(self._planned - self._ended))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Learn what is going to run, in one process."""
        marked = [item for item in session.items if ids_of(item)]
        self._planned.update(item.nodeid for item in marked)
        self._progress.planned(ids_of(item)[0] for item in marked)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Learn what is going to run, in several processes."""
        self._planned.update(ids)
        self._progress.planned_in_all(len(self._planned))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file that cannot be collected hides its checks: a fault."""
        if report.failed:
            lines = report.longreprtext.splitlines()
            errors = [line.removeprefix("E").strip() for line in lines if line.startswith("E ")]
            where = report.nodeid or "a file of checks"
            why = errors[-1] if errors else "no reason given"
            self.faults.append(f"{where} could not be collected: {why}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the outcome off the last report of a check."""
        shipped = [value for name, value in report.user_properties if name == PROPERTY]
        if shipped:
            outcome = Outcome.from_json(str(shipped[-1]))
            self._ended.add(report.nodeid)
            self.outcomes.append(outcome)
            self._progress.finished(outcome)

    def run_ended(self, account: str) -> None:
        """Take what belongs to no single check."""
        document = json.loads(account)
        self.with_check.update(document["with_check"])
        self.profile = self.profile or document["profile"]
        self.usage_error = self.usage_error or document["usage_error"]
        self.faults += [document["fault"]] if document["fault"] else []
        if controls := document.get("controls"):
            self.dialogues += map(Sanity.from_json, controls["dialogues"])
            self.sanity_transcripts += controls["transcripts"]
            examination = Examination.from_json(controls["examination"])
            self.examination = combined([self.examination, examination])

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: WorkerNode, error: object | None) -> None:
        """Take the same from a worker; one that crashed has nothing to tell."""
        if error:
            self.faults.append(f"a worker of the harness died: {error}")
        if account := getattr(node, "workeroutput", {}).get(PROPERTY):
            self.run_ended(account)

    def close(self) -> None:
        """Let go of the terminal."""
        self._progress.end()

    def whole_examination(self) -> Examination:
        """Return what the passive rules found in checks and sanity dialogues alike."""
        return combined([self.examination, *(each.examination for each in self.outcomes)])
